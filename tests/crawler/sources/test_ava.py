import json
import statistics
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from crawler.commands.planner import plan_files
from crawler.errors import InputMissingError, InputRefusedError
from crawler.readers.vote_files import Votes, read_votes
from crawler.report.audit import audit
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.session import StopRequest
from crawler.sources import AvaSource
from crawler.sources.ava import PAGE
from tests.factories import jpeg
from tests.real_data import REAL, needs

AVA_TXT = """1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396
2 953958 10 7 15 26 26 21 10 8 1 2 0 0 1396

3 954184 0 0 4
4 954113 0 0 0 0 0 0 0 0 0 0 5 0 1396
5 ../954980 0 3 6 15 57 39 6 1 1 1 14 21 1396
"""


@needs("labels/ava_votes.csv")
def test_the_votes_of_ava_have_the_known_statistics() -> None:
    entries = [entry for entry in read_votes(REAL / "labels/ava_votes.csv") if entry]
    means, people = [entry.mean for entry in entries], [sum(entry.votes) for entry in entries]
    assert len(entries) == 17_885
    assert statistics.fmean(means) == pytest.approx(5.375, abs=0.0005)
    assert statistics.pstdev(means) == pytest.approx(0.734, abs=0.0005)
    assert (min(people), max(people), statistics.median(people)) == (81, 520, 202)
    plan = plan_files(AvaSource(str(REAL / "labels/ava_votes.csv")))
    assert (plan.files, plan.skipped) == (0, 0)
    assert plan.rows == {"photos": 17_885, "labels": 2 * 17_885}
    assert plan.bytes == (REAL / "labels/ava_votes.csv").stat().st_size


@pytest.mark.slow
@needs("labels/ava_votes.csv")
def test_all_votes_come_in(workspace: Workspace) -> None:
    source = AvaSource(str(REAL / "labels/ava_votes.csv"))
    summary = crawl(workspace, source)
    assert (summary.status, summary.done, summary.failed) == ("finished", 0, 0)
    assert (summary.rows["photos"], summary.rows["labels"]) == (17_885, 35_770)
    assert crawl(workspace, source).rows == {"crawls": 1, "labels": 0, "photos": 0}
    with open_catalog(workspace) as catalog:
        [row] = catalog.records(
            "SELECT avg(value::DOUBLE) AS mean FROM labels WHERE task = 'mean_score'"
        )
        listed = catalog.records("SELECT count(*) AS n FROM v_listed")
    assert float(str(row["mean"])) == pytest.approx(5.375, abs=0.0005)
    assert listed == [{"n": 17_885}]
    assert audit(workspace).problems == []


@needs("labels/tid2013_labels.json")
def test_shares_are_read_like_counts() -> None:
    entries = list(read_votes(REAL / "labels/tid2013_labels.json"))
    assert len(entries) == 2160
    assert all(entry and sum(entry.votes) == pytest.approx(1.0, abs=1e-5) for entry in entries)
    assert all(entry and 1 <= entry.mean <= 10 for entry in entries)


def test_ava_txt_says_tags_and_challenge(tmp_path: Path) -> None:
    (tmp_path / "AVA.txt").write_text(AVA_TXT)
    good = [
        Votes("953619", (0, 1, 5, 17, 38, 36, 15, 6, 5, 1), ("1", "22"), "1396"),
        Votes("953958", (10, 7, 15, 26, 26, 21, 10, 8, 1, 2), (), "1396"),
    ]
    assert list(read_votes(tmp_path / "AVA.txt")) == [*good, None, None, None]


def test_pictures_that_come_later_meet_their_labels(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "AVA.txt").write_text(AVA_TXT)
    images = tmp_path / "images"
    images.mkdir()
    (images / "953619.jpg").write_bytes(jpeg())
    first = crawl(workspace, AvaSource(str(tmp_path / "AVA.txt")))
    assert (first.skipped, first.rows["photos"], first.rows["labels"]) == (3, 2, 8)
    source = AvaSource(str(tmp_path / "AVA.txt"), str(images))
    summary = crawl(workspace, source)
    assert (summary.done, summary.errors) == (1, {"missing": 1})
    assert (summary.rows["photos"], summary.rows["labels"]) == (1, 0)
    (images / "953958.jpg").write_bytes(jpeg(seed=2))
    assert crawl(workspace, source).done == 1
    with open_catalog(workspace) as catalog:
        found = catalog.records(
            "SELECT source_photo_id AS id, task, value, label_source FROM v_photos "
            "JOIN labels ON subject_id = photo_id ORDER BY id, task, value"
        )
    assert [(row["id"], row["task"], row["label_source"]) for row in found] == [
        ("953619", "challenge", "dataset"),
        ("953619", "mean_score", "votes"),
        ("953619", "tag", "dataset"),
        ("953619", "tag", "dataset"),
        ("953619", "votes", "votes"),
        ("953958", "challenge", "dataset"),
        ("953958", "mean_score", "votes"),
        ("953958", "votes", "votes"),
    ]
    assert json.loads(str(found[4]["value"])) == [0, 1, 5, 17, 38, 36, 15, 6, 5, 1]
    assert audit(workspace).problems == []


def test_an_import_that_was_stopped_half_way_goes_on(workspace: Workspace, tmp_path: Path) -> None:
    lines = ["image_id," + ",".join(f"n{i}" for i in range(1, 11))]
    lines += [f"{number},1,1,1,1,1,1,1,1,1,1" for number in range(PAGE + 5)]
    (tmp_path / "votes.csv").write_text("\n".join(lines))
    stop = StopRequest()

    class Interrupted(AvaSource):
        def pages(self, crawl_id):  # type: ignore[no-untyped-def]  # as the parent's
            for page in super().pages(crawl_id):
                yield page
                stop.request()

    path = str(tmp_path / "votes.csv")
    half = crawl(workspace, Interrupted(path), options=CrawlOptions(stop=stop))
    assert (half.status, half.rows["photos"]) == ("stopped", PAGE)
    rest = crawl(workspace, AvaSource(path))
    assert (rest.status, rest.rows["photos"], rest.rows["labels"]) == ("finished", 5, 10)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.xml", "<votes>", "read from"),
        ("a.json", "{", "no JSON"),
        ("a.json", "{}", "no list"),
        ("a.csv", "image_id,n1\n", "no column n10, n2"),
        ("a.csv", "", "no line of column names"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputRefusedError, match=why):
        list(read_votes(tmp_path / name))
    with pytest.raises(InputMissingError):
        AvaSource(str(tmp_path / "none.csv")).check()


@pytest.mark.parametrize(
    "entry",
    [
        1,
        {},
        {"image_id": "a", "label": [1] * 9},
        {"image_id": "a", "label": [-1] + [1] * 9},
        {"image_id": "a", "label": ["NaN"] * 10},
        {"image_id": "a", "label": ["x"] * 10},
        {"image_id": "a/b", "label": [1] * 10},
        {"image_id": ".b", "label": [1] * 10},
        {"image_id": "a", "label": [0] * 10},
        {"image_id": "a", "label": "1111111111"},
    ],
)
def test_an_unusable_entry_is_none(tmp_path: Path, entry: object) -> None:
    (tmp_path / "a.json").write_text(json.dumps([entry]))
    assert list(read_votes(tmp_path / "a.json")) == [None]
