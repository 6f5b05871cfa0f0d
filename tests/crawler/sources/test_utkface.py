import tarfile
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from crawler.commands.planner import FilesPlan, plan_files
from crawler.listing.folder_walk import FolderEntry
from crawler.session.crawl import crawl
from crawler.sources import UtkFaceSource
from crawler.sources.utkface import read_name
from tests.real_data import REAL, members, needs


@pytest.mark.parametrize(
    "name",
    [
        "14_0_0_2017011022340900.jpg.chip.jpg",
        "28_1_2_201701161846515488.jpg",
        "24_0_1_20170116220224657 .jpg",
        "39_1_20170116174525125.jpg",
        "55_0_0_20170116232725357jpg.chip.jpg",
        "20_2_0_20170116174525125.jpg",
        "20_0_5_20170116174525125.jpg",
        "20_0_0_20171316174525125.jpg",
        "٢٠_0_0_20170116174525125.jpg",
        "20_0_0_20170116174525125.jpg\n",
        "readme.txt",
    ],
)
def test_a_name_that_breaks_the_rule_says_nothing(name: str) -> None:
    assert read_name(name) is None


def test_a_name_says_age_gender_ethnicity_and_time() -> None:
    face = read_name("part1/26_1_3_20170117171613595.jpg.chip.jpg")
    assert face
    assert (face.age, face.gender, face.ethnicity) == (26, "female", "Indian")
    assert face.collected_at.isoformat() == "2017-01-17T17:16:13.595000"


@needs("faces/utkface.tar")
def test_every_real_name_is_read_and_the_bad_ones_are_not(tmp_path: Path) -> None:
    with tarfile.open(REAL / "faces/utkface.tar") as tar:
        names = tar.getnames()
    faces = [read_name(name) for name in names]
    assert (len(faces), sum(face is None for face in faces)) == (3986, 0)
    assert {face.ethnicity for face in faces if face} == {
        "White",
        "Black",
        "Asian",
        "Indian",
        "Other",
    }
    with tarfile.open(REAL / "faces/utkface_badnames.tar") as tar:
        assert [read_name(name) for name in tar.getnames()] == [None] * 8


@needs("faces/utkface.tar")
def test_faces_come_in_labelled_and_bad_names_are_quarantined(
    workspace: Workspace, tmp_path: Path
) -> None:
    good = dict(members("faces/utkface.tar", every=160))
    bad = dict(members("faces/utkface_badnames.tar"))
    for name, body in (good | bad).items():
        (tmp_path / "faces").mkdir(exist_ok=True)
        (tmp_path / "faces" / name).write_bytes(body)
    source = UtkFaceSource(str(tmp_path / "faces"))
    size = sum(map(len, (good | bad).values()))
    assert plan_files(source) == FilesPlan(33, size, {}, skipped=0, refused=8)
    summary = crawl(workspace, source)
    assert (summary.done, summary.failed, summary.errors) == (25, 8, {"bad_name": 8})
    again = crawl(workspace, source)
    assert again.rows == {"crawls": 1}
    with open_catalog(workspace) as catalog:
        photos = catalog.records(
            "SELECT DISTINCT training_allowed, training_basis, redistribution_allowed, licence FROM photos"
        )
        labels = catalog.records(
            "SELECT task, label_source, count(*) AS n FROM labels GROUP BY ALL ORDER BY task"
        )
        refused = catalog.records(
            "SELECT DISTINCT error_class, attempt, bytes FROM fetches WHERE error = 'bad_name'"
        )
    assert photos == [
        {
            "training_allowed": False,
            "training_basis": "utkface_non_commercial_research_only",
            "redistribution_allowed": False,
            "licence": "UTKFace: non-commercial research only",
        }
    ]
    assert [(row["task"], row["label_source"], row["n"]) for row in labels] == [
        ("age", "estimated", 25),
        ("collected_at", "filename", 25),
        ("ethnicity", "estimated", 25),
        ("gender", "estimated", 25),
    ]
    assert refused == [{"error_class": "suspicious", "attempt": 1, "bytes": None}]


@pytest.mark.slow
@needs("faces/utkface.tar")
def test_the_whole_set_comes_in(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("utkface", "utkface_badnames"):
        with tarfile.open(REAL / f"faces/{name}.tar") as tar:
            tar.extractall(tmp_path / "faces", filter="data")
    summary = crawl(workspace, UtkFaceSource(str(tmp_path / "faces")))
    assert (summary.done, summary.failed) == (3986, 8)
    with open_catalog(workspace) as catalog:
        [row] = catalog.records("SELECT count(*) AS n FROM labels")
    assert row["n"] == 4 * 3986


def test_training_is_allowed_on_the_basis_that_the_user_states() -> None:
    source = UtkFaceSource("/faces", "university study 12")
    photo = source.to_listed_photo(FolderEntry("1_0_0_20170117171613595.jpg")).photo
    assert photo["training_allowed"] is True
    assert photo["training_basis"] == "university study 12"
