import tarfile
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from crawler.commands.planner import plan_files
from crawler.errors import PatternRefusedError
from crawler.listing.folder_walk import FolderEntry
from crawler.session.crawl import crawl
from crawler.sources import SoundsSource
from tests.crawler.pictures.test_wave_header import sound
from tests.factories import jpeg
from tests.real_data import REAL, needs


@needs("sounds/fsdd.tar")
def test_every_real_name_says_digit_and_speaker() -> None:
    source = SoundsSource("/fsdd")
    with tarfile.open(REAL / "sounds/fsdd.tar") as tar:
        names = tar.getnames()
    assert (len(names), [name for name in names if source.refusal(name)]) == (1000, [])
    said = [source.to_listed_photo(FolderEntry(name)).photo["labels"] for name in names]
    pairs = {
        (labels[0]["value"], labels[1]["value"]) for labels in said if isinstance(labels, list)
    }
    assert len(pairs) == 10 * 4


@pytest.mark.slow
@needs("sounds/fsdd.tar")
def test_spoken_digits_come_in_with_digit_and_speaker(workspace: Workspace, tmp_path: Path) -> None:
    with tarfile.open(REAL / "sounds/fsdd.tar") as tar:
        tar.extractall(tmp_path / "fsdd", filter="data")
    source = SoundsSource(str(tmp_path / "fsdd"))
    assert (plan_files(source).files, plan_files(source).refused) == (1000, 0)
    summary = crawl(workspace, source)
    assert (summary.done, summary.failed, summary.rows["assets"]) == (1000, 0, 1000)
    assert crawl(workspace, source).rows == {"crawls": 1}
    with open_catalog(workspace) as catalog:
        labels = catalog.records(
            "SELECT task, count(DISTINCT value) AS n, min(c) AS least, max(c) AS most FROM "
            "(SELECT task, value, count(*) AS c FROM labels GROUP BY ALL) GROUP BY task ORDER BY task"
        )
        kinds = catalog.records("SELECT DISTINCT mime, format, sample_rate, channels FROM assets")
        [length] = catalog.records("SELECT min(duration_s) AS a, max(duration_s) AS b FROM assets")
        exif = catalog.records("FROM exif")
    assert [tuple(row.values()) for row in labels] == [
        ("digit", 10, 100, 100),
        ("speaker", 4, 250, 250),
        ("take", 25, 40, 40),
    ]
    assert [tuple(row.values()) for row in kinds] == [("audio/wav", "WAV", 8000, 1)]
    assert 0.1 < float(str(length["a"])) < float(str(length["b"])) < 3
    assert exif == []


def test_bad_names_pictures_and_damaged_sounds_are_told_apart(
    workspace: Workspace, tmp_path: Path
) -> None:
    top = tmp_path / "sounds"
    top.mkdir()
    for name, body in {
        "1_ann_1.wav": sound(),
        "1_ann_2.wav": sound(frames=5000)[:-100],
        "1_ann_3.wav": jpeg(),
        "hello.wav": sound(),
    }.items():
        (top / name).write_bytes(body)
    summary = crawl(workspace, SoundsSource(str(top)))
    assert (summary.done, summary.errors) == (2, {"bad_name": 1, "not_a_sound": 1})
    with open_catalog(workspace) as catalog:
        found = catalog.records("SELECT header_status FROM assets ORDER BY bytes")
    assert [row["header_status"] for row in found] == ["ok", "truncated"]


def test_the_named_groups_of_a_pattern_become_labels() -> None:
    source = SoundsSource("/s", r"(?P<bird>[a-z]+)(-(?P<place>\w+))?\.wav")
    said = {
        name: source.to_listed_photo(FolderEntry(name)).photo["labels"]
        for name in ("wren-wood.wav", "x/owl.wav")
    }
    assert said == {
        "wren-wood.wav": [
            {"task": "bird", "value": "wren", "label_source": "filename"},
            {"task": "place", "value": "wood", "label_source": "filename"},
        ],
        "x/owl.wav": [{"task": "bird", "value": "owl", "label_source": "filename"}],
    }


@pytest.mark.parametrize("pattern", ["(", r"\d+\.wav"])
def test_a_pattern_that_cannot_be_used_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(PatternRefusedError, match="cannot be used"):
        SoundsSource(str(tmp_path), pattern).check()
