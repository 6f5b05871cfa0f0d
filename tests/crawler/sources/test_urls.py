import csv
import gzip
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from catalog import Rights, Workspace, open_catalog, record_rights
from crawler.commands.crawl import crawl as command
from crawler.fetch.addresses import name_of, normalised
from crawler.fetch.hosts import allow_host, host_of
from crawler.frontier.frontier import Frontier
from crawler.listing.vocabulary import photo_id
from crawler.readers.url_lists import BadListError, records
from crawler.session.crawl import CrawlOptions, crawl, retry
from crawler.session.records import make_crawl_id
from crawler.session.session import StopRequest
from crawler.session.summary import CrawlSummary
from crawler.settings import CrawlSettings
from crawler.sources import UrlListSource
from tests.factories import jpeg
from tests.fakes.fault_site import FaultSite

Rows = list[dict[str, object]]


@pytest.fixture(autouse=True)
def contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


def as_csv(path: Path, rows: Rows, delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def as_tsv(path: Path, rows: Rows) -> None:
    as_csv(path, rows, "\t")


def as_json(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps(rows, indent=2), "utf-8")


def as_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def as_parquet(path: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


def as_jsonl_gz(path: Path, rows: Rows) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "csv": as_csv,
    "tsv": as_tsv,
    "json": as_json,
    "jsonl": as_jsonl,
    "jsonl.gz": as_jsonl_gz,
    "parquet": as_parquet,
}
ROWS: Rows = [
    {"URL": "https://a.example/1.jpg", "TEXT": 'a "red"\tcat,\nü', "score": 0.5, "kind": "cat"},
    {"URL": "", "TEXT": "no address", "score": 0.1, "kind": "dog"},
    {"URL": "ftp://a.example/2.jpg", "TEXT": "not HTTP", "score": 0.1, "kind": "dog"},
    {"URL": "https://B.example:8443/3.jpg?w=1#x", "TEXT": "", "score": 0.25, "kind": ""},
]


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


hosts = st.sampled_from(["a.example", "A.Example", "127.0.0.1", "[::1]", "ü.example"])
paths = st.text("aB/%7?&=#", max_size=12).map(lambda text: "/" + text)


@given(
    st.sampled_from(["http", "HTTPS", "Http"]), hosts, st.sampled_from(["", ":80", ":8080"]), paths
)
def test_normalising_twice_is_normalising_once(
    scheme: str, host: str, port: str, path: str
) -> None:
    once = normalised(f"{scheme}://{host}{port}{path}")
    assert once
    assert normalised(once.geturl()) == once
    assert host_of(once.geturl()) == host_of(f"{scheme}://{host}{port}{path}")
    assert "#" not in once.geturl()


@pytest.mark.parametrize(
    "address",
    ["", "x", "/a.jpg", "http://", "http:///a", "http://a:b/", "http://[::1", "http://a b/"],
)
def test_what_is_no_address_is_none(address: str) -> None:
    assert normalised(address) is None


def test_two_addresses_that_differ_in_a_secret_are_two_photos_without_the_secret() -> None:
    first, second = (normalised(f"https://a.example/p?key={one}") for one in ("one", "two"))
    assert first
    assert second
    assert name_of(first) != name_of(second)
    assert "one" not in name_of(first)


def settings() -> CrawlSettings:
    return allow_host(CrawlSettings(backoff_s=0.01), "http://127.0.0.1")


def run(workspace: Workspace, source: UrlListSource) -> CrawlSummary:
    return crawl(workspace, source, settings())


def test_a_list_becomes_photos_with_labels_and_error_rows(
    workspace: Workspace, tmp_path: Path
) -> None:
    with FaultSite({"a": jpeg(seed=1), "b": jpeg(seed=2)}) as site:
        rows: Rows = [
            {"url": f"{site.url}/images/a", "caption": "one", "kind": "cat", "id": "7"},
            {
                "url": f"{site.url.upper()}/images/a#again".replace("/IMAGES", "/images"),
                "caption": "two",
            },
            {"url": f"{site.url}/images/b", "caption": None, "kind": "dog", "id": "8"},
            {"url": f"{site.url}/status/404", "caption": "gone", "kind": "dog", "id": "9"},
            {"url": None, "caption": "none", "kind": "dog", "id": "10"},
        ]
        rows[1]["url"] = str(rows[1]["url"]).replace("HTTP", "Http")
        as_jsonl(tmp_path / "list.jsonl", rows)
        source = UrlListSource(str(tmp_path / "list.jsonl"), label_cols=["kind"])
        summary = run(workspace, source)
        again = run(workspace, source)
        assert site.images == {"a": 1, "b": 1}  # one address is one photo, also the next time
    assert (summary.status, summary.listed, summary.skipped, summary.done) == (
        "finished",
        4,
        1,
        2,
    )
    assert summary.errors == {"http_404": 1}
    assert {name: n for name, n in again.rows.items() if n} == {"crawls": 1}
    with open_catalog(workspace) as catalog:
        photos = catalog.records("SELECT * FROM photos ORDER BY image_url")
        labels = catalog.records("SELECT * FROM labels ORDER BY value")
    assert [photo["title"] for photo in photos] == ["one", None]
    assert photos[0]["image_url"] == photos[0]["source_photo_id"] == f"{site.url}/images/a"
    assert {(photo["training_allowed"], photo["training_basis"]) for photo in photos} == {
        (False, "no_basis_recorded")
    }
    assert [(label["task"], label["value"], label["label_source"]) for label in labels] == [
        ("kind", "cat", "dataset"),
        ("kind", "dog", "dataset"),
    ]
    assert {label["subject_id"] for label in labels} == {photo["photo_id"] for photo in photos}


def test_ids_of_a_column_are_those_of_the_named_source(
    workspace: Workspace, tmp_path: Path
) -> None:
    with FaultSite({"a": jpeg()}) as site:
        as_csv(tmp_path / "list.csv", [{"url": f"{site.url}/images/a", "id": "x1"}])
        source = UrlListSource(
            str(tmp_path / "list.csv"), id_col="id", known_as="museum", training_basis="CC0"
        )
        run(workspace, source)
    with open_catalog(workspace) as catalog:
        [photo] = catalog.records("SELECT * FROM photos")
    assert (photo["source"], photo["source_photo_id"]) == ("museum", "x1")
    assert photo["photo_id"] == photo_id("museum", "x1")
    assert (photo["training_allowed"], photo["training_basis"]) == (True, "CC0")


@pytest.mark.slow
def test_an_interrupted_listing_goes_on_behind_the_last_page(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("".join(f"http://127.0.0.1:9/{n}\n" for n in range(2500)))
    stop = StopRequest()
    source = UrlListSource(str(tmp_path / "list.txt"))
    pages = source.pages

    class Interrupted(UrlListSource):
        def pages(self):  # type: ignore[no-untyped-def]
            for page in pages():
                yield page
                stop.request()

    interrupted = Interrupted(source.path)
    first = crawl(workspace, interrupted, settings(), CrawlOptions(stop=stop))
    assert (first.status, first.listed) == ("stopped", 1000)
    second = crawl(
        workspace, source, CrawlSettings(), CrawlOptions(relist=False)
    )  # private addresses are refused, so that nothing is asked
    assert (second.listed, second.errors) == (
        1500,
        {"private_address": 2500 - first.failed},
    )


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

    for ending in ("csv", "json"):
        assert peak(f"long.{ending}", 5) < 1.3 * peak(f"short.{ending}", 2)


def test_the_command_plans_and_runs(workspace: Workspace, tmp_path: Path) -> None:
    with FaultSite({"a": jpeg()}) as site:
        as_csv(
            tmp_path / "list.csv", [{"link": f"{site.url}/images/a", "n": 1}, {"link": "", "n": 2}]
        )
        arguments = ["--url-col", "link", "--labels-all", "--home", str(workspace.home)]
        words = ["urls", str(tmp_path / "list.csv"), *arguments]
        plan = CliRunner().invoke(command, ["plan", *words])
        assert "1 address on 1 host" in plan.output
        assert "1 line without an address" in plan.output
        done = CliRunner().invoke(command, ["run", *words, "--allow-private"])
    assert done.exit_code == 0, done.output
    assert "brought in 1" in done.output
    with open_catalog(workspace) as catalog:
        [label] = catalog.records("SELECT task, value FROM labels")
    assert label == {"task": "n", "value": "1"}


def test_pages_are_cut_the_same_way_each_time(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"http://a.example/{n}\n" for n in range(1001)))
    source = UrlListSource(str(tmp_path / "list.txt"))
    assert list(source.pages()) == list(source.pages())
    assert [len(page.photos) for page in islice(source.pages(), 3)] == [1000, 1]


def listed(path: Path, site: FaultSite, names: Rows) -> UrlListSource:
    as_parquet(path, [{"url": f"{site.url}/images/{row['name']}"} | row for row in names])
    return UrlListSource(str(path), label_cols=("breed",))


def bases(workspace: Workspace) -> list[tuple[object, object]]:
    with open_catalog(workspace) as catalog:
        found = catalog.records(
            "SELECT training_allowed, training_basis FROM v_photos ORDER BY image_url"
        )
    return [(row["training_allowed"], row["training_basis"]) for row in found]


def test_a_basis_that_is_stated_later_reaches_what_is_here_without_a_request(
    workspace: Workspace, tmp_path: Path
) -> None:
    pictures = {f"{n}.jpg": jpeg(seed=n) for n in range(4)}
    rows: Rows = [{"name": name, "breed": "pug"} for name in pictures]
    mine, ours = (True, "they are mine"), (True, "ours, too")
    with FaultSite(pictures) as site:
        site.faults = {"3.jpg": [500]}
        settings = allow_host(CrawlSettings(max_attempts=1), site.url)
        source = listed(tmp_path / "list.parquet", site, rows)
        first = crawl(workspace, source, settings)
        assert (first.permission.allowed, first.permission.total) == (0, 3)
        assert first.permission.sentence().endswith("because no_basis_recorded (3)")
        asked = site.images.total()
        stated = crawl(workspace, replace(source, training_basis=mine[1]), settings)
        assert stated.crawl_id == first.crawl_id
        assert site.images.total() == asked, "nobody is asked again"
        assert stated.basis is not None
        assert stated.basis.changed == 3
        assert bases(workspace) == [mine] * 3
        # A later retry and a changed text reach all of them, a refusal by a person stays.
        retried = retry(workspace, settings)
        assert (retried.done, retried.permission.allowed) == (1, 4)
        no = Rights(training_allowed=False, training_basis="she said no")
        record_rights(workspace, "image_url LIKE '%0.jpg'", no)
        crawl(workspace, replace(source, training_basis=ours[1]), settings)
        assert bases(workspace) == [(False, "she said no"), ours, ours, ours]
        # A photo that another list has brought in is listed here as well.
        longer = listed(tmp_path / "other.parquet", site, rows[1:2])
        other = crawl(workspace, replace(longer, training_basis="by contract"), settings)
        assert other.basis is not None
        assert other.basis.changed == 1


def test_a_crawl_of_older_code_goes_on_under_its_name(workspace: Workspace, tmp_path: Path) -> None:
    with FaultSite({"0.jpg": jpeg()}) as site:
        settings = allow_host(CrawlSettings(), site.url)
        source = replace(
            listed(tmp_path / "list.parquet", site, [{"name": "0.jpg", "breed": "pug"}]),
            training_basis="mine",
        )
        older = make_crawl_id(source.name, source.config)
        with Frontier(workspace.frontier) as frontier:
            frontier.open_crawl(older, source.name, source.config)
        assert crawl(workspace, source, settings).crawl_id == older
        workspace.frontier.unlink()
        assert crawl(workspace, source, settings).crawl_id == older, "the catalog knows it"
        assert site.images.total() == 1
