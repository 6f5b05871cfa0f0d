"""Labels of people: order, learning, undo, repeats, several people, takedown of a server, releases."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog import Workspace, find_release, open_catalog, rows, write_segment
from catalog.errors import LabelError
from catalog.lake.judgements import in_force, read_judgements
from catalog.web.labelling.label_session import LabelSession
from catalog.web.labelling.order import first_queue, queue
from catalog.web.labelling.publish_labels import publish_labels
from catalog.web.labelling.taste_model import fit
from tests.catalog.web.labelling.made_taste import make_tasteful_home

TASK = "good_or_bad"


@pytest.fixture(scope="module")
def tasteful(
    empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, dict[str, str]]:
    home = tmp_path_factory.mktemp("taste") / "home"
    shutil.copytree(empty_home, home)
    workspace = Workspace.at(home)
    return workspace, make_tasteful_home(workspace, 120)


@pytest.fixture
def taste(tasteful: tuple[Workspace, dict[str, str]]) -> dict[str, str]:
    return tasteful[1]


@pytest.fixture
def session(tasteful: tuple[Workspace, dict[str, str]], tmp_path: Path) -> Iterator[LabelSession]:
    shutil.copytree(tasteful[0].home, tmp_path / "home")
    opened = LabelSession(Workspace.at(tmp_path / "home"))
    yield opened
    opened.close()


def label(session: LabelSession, taste: dict[str, str], n: int, by: str = "ada") -> dict[str, Any]:
    """Label the pictures that come first, and wait for each new order."""
    page = session.page(TASK, by)
    for _ in range(n):
        picture = page["pictures"][0]["picture"]
        page = session.judge(TASK, picture, taste[picture], by)
        for _ in range(200):
            if not page["progress"]["is_learning"]:
                break
            time.sleep(0.02)
            page = session.page(TASK, by)
    return page


def test_the_order_follows_what_was_learnt(session: LabelSession, taste: dict[str, str]) -> None:
    before = session.page(TASK, "ada")
    assert {each["why"] for each in before["pictures"]} == {"first"}
    page = label(session, taste, 40)
    progress = page["progress"]
    assert (progress["order"], progress["learnt_from"] >= 32) == (progress["order"], True)
    assert progress["order"] >= 5
    assert {each["why"] for each in page["pictures"]} >= {"uncertain", "random"}
    unsure, random = (
        [abs(each["expected"]["good"] - 0.5) for each in page["pictures"] if each["why"] == why]
        for why in ("uncertain", "random")
    )
    assert np.mean(unsure) < np.mean(random)
    assert progress["labels"] + progress["with_oneself"]["of"] == 40
    assert sum(progress["counts"].values()) == progress["labels"]
    assert progress["with_oneself"]["same"] == progress["with_oneself"]["of"] >= 1
    assert progress["model"]["of"] >= 4


def test_uncertain_pictures_teach_more_than_random_ones(taste: dict[str, str]) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1500, 16)).astype(np.float32)
    truth = np.where(vectors[:, :2].sum(axis=1) > 1.2, "good", "bad").tolist()
    right: dict[str, list[float]] = {"uncertain": [], "random": []}
    for seed in range(4):
        for kind, scores in right.items():
            chooser = np.random.default_rng(seed)
            known = [each.place for each in first_queue(vectors, range(1500), chooser)][:12]
            while len(known) < 60:
                model = fit(vectors[known], [truth[place] for place in known])
                free = [place for place in range(1500) if place not in known]
                if model is None or kind == "random":
                    known += chooser.choice(free, 8, replace=False).tolist()
                    continue
                shown = queue(vectors, model.probabilities(vectors), free, (), chooser)
                known += [each.place for each in shown][:8]
            model = fit(vectors[known], [truth[place] for place in known])
            assert model is not None
            said = np.array(model.classes)[model.probabilities(vectors).argmax(axis=1)]
            scores.append(float((said == np.array(truth)).mean()))
    assert np.mean(right["uncertain"]) > np.mean(right["random"])
    assert taste


def test_a_label_is_a_row_and_an_undo_brings_the_picture_back(
    session: LabelSession, taste: dict[str, str], tmp_path: Path
) -> None:
    first = session.page(TASK, "ada")["pictures"][0]["picture"]
    page = session.judge(TASK, first, "good", "ada")
    assert page["pictures"][0]["picture"] != first
    page = session.undo(TASK, "ada")
    assert page["taken_back"] == page["pictures"][0]["picture"] == first
    assert page["progress"]["labels"] == 0
    with pytest.raises(LabelError, match="nothing to undo"):
        session.undo(TASK, "ada")
    session.judge(TASK, first, "bad", "ada")
    assert session.commit() == 3
    with open_catalog(Workspace.at(tmp_path / "home")) as catalog:
        listed = read_judgements(catalog, TASK)
        assert [each.value for each in listed] == ["good", None, "bad"]
        assert [each.value for each in in_force(listed)] == ["bad"]
        [row] = catalog.records("SELECT value, judged_by, shown_as FROM v_judgements")
        assert row == {"value": "bad", "judged_by": "ada", "shown_as": "first"}
        [row] = catalog.records("SELECT value, label_source FROM v_labels")
        assert row == {"value": "bad", "label_source": "person"}
    assert taste


def test_labels_survive_a_server_that_is_killed(
    session: LabelSession, taste: dict[str, str], tmp_path: Path
) -> None:
    label(session, taste, 5)
    other = LabelSession(Workspace.at(tmp_path / "home"))  # nothing was committed or closed
    assert other.page(TASK, "ada")["progress"]["labels"] == 5


def test_people_have_their_own_labels_and_the_majority_counts(
    session: LabelSession, taste: dict[str, str], tmp_path: Path
) -> None:
    shas = sorted(taste)[:3]
    said = {"ada": "ggb", "ben": "gbb", "eve": "gbg"}
    for by, letters in said.items():
        for sha, letter in zip(shas, letters, strict=True):
            session.judge(TASK, sha, {"g": "good", "b": "bad"}[letter], by)
    progress = session.page(TASK, "ada")["progress"]
    assert (progress["labels"], progress["counts"]) == (3, {"bad": 1, "good": 2})
    people = {each["name"]: each["agreement"] for each in progress["people"]}
    assert people == {"ada": None, "ben": {"same": 2, "of": 3}, "eve": {"same": 1, "of": 3}}
    session.judge(TASK, shas[2], "good", "kim")  # two to two
    session.commit()
    with open_catalog(Workspace.at(tmp_path / "home")) as catalog:
        labels = catalog.records("SELECT subject_id, value, answers FROM v_labels ORDER BY ALL")
    assert labels == [
        {"subject_id": shas[0], "value": "good", "answers": 1},
        {"subject_id": shas[1], "value": "bad", "answers": 1},
    ]


def test_a_person_has_the_last_word_over_folders(
    session: LabelSession, taste: dict[str, str], tmp_path: Path
) -> None:
    workspace, sha = Workspace.at(tmp_path / "home"), min(taste)
    stated = {"label_id": "l", "subject_kind": "asset", "subject_id": sha, "task": TASK}
    stated |= {"value": "good", "label_source": "folder_name"}
    write_segment(workspace, {"labels": rows("labels", [stated])}, job="folder")
    session.judge(TASK, sha, "bad", "ada")
    session.commit()
    with open_catalog(workspace) as catalog:
        [label] = catalog.records("SELECT value, label_source, answers, statements FROM v_labels")
    assert label == {"value": "bad", "label_source": "person", "answers": 1, "statements": 2}


@pytest.mark.parametrize(
    ("task", "picture", "value", "by"),
    [
        ("Good", "", "good", "ada"), ("split", "", "good", "ada"), ("iso", "", "good", "ada"),
        ("a" * 41, "", "good", "ada"), (TASK, "0" * 64, "good", "ada"), (TASK, "", " ", "ada"),
        (TASK, "", "two\nlines", "ada"), (TASK, "", "x" * 61, "ada"), (TASK, "", "good", "<b>"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_label_is_refused(
    session: LabelSession, taste: dict[str, str], task: str, picture: str, value: str, by: str
) -> None:
    with pytest.raises(LabelError):
        session.judge(task, picture or min(taste), value, by)


def test_labels_end_in_a_release_with_the_groups_and_splits_of_the_run(
    session: LabelSession, taste: dict[str, str], tmp_path: Path
) -> None:
    workspace = Workspace.at(tmp_path / "home")
    with pytest.raises(LabelError, match="nothing is labelled yet"):
        publish_labels(workspace, "taste", TASK)
    label(session, taste, 30)
    session.commit()
    published = publish_labels(workspace, "taste", TASK)
    assert published.command.endswith(f"train run good_photos --dataset taste --label {TASK}")
    assert published.left_out == 0
    release = find_release(workspace, "taste@1.0.0")
    index = release.index().to_pylist()
    assert {row["asset_sha256"]: row[TASK] for row in index}.items() <= taste.items()
    assert (
        len(index)
        == published.pictures
        == 30 - session.page(TASK, "ada")["progress"]["with_oneself"]["of"]
    )
    with open_catalog(workspace) as catalog:
        splits = {
            row["asset_sha256"]: row["split"]
            for row in catalog.records("SELECT asset_sha256, split FROM curated_items")
        }
    assert all(splits[row["asset_sha256"]] == row["split"] for row in index)
    assert release.manifest["plan"]["labels"] == [TASK]


def test_pictures_without_vectors_come_in_random_order(empty_home: Path, tmp_path: Path) -> None:
    shutil.copytree(empty_home, tmp_path / "home")
    workspace = Workspace.at(tmp_path / "home")
    taste = make_tasteful_home(workspace, 12, curated=False)
    session = LabelSession(workspace)
    page = label(session, taste, 11)
    assert not page["progress"]["has_vectors"]
    assert len(page["pictures"]) == 1
    page = session.judge(TASK, page["pictures"][0]["picture"], "good", "ada")
    assert page["pictures"] == []
    session.commit()
    make_tasteful_home(workspace, 13, curated=False)  # a crawl brings one more
    [new] = session.page(TASK, "ada")["pictures"]
    assert new["picture"] not in taste
    with pytest.raises(LabelError, match="curate its pictures first"):
        publish_labels(workspace, "taste", TASK)
