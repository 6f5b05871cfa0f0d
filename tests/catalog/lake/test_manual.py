from datetime import datetime

import pytest

from catalog import DecisionError, Workspace, decide, open_catalog, rows, undo, write_segment
from catalog.lake.manual import About, choose_run, decisions_in_force, history, resolve_sha256
from tests.catalog.each_store import each_store_at_leisure

__all__ = ["each_store_at_leisure"]

NAMES = [letter * 64 for letter in "abcd"]


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """Four pictures, of which two runs made one group."""
    group = [{"group_id": NAMES[0], "asset_sha256": name} for name in NAMES[:3]]
    runs = [
        {"run_id": f"{n}run", "finished_at": datetime(2026, 1, n), "n_kept": n}  # noqa: DTZ001 - as the catalog keeps it
        for n in (1, 2)
    ]
    tables = {
        "assets": rows("assets", [{"sha256": name} for name in NAMES]),
        "curation_runs": rows("curation_runs", runs),
        "duplicate_groups": rows("duplicate_groups", [row | {"run_id": "1run"} for row in group]),
    }
    write_segment(workspace, tables, job="test")
    return workspace


def kinds(workspace: Workspace) -> list[tuple[str, tuple[str, ...]]]:
    with open_catalog(workspace) as catalog:
        return [(each.kind, each.assets) for each in decisions_in_force(catalog)]


def current(workspace: Workspace) -> list[dict[str, object]]:
    with open_catalog(workspace) as catalog:
        return catalog.records("SELECT run_id FROM v_runs WHERE is_current")


def test_decisions_hold_until_they_are_taken_back_and_again_when_the_undo_is(
    filled: Workspace,
) -> None:
    keep = decide(filled, "keep", NAMES[:1], reason="the only one of its kind", decided_by="ann")
    drop = decide(filled, "drop", NAMES[1:3], reason="watermark")
    with open_catalog(filled) as catalog:
        assert decisions_in_force(catalog) == [keep, drop]
        assert decisions_in_force(catalog, ["drop"]) == [drop]
    assert undo(filled, keep.decision_id) == (keep.decision_id, False)
    assert kinds(filled) == [("drop", tuple(NAMES[1:3]))]
    with open_catalog(filled) as catalog:
        taken = history(catalog)[-1]
    assert (taken.kind, taken.undoes, taken.assets) == ("undo", keep.decision_id, ())
    assert undo(filled, taken.decision_id) == (keep.decision_id, True)  # the undo of the undo
    assert [kind for kind, _ in kinds(filled)] == ["keep", "drop"]
    undo(filled, keep.decision_id.removeprefix("manual:"))
    assert [kind for kind, _ in kinds(filled)] == ["drop"]


def test_a_split_knows_who_stays(filled: Workspace) -> None:
    about = About(NAMES[0], "1run")
    made = decide(filled, "split", NAMES[2:3], reason="another cup", about=about)
    assert made.rest == tuple(NAMES[:2])
    with open_catalog(filled) as catalog:
        assert decisions_in_force(catalog) == [made]


REFUSED = [
    ("love", NAMES[:1], "keep, drop, keeper, split, merge, right, wrong"),
    ("keep", [], "at least 1 picture, not 0"),
    ("keep", ["nowhere", "neither"], "no picture neither and 1 more"),
    ("keeper", NAMES[:2], "keeper is about 1 picture, not 2"),
    ("merge", NAMES[:1], "at least 2"),
    ("split", NAMES[3:], "is not in group"),
    ("split", NAMES[:3], "at least one picture"),
]


def test_what_fits_nothing_is_refused(filled: Workspace) -> None:
    for kind, assets, said in REFUSED:
        with pytest.raises(DecisionError, match=said):
            decide(filled, kind, assets, reason="", about=About(NAMES[0], "1run"))
    with pytest.raises(DecisionError, match="run 7run has no group"):
        decide(filled, "split", NAMES[:1], reason="", about=About(NAMES[0], "7run"))
    assert kinds(filled) == []


def test_an_undone_run_gives_way_to_the_one_before_and_comes_back(filled: Workspace) -> None:
    decide(filled, "keep", NAMES[:1], reason="")
    assert current(filled) == [{"run_id": "2run"}]
    undo(filled, "2r")  # the decision's hash may begin with a 2, too
    assert current(filled) == [{"run_id": "1run"}]
    undo(filled, "2run")
    assert current(filled) == [{"run_id": "2run"}]
    with open_catalog(filled) as catalog:
        choose_run(catalog, "1run")
        before = catalog.snapshot()
        choose_run(catalog, "1run")
        assert catalog.snapshot() == before
    assert current(filled) == [{"run_id": "1run"}]


def test_only_one_run_or_decision_is_undone_at_a_time(filled: Workspace) -> None:
    for _ in range(2):
        decide(filled, "keep", NAMES[:1], reason="")
    with pytest.raises(DecisionError, match="give more letters"):
        undo(filled, "manual:")
    with pytest.raises(DecisionError, match="no run or decision 'x'"):
        undo(filled, "x")


def test_a_picture_is_named_by_its_first_letters(filled: Workspace) -> None:
    assert resolve_sha256(filled, "AA") == NAMES[0]
    with pytest.raises(DecisionError, match=r"could be a+, b+"):
        resolve_sha256(filled, "")
    with pytest.raises(DecisionError, match="no picture begins with 'e'"):
        resolve_sha256(filled, "e")
