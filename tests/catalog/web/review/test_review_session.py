"""What the review shows and writes down, without a server."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy.stats import binomtest

from catalog import Catalog, Workspace, open_catalog, rows, write_segment
from catalog.errors import DecisionError, ReviewError
from catalog.lake.lake import writer_lock
from catalog.lake.manual import decisions_in_force, history
from catalog.packs.spool import waiting_segments
from catalog.web.review.precision import wilson
from catalog.web.review.queues import CONFLICTS, FACTS, entries, find_queue
from catalog.web.review.review_session import Asked, Desk, Wanted
from catalog.web.review.waiting import count_review_items, list_review_items
from curation.commands.curate import curate
from curation.exif.flags import EVIDENCE
from curation.stages.quality import FLAG_ABOVE
from tests.catalog.web import made_review as made
from tests.catalog.web.made_home import MOMENT

DONE: list[tuple[Asked, str]] = []
"""What a test has decided: taken back at its end."""


@pytest.fixture(scope="module")
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    target = tmp_path_factory.mktemp("review") / "home"
    shutil.copytree(empty_home, target)
    return made.make_review(target)


@pytest.fixture(scope="module")
def shared(home: Workspace) -> Iterator[Desk]:
    desk = Desk(home)
    yield desk
    desk.close()


@pytest.fixture
def desk(shared: Desk) -> Iterator[Desk]:
    yield shared
    while DONE:
        asked, decision_id = DONE.pop()
        with suppress(ReviewError):
            shared.undo(asked, decision_id, by="ada")


@pytest.fixture
def own_home(home: Workspace, tmp_path: Path) -> Workspace:
    """A copy, for a test that changes what can be seen."""
    shutil.copytree(home.home, tmp_path / "home")
    return Workspace.at(tmp_path / "home")


def queue(name: str, **more: object) -> Asked:
    return Asked(find_queue(name), **more)  # type: ignore[arg-type]


DUPLICATES = queue("duplicates")


def page(desk: Desk, asked: Asked, *, everything: bool = False) -> list[dict]:  # type: ignore[type-arg]
    found = desk.page(asked, after="", limit=50, everything=everything, by="ada")
    return found["items"]  # type: ignore[return-value]


def decide(desk: Desk, asked: Asked, item: str, kind: str, *pictures: str, by: str = "ada") -> dict:  # type: ignore[type-arg]
    done = desk.decide(asked, Wanted(item, kind, pictures, "", by))
    DONE.append((asked, str(done["decision_id"])))
    return done


def items(desk: Desk, asked: Asked, **more: bool) -> list[str]:
    return [item["item"] for item in page(desk, asked, **more)]


def test_groups_come_weakest_first_with_the_evidence_of_each_tie(desk: Desk) -> None:
    weak, middle, _ = found = page(desk, DUPLICATES)
    assert [item["item"] for item in found] == [made.WEAK, made.MIDDLE, made.STRONG]
    assert [(p["sha256"], p["role"]) for p in weak["pictures"]] == [
        (made.SHAS[0], "keeper"),
        (made.SHAS[1], "copy"),
        (made.SHAS[2], "copy"),
    ]
    tie = dict(weak["pictures"][2]["tie"])
    assert (tie["correlation"], tie["geometry"]) == ("0.620", "12 points")
    neighbour = middle["pictures"][-1]
    assert (neighbour["sha256"], neighbour["role"]) == (made.STRONG, "neighbour")
    assert dict(neighbour["tie"])["verdict"] == "same scene"


def test_every_queue_has_what_the_tables_say(desk: Desk) -> None:
    counts = {each["queue"]: each["total"] for each in desk.overview()["queues"]}  # type: ignore[attr-defined]
    assert counts == {"duplicates": 3, "bridges": 1, "settings": 2, "quality": 2, "issues": 1}
    broken, _ = page(desk, queue("settings"))
    assert broken["item"] == made.BROKEN, "voids come before flags"
    void = next(each for each in broken["findings"] if each["decision"] == "void")
    assert ("exposure time raw", "1/0") in void["said"]
    assert ("exposure", "- (file: 1/0)") in broken["pictures"][0]["facts"]
    assert items(desk, queue("quality")) == [made.WORST, made.BLURRED], "the highest score first"
    assert items(desk, queue("settings", only="brightness_contradicts")) == [
        made.BROKEN,
        made.BLURRED,
    ]
    (bridge,) = page(desk, queue("bridges"))
    assert [p["role"] for p in bridge["pictures"]] == ["bridge", *["group 1"] * 2, *["group 2"] * 2]
    (doubted,) = page(desk, queue("issues"))
    assert ("label age", "31 (filename)") in doubted["pictures"][0]["facts"]


def test_a_decision_counts_at_once_and_reaches_the_tables_with_others_in_one_commit(
    desk: Desk, home: Workspace
) -> None:
    desk.commit()
    with open_catalog(home) as catalog:
        before = len(catalog.snapshots())
    done = decide(desk, DUPLICATES, made.WEAK, "right")
    assert (done["open"], done["total"], done["is_closed"]) == (2, 3, True)
    decide(desk, DUPLICATES, made.MIDDLE, "split", made.SHAS[4])
    third = decide(desk, DUPLICATES, made.STRONG, "right")
    assert third["last"]["decision_id"] == third["decision_id"]
    after = desk.undo(DUPLICATES, third["decision_id"], by="ada")
    assert after["last"]["kind"] == "split", "the one before is the next to undo"
    with pytest.raises(ReviewError, match="taken back already"):
        desk.undo(DUPLICATES, third["decision_id"], by="ada")
    assert items(desk, DUPLICATES) == [made.STRONG]
    assert len(waiting_segments(home)) == 4, "durable, but not committed"
    assert desk.commit() == 4
    assert waiting_segments(home) == []
    with open_catalog(home) as catalog:
        accepted, split = decisions_in_force(catalog)[-2:]
        assert (accepted.kind, accepted.assets) == ("right", (made.WEAK,))
        assert (accepted.decided_by, accepted.about.run_id) == ("ada", made.RUN)
        assert json.loads(accepted.about.evidence or "")["queue"] == "duplicates"
        assert (split.assets, split.rest) == ((made.SHAS[4],), (made.MIDDLE,))
        assert [each.kind for each in history(catalog)][-4:] == ["right", "split", "right", "undo"]
        assert len(catalog.snapshots()) == before + 1
    assert items(desk, DUPLICATES, everything=True) == [made.WEAK, made.MIDDLE, made.STRONG]


def test_what_is_undone_is_the_callers_own(desk: Desk) -> None:
    decide(desk, DUPLICATES, made.WEAK, "right", by="ada")
    other = decide(desk, DUPLICATES, made.MIDDLE, "right", by="bob")
    found = desk.page(DUPLICATES, after="", limit=1, everything=False, by="ada")
    assert found["last"]["decision_id"] != other["decision_id"]  # type: ignore[index]


def test_only_what_fits_the_item_can_be_decided(desk: Desk, home: Workspace) -> None:
    before = waiting_segments(home)
    for asked, item, kind, shas, why in (
        (DUPLICATES, made.WEAK, "split", made.GROUPS[made.WEAK], "at least one picture"),
        (DUPLICATES, made.WEAK, "split", [made.STRONG], "not one of this item's"),
        (DUPLICATES, made.WEAK, "keeper", [made.STRONG], "not one of this item's"),
        (DUPLICATES, made.WEAK, "merge", [], "at least 2 pictures"),
        (DUPLICATES, made.WEAK, "drop", [], "one of right, keeper, split, merge"),
        (queue("quality"), made.WORST, "drop", [made.WEAK], "not one of this item's"),
        (queue("sample"), made.WEAK, "split", [made.SHAS[1]], "one of right, wrong"),
    ):
        with pytest.raises(DecisionError, match=why):
            decide(desk, asked, item, kind, *shas)
    with pytest.raises(ReviewError, match="nothing of this name"):
        decide(desk, DUPLICATES, "0" * 64, "right")
    assert waiting_segments(home) == before


def test_groups_are_merged_with_a_neighbour_or_over_a_bridge(desk: Desk) -> None:
    for asked, item, shas in (
        (DUPLICATES, made.MIDDLE, [made.STRONG]),
        (queue("bridges"), "bridged_groups-1", []),
    ):
        done = decide(desk, asked, item, "merge", *shas)
        assert set(done["decisions"][0]["pictures"]) - {made.BRIDGE} == {made.MIDDLE, made.STRONG}


def test_a_keeper_is_chosen_and_the_group_stays_open(desk: Desk) -> None:
    done = decide(desk, DUPLICATES, made.WEAK, "keeper", made.SHAS[2])
    assert (done["open"], done["is_closed"]) == (3, False)
    assert page(desk, DUPLICATES)[0]["decisions"][0]["pictures"] == [made.SHAS[2]]


def test_a_dropped_picture_waits_in_no_queue(desk: Desk) -> None:
    decide(desk, queue("quality"), made.BLURRED, "drop")
    assert items(desk, queue("settings")) == [made.BROKEN]


@pytest.mark.slow
def test_a_group_that_has_changed_is_open_again_but_not_one_that_a_person_changed(
    own_home: Workspace,
) -> None:
    desk = Desk(own_home)
    assert items(desk, DUPLICATES) == list(made.GROUPS)
    desk.decide(DUPLICATES, Wanted(made.WEAK, "split", (made.WEAK,), "", "ada"))
    for group in (made.MIDDLE, made.STRONG):
        desk.decide(DUPLICATES, Wanted(group, "right", (), "", "ada"))
    desk.close()
    split = {made.SHAS[1]: made.SHAS[1:3], made.MIDDLE: made.GROUPS[made.MIDDLE]}
    grown = split | {made.STRONG: [*made.GROUPS[made.STRONG], made.BRIDGE]}
    tables = made.run("run2", grown)
    tables["curation_runs"][0]["finished_at"] = MOMENT + timedelta(days=1)
    del tables["issues"]
    write_segment(own_home, {name: rows(name, of) for name, of in tables.items()}, job="test")
    with open_catalog(own_home) as catalog:
        catalog.commit()
    assert items(desk, DUPLICATES) == [made.STRONG]
    assert len(items(desk, DUPLICATES, everything=True)) == 3
    desk.close()


def drawn_by(tables: Catalog, seed: int) -> list[str]:
    found = entries(tables, find_queue("sample"), made.RUN, seed=seed, size=2)
    return [entry.item for entry in found]


def test_a_sample_is_drawn_by_its_seed_and_its_verdicts_name_it(
    desk: Desk, home: Workspace
) -> None:
    with open_catalog(home) as tables:
        drawn = {seed: drawn_by(tables, seed) for seed in range(6)}
        assert drawn_by(tables, 3) == drawn[3]
    assert items(desk, queue("sample", seed=3, size=2)) == drawn[3]
    assert len({tuple(found) for found in drawn.values()}) > 1
    assert {item for found in drawn.values() for item in found} == set(made.GROUPS)
    sample = queue("sample", seed=3, size=2)
    decide(desk, sample, drawn[3][0], "right")
    done = decide(desk, sample, drawn[3][1], "wrong")
    assert done["estimate"] | {"right": 1, "wrong": 1, "share": 0.5} == done["estimate"]
    again = decide(desk, sample, drawn[3][1], "right")
    assert (again["estimate"]["right"], again["estimate"]["wrong"]) == (2, 0), (
        "the last word counts"
    )
    assert items(desk, DUPLICATES) == list(made.GROUPS), "a sample settles nothing"
    assert len(items(desk, queue("sample", seed=4, size=2))) == 2
    desk.commit()
    with open_catalog(home) as catalog:
        said = [json.loads(each.about.evidence or "") for each in decisions_in_force(catalog)[-3:]]
    assert {(each["seed"], each["size"]) for each in said} == {(3, 2)}


def test_people_decide_while_another_process_writes(desk: Desk, home: Workspace) -> None:
    with writer_lock(home):
        assert decide(desk, DUPLICATES, made.WEAK, "right")["open"] == 2


def test_decisions_of_a_server_that_was_killed_are_taken_over(desk: Desk, home: Workspace) -> None:
    decide(desk, DUPLICATES, made.WEAK, "right")  # and not committed by this desk
    second = Desk(home)
    assert items(second, DUPLICATES) == [made.MIDDLE, made.STRONG]
    assert waiting_segments(home) == []
    second.close()


def test_an_empty_workspace_has_nothing_to_review(workspace: Workspace) -> None:
    desk = Desk(workspace)
    assert desk.overview()["run_id"] is None
    assert page(desk, DUPLICATES) == []
    desk.close()


def test_the_interval_is_that_of_scipy() -> None:
    for successes, trials in ((0, 1), (1, 1), (0, 30), (97, 100), (100, 100), (50, 99), (1, 1000)):
        expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
        assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_command_line_counts_what_the_pages_count(home: Workspace, desk: Desk) -> None:
    decide(desk, queue("quality"), made.BLURRED, "right")
    shown = {
        each["queue"]: (each["open"], each["total"])
        for each in desk.overview()["queues"]  # type: ignore[attr-defined]
    }
    desk.commit()
    counted = count_review_items(home)
    assert {each.queue: (each.waiting, each.total) for each in counted} == shown
    assert shown["quality"] == (1, 2)
    (blurred,) = (each.reasons for each in counted if each.queue == "quality")
    assert blurred == (("quality_blur", 1),)
    assert [item.item for item in list_review_items(home, "quality")] == [made.WORST]
    told = CliRunner().invoke(curate, ["review", "--home", str(home.home)]).output
    assert "quality          1 of 2  quality_blur 1" in told
    assert "nothing waits" not in told
    listed = CliRunner().invoke(
        curate, ["review", "--home", str(home.home), "--kind", "label_conflict"]
    )
    assert "label_conflict" in listed.output.splitlines()[-2]
    with pytest.raises(ReviewError, match="drawn on its page"):
        list_review_items(home, "sample")


def test_queues_hold_what_a_person_can_decide(desk: Desk, own_home: Workspace) -> None:
    """A resized picture, a grey one and equal pixels are facts."""
    assert items(desk, queue("settings")) == [made.BROKEN, made.BLURRED]
    assert items(desk, queue("quality")) == [made.WORST, made.BLURRED]
    with open_catalog(own_home) as catalog:
        run = dict(catalog.records("SELECT * FROM curation_runs")[0])
        edges = catalog.records("SELECT * FROM duplicate_edges")
        members = catalog.records("SELECT * FROM duplicate_groups")
    new = {"run_id": "run2"}
    equal = [
        edge | new | {"edge_class": "identical" if edge["asset_a"] == made.STRONG else "copy"}
        for edge in edges
    ]
    later = {"finished_at": run["finished_at"] + timedelta(days=1)}  # type: ignore[operator]  # a time
    write_segment(
        own_home,
        {
            "curation_runs": rows("curation_runs", [run | new | later]),
            "duplicate_edges": rows("duplicate_edges", equal),
            "duplicate_groups": rows("duplicate_groups", [each | new for each in members]),
        },
        job="test",
    )
    with open_catalog(own_home) as catalog:
        catalog.commit()
        found = entries(catalog, find_queue("duplicates"), "run2")
        drawn = entries(catalog, find_queue("sample"), "run2", seed=1, size=9)
    assert [each.item for each in found] == [made.WEAK, made.MIDDLE]
    assert len(drawn) == 3, "precision is about all groups"


def test_every_flag_of_curation_is_a_conflict_or_a_fact() -> None:
    quality = {f"quality_{name}" for name in FLAG_ABOVE}
    known = {*EVIDENCE, "exif_cloned", "value_unseen_for_model", "settings_conflict"}
    assert known <= {*CONFLICTS, *FACTS}
    assert quality - set(FACTS) == {
        *("quality_dark", "quality_bright", "quality_blur", "quality_low_information"),
        *("quality_border", "quality_watermark_like"),
    }
    assert not set(CONFLICTS) & set(FACTS)
