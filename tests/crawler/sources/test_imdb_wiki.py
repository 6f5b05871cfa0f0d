import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from catalog import Workspace, open_catalog
from crawler.commands.planner import plan_files
from crawler.errors import FolderNotFoundError, InputMissingError, InputRefusedError
from crawler.session.crawl import crawl
from crawler.sources import ImdbWikiSource
from crawler.sources.imdb_wiki import age, read_rows
from tests.factories import jpeg

PERSON = "Ann Person"


def cells(values: list[object]) -> Any:
    """Make a 1 x N cell array, as the files have."""
    array = np.empty((1, len(values)), dtype=object)
    array[0, :] = values
    return array


def datenum(day: date) -> int:
    return day.toordinal() + 366


def fields() -> dict[str, object]:
    """Six faces: good, born late in the year, no face, two faces, too old, not there."""
    born = [date(1980, 3, 1), date(1980, 9, 1), *[date(1980, 1, 1)] * 2, date(1800, 1, 1)]
    boxes: list[object] = [np.array([[1.0, 2.5, 30.0, 40.25]])] * 6
    return {
        "dob": np.array([[*map(datenum, born), 0]]),
        "photo_taken": np.array([[2010] * 6], dtype=np.uint16),
        "full_path": cells([f"0{n}/{n}_1980-03-01_2010.jpg" for n in range(6)]),
        "gender": np.array([[0.0, 1.0, 0.0, 0.0, np.nan, 1.0]]),
        "name": cells([PERSON] * 6),
        "face_location": cells(boxes),
        "face_score": np.array([[3.5, 4.5, -np.inf, 3.0, 2.0, 5.0]]),
        "second_face_score": np.array([[np.nan, np.nan, np.nan, 1.5, np.nan, np.nan]]),
    }


def mat(folder: Path, kind: str = "wiki", **changed: object) -> Path:
    path = folder / f"{kind}.mat"
    savemat(path, {kind: fields() | changed})
    return path


@pytest.fixture
def wiki(tmp_path: Path) -> Path:
    top = tmp_path / "wiki_crop"
    for number in range(5):
        (top / f"0{number}").mkdir(parents=True)
        name = f"0{number}/{number}_1980-03-01_2010.jpg"
        (top / name).write_bytes(jpeg(seed=number))
    return mat(top)


def test_faces_come_in_with_estimated_labels_and_without_a_name(
    workspace: Workspace, wiki: Path
) -> None:
    source = ImdbWikiSource(str(wiki))
    plan = plan_files(source)
    assert (plan.files, plan.skipped) == (4, 4)
    there = sum((wiki.parent / f"0{n}/{n}_1980-03-01_2010.jpg").stat().st_size for n in (0, 1, 4))
    assert plan.bytes == wiki.stat().st_size + there
    summary = crawl(workspace, source)
    assert (summary.done, summary.skipped, summary.errors) == (3, 4, {"missing": 1})
    (wiki.parent / "05").mkdir()
    (wiki.parent / "05/5_1980-03-01_2010.jpg").write_bytes(jpeg(seed=9))
    later = crawl(workspace, source)  # brings the one that has come, and nothing else
    assert (later.done, later.rows["photos"], later.rows["labels"]) == (1, 1, 2)
    with open_catalog(workspace) as catalog:
        labels = catalog.records(
            "SELECT source_photo_id AS name, task, value, label_source FROM labels "
            "JOIN photos ON photo_id = subject_id"
        )
        kept = [catalog.records(f"FROM {name}") for name in ("photos", "labels", "fetches", "exif")]
    said = {(row["name"], row["task"]): row["value"] for row in labels}
    assert {row["label_source"] for row in labels} == {"estimated"}
    assert (said["wiki/000000", "age"], said["wiki/000000", "gender"]) == ("30", "female")
    assert (said["wiki/000001", "age"], said["wiki/000001", "gender"]) == ("29", "male")
    assert ("wiki/000004", "age") not in said
    assert ("wiki/000004", "gender") not in said
    assert json.loads(str(said["wiki/000004", "face_box"])) == [1.0, 2.5, 30.0, 40.25]
    for trace in (PERSON, "1980", "_2010.jpg"):
        assert trace not in str(kept)


def test_rows_without_just_one_face_are_kept_when_asked_for(wiki: Path) -> None:
    pages = ImdbWikiSource(str(wiki), keep_all=True).pages("crawl")
    assert [(len(page.photos), page.skipped) for page in pages] == [(6, 2)]


def test_the_imdb_file_has_two_fields_more(tmp_path: Path) -> None:
    more = {"celeb_names": cells([PERSON]), "celeb_id": np.array([[1.0] * 6])}
    assert [row.name for row in read_rows(mat(tmp_path, "imdb", **more))][-1] == "imdb/000005"


def test_a_path_that_leaves_the_folder_is_not_opened(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    paths = cells(["../secret.jpg", str(tmp_path / "secret.jpg"), "", "a/./b", "a", "b"])
    summary = crawl(workspace, ImdbWikiSource(str(mat(tmp_path / "in", full_path=paths))))
    assert (summary.done, summary.errors) == (0, {"bad_name": 2, "missing": 2})


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"dob": np.array([[1.0]])}, "different lengths"), ({"gender": None}, "no field gender")],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, changed: Mapping[str, Any], why: str
) -> None:
    said = {name: value for name, value in (fields() | changed).items() if value is not None}
    savemat(tmp_path / "wiki.mat", {"wiki": said})
    with pytest.raises(InputRefusedError, match=why):
        list(read_rows(tmp_path / "wiki.mat"))


def test_what_is_not_there_or_no_mat_file_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mat").write_text("no mat file at all, but long enough to be read" * 9)
    savemat(tmp_path / "other.mat", {"other": 1})
    for name, error in (("text", "can be read"), ("other", "no struct")):
        with pytest.raises(InputRefusedError, match=error) as raised:
            list(read_rows(tmp_path / f"{name}.mat"))
        assert "\n" not in str(raised.value)
    with pytest.raises(InputMissingError):
        ImdbWikiSource(str(tmp_path / "none.mat")).check()
    with pytest.raises(FolderNotFoundError):
        ImdbWikiSource(str(tmp_path / "other.mat"), images=str(tmp_path / "none")).check()


@pytest.mark.parametrize(
    ("born", "taken", "years"),
    [
        (datenum(date(2000, 1, 1)), 2000, 0),
        (datenum(date(2000, 7, 1)), 2000, None),  # would be -1
        (datenum(date(1880, 1, 1)), 2000, 120),
        (datenum(date(1879, 1, 1)), 2000, None),
        (0.0, 2000, None),
        (float("nan"), 2000, None),
        (1e12, 2000, None),
    ],
)
def test_an_age_that_cannot_be_is_none(born: float, taken: float, years: int | None) -> None:
    assert age(born, taken) == years
