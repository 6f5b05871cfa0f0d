"""Lists of addresses are read the same from every format, and broken lines stop nobody."""

import gzip
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from crawler.listing.vocabulary import photo_id
from crawler.readers.url_lists import BadListError, records
from crawler.sources import UrlListSource
from tests.crawler.list_files import ROWS, WRITERS, as_csv, as_parquet


@pytest.fixture(autouse=True)
def _contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


@pytest.mark.parametrize("ending", list(WRITERS))
def test_every_format_says_the_same(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"list.{ending}"
    WRITERS[ending](path, ROWS)
    [page] = UrlListSource(str(path), labels_all=True).pages()
    first, second = page.photos
    assert page.skipped == 2
    assert (first.url, first.host) == ("https://a.example/1.jpg", "a.example")
    assert first.photo["title"] == 'a "red"\tcat,\nü'
    assert first.photo["labels"] == [
        {"task": "score", "value": "0.5", "label_source": "dataset"},
        {"task": "kind", "value": "cat", "label_source": "dataset"},
    ]
    assert (second.url, second.host) == ("https://b.example:8443/3.jpg?w=1", "b.example:8443")
    assert "title" not in second.photo
    assert second.photo["labels"] == [{"task": "score", "value": "0.25", "label_source": "dataset"}]
    assert second.photo_id == photo_id("urls", "https://b.example:8443/3.jpg?w=1")


def test_a_txt_list_has_one_address_a_line(tmp_path: Path) -> None:
    path = tmp_path / "list.txt.gz"
    path.write_bytes(gzip.compress(b"https://a.example/1\r\n\nnonsense\nhttps://a.example/\xff\n"))
    [page] = UrlListSource(str(path)).pages()
    assert [photo.url for photo in page.photos] == [
        "https://a.example/1",
        "https://a.example/\ufffd",
    ]
    assert page.skipped == 2


def test_a_folder_of_lists_is_one_list_and_the_limit_counts_addresses(tmp_path: Path) -> None:
    for part in ("a", "b", "c"):
        as_parquet(tmp_path / f"{part}.parquet", ROWS)
    source = UrlListSource(str(tmp_path), limit=3)
    [page] = source.pages()
    assert (len(page.photos), page.skipped) == (3, 2)
    plan = UrlListSource(str(tmp_path)).plan()
    assert (plan.addresses, plan.skipped) == (6, 6)
    assert plan.hosts == {"a.example": 3, "b.example:8443": 3}
    assert plan.hours(rate=0.001) == pytest.approx(3 / 0.001 / 3600)


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ('{"url": "https://a.example/1"}{"url": "https://a.example/2"}', 2, 0),
        ('["https://a.example/1", "https://a.example/2"]', 2, 0),
        ('[{"url": "https://a.example/1"}, {"url": ', 1, 1),
        ('[{"url": "https://a.example/1"}, 7, null]', 1, 2),
    ],
)
def test_json_is_read_value_by_value(tmp_path: Path, text: str, good: int, bad: int) -> None:
    path = tmp_path / "list.json"
    path.write_text(text)
    [page] = UrlListSource(str(path)).pages()
    assert (len(page.photos), page.skipped) == (good, bad)


def test_broken_lines_are_counted_and_stop_nobody(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    line = "https://a.example/{},x\n"
    endless = '"' + "x" * 200_000 + '",y\n'
    path.write_text("url,kind\n" + line.format(1) + endless + "\n" + line.format(2))
    [page] = UrlListSource(str(path)).pages()
    assert [photo.url[-1] for photo in page.photos] == ["1", "2"]
    assert page.skipped >= 1
    lines = tmp_path / "list.jsonl"
    lines.write_text('{"url": "https://a.example/1"}\n{"url"\n[]\n')
    assert [record is None for record in records(lines)] == [False, True, True]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"url_col": "nope"}, "no column nope; there are: URL, TEXT, score, kind"),
        ({"label_cols": ["kind", "odd"]}, "no column odd"),
        ({"id_col": "key"}, "no column key"),
    ],
)
def test_a_missing_column_is_named_before_the_crawl(
    tmp_path: Path, wanted: dict[str, str], said: str
) -> None:
    as_csv(tmp_path / "list.csv", ROWS)
    with pytest.raises(BadListError, match=said):
        UrlListSource(str(tmp_path / "list.csv"), **wanted).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("photos.xlsx", b"x", "known endings"),
        ("none.csv", b"", "no column of addresses"),
        ("bad.parquet", b"PAR1", "cannot be read"),
        ("bad.csv.gz", b"no gzip", "cannot be read"),
    ],
)
def test_what_is_no_list_says_so(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadListError, match=said):
        UrlListSource(str(tmp_path / name)).check()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    def peak(name: str, pages: int) -> int:
        path = tmp_path / name
        with path.open("w") as file:
            file.write("url,caption\n" if name.endswith("csv") else "[")
            for n in range(pages * 1000):
                line = f"http://h{n % 7}.example/{n}"
                file.write(f"{line},x\n" if name.endswith("csv") else f'{{"url": "{line}"}},\n')
        tracemalloc.start()
        assert sum(len(page.photos) for page in UrlListSource(str(path)).pages()) == pages * 1000
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # The last 4,096 addresses are kept with their hosts, so both lists are longer than that.
    for ending in ("csv", "json"):
        assert peak(f"long.{ending}", 15) < 1.2 * peak(f"short.{ending}", 6)


def test_pages_are_cut_the_same_way_each_time(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"http://a.example/{n}\n" for n in range(1001)))
    source = UrlListSource(str(tmp_path / "list.txt"))
    assert list(source.pages()) == list(source.pages())
    assert [len(page.photos) for page in islice(source.pages(), 3)] == [1000, 1]
