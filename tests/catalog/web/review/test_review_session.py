"""The review session and its decisions, without a server."""

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
from catalog.web.review.backlog import count_review_items, list_review_items
from catalog.web.review.decision_request import DecisionRequest, QueueFilter
from catalog.web.review.precision import wilson
from catalog.web.review.queues import CONFLICTS, FACTS, find_queue, list_entries
from catalog.web.review.review_session import ReviewSession
from curation.commands.curate import curate
from curation.rules.exif_flags import EVIDENCE
from curation.stages.quality import FLAG_ABOVE
from tests.catalog.web import made_review as made
from tests.catalog.web.made_home import MOMENT

DECIDED: list[tuple[QueueFilter, str]] = []
"""Decisions of a test, undone at its end."""


@pytest.fixture(scope="module")
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    target = tmp_path_factory.mktemp("review") / "home"
    shutil.copytree(empty_home, target)
    return made.make_review(target)


@pytest.fixture(scope="module")
def shared(home: Workspace) -> Iterator[ReviewSession]:
    session = ReviewSession(home)
    yield session
    session.close()


@pytest.fixture
def session(shared: ReviewSession) -> Iterator[ReviewSession]:
    yield shared
    while DECIDED:
        selection, decision_id = DECIDED.pop()
        with suppress(ReviewError):
            shared.undo(selection, decision_id, by="ada")


@pytest.fixture
def own_home(home: Workspace, tmp_path: Path) -> Workspace:
    """A copy, for a test that changes what can be seen."""
    shutil.copytree(home.home, tmp_path / "home")
    return Workspace.at(tmp_path / "home")


def queue(name: str, **more: object) -> QueueFilter:
    return QueueFilter(find_queue(name), **more)  # type: ignore[arg-type]


DUPLICATES = queue("duplicates")


def page(session: ReviewSession, selection: QueueFilter, *, everything: bool = False) -> list[dict]:  # type: ignore[type-arg]
    result = session.page(selection, after="", limit=50, everything=everything, by="ada")
    return result["items"]  # type: ignore[return-value]


def decide(
    session: ReviewSession,
    selection: QueueFilter,
    item: str,
    kind: str,
    *pictures: str,
    by: str = "ada",
) -> dict:  # type: ignore[type-arg]
    result = session.decide(selection, DecisionRequest(item, kind, pictures, "", by))
    DECIDED.append((selection, str(result["decision_id"])))
    return result


def items(session: ReviewSession, selection: QueueFilter, **more: bool) -> list[str]:
    return [item["item"] for item in page(session, selection, **more)]


def test_groups_come_weakest_first_with_the_evidence_of_each_tie(session: ReviewSession) -> None:
    weak, middle, _ = groups = page(session, DUPLICATES)
    assert [item["item"] for item in groups] == [made.WEAK, made.MIDDLE, made.STRONG]
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


def test_every_queue_has_what_the_tables_say(session: ReviewSession) -> None:
    counts = {each["queue"]: each["total"] for each in session.overview()["queues"]}  # type: ignore[attr-defined]
    assert counts == {"duplicates": 3, "bridges": 1, "settings": 2, "quality": 2, "issues": 1}
    broken, _ = page(session, queue("settings"))
    assert broken["item"] == made.BROKEN, "voids come before flags"
    void = next(each for each in broken["findings"] if each["decision"] == "void")
    assert ("exposure time raw", "1/0") in void["said"]
    assert ("exposure", "- (file: 1/0)") in broken["pictures"][0]["facts"]
    assert items(session, queue("quality")) == [made.WORST, made.BLURRED], "the highest score first"
    assert items(session, queue("settings", only="brightness_contradicts")) == [
        made.BROKEN,
        made.BLURRED,
    ]
    (bridge,) = page(session, queue("bridges"))
    assert [p["role"] for p in bridge["pictures"]] == ["bridge", *["group 1"] * 2, *["group 2"] * 2]
    (doubted,) = page(session, queue("issues"))
    assert ("label age", "31 (filename)") in doubted["pictures"][0]["facts"]


def test_a_decision_counts_at_once_and_reaches_the_tables_with_others_in_one_commit(
    session: ReviewSession, home: Workspace
) -> None:
    session.commit()
    with open_catalog(home) as catalog:
        before = len(catalog.snapshots())
    result = decide(session, DUPLICATES, made.WEAK, "right")
    assert (result["open"], result["total"], result["is_closed"]) == (2, 3, True)
    decide(session, DUPLICATES, made.MIDDLE, "split", made.SHAS[4])
    third = decide(session, DUPLICATES, made.STRONG, "right")
    assert third["last"]["decision_id"] == third["decision_id"]
    after = session.undo(DUPLICATES, third["decision_id"], by="ada")
    assert after["last"]["kind"] == "split", "the one before is the next to undo"
    with pytest.raises(ReviewError, match="taken back already"):
        session.undo(DUPLICATES, third["decision_id"], by="ada")
    assert items(session, DUPLICATES) == [made.STRONG]
    assert len(waiting_segments(home)) == 4, "durable, but not committed"
    assert session.commit() == 4
    assert waiting_segments(home) == []
    with open_catalog(home) as catalog:
        accepted, split = decisions_in_force(catalog)[-2:]
        assert (accepted.kind, accepted.assets) == ("right", (made.WEAK,))
        assert (accepted.decided_by, accepted.about.run_id) == ("ada", made.RUN)
        assert json.loads(accepted.about.evidence or "")["queue"] == "duplicates"
        assert (split.assets, split.rest) == ((made.SHAS[4],), (made.MIDDLE,))
        assert [each.kind for each in history(catalog)][-4:] == ["right", "split", "right", "undo"]
        assert len(catalog.snapshots()) == before + 1
    assert items(session, DUPLICATES, everything=True) == [made.WEAK, made.MIDDLE, made.STRONG]


def test_what_is_undone_is_the_callers_own(session: ReviewSession) -> None:
    decide(session, DUPLICATES, made.WEAK, "right", by="ada")
    other = decide(session, DUPLICATES, made.MIDDLE, "right", by="bob")
    result = session.page(DUPLICATES, after="", limit=1, everything=False, by="ada")
    assert result["last"]["decision_id"] != other["decision_id"]  # type: ignore[index]


def test_only_what_fits_the_item_can_be_decided(session: ReviewSession, home: Workspace) -> None:
    before = waiting_segments(home)
    for selection, item, kind, shas, why in (
        (DUPLICATES, made.WEAK, "split", made.GROUPS[made.WEAK], "at least one picture"),
        (DUPLICATES, made.WEAK, "split", [made.STRONG], "not one of this item's"),
        (DUPLICATES, made.WEAK, "keeper", [made.STRONG], "not one of this item's"),
        (DUPLICATES, made.WEAK, "merge", [], "at least 2 pictures"),
        (DUPLICATES, made.WEAK, "drop", [], "one of right, keeper, split, merge"),
        (queue("quality"), made.WORST, "drop", [made.WEAK], "not one of this item's"),
        (queue("sample"), made.WEAK, "split", [made.SHAS[1]], "one of right, wrong"),
    ):
        with pytest.raises(DecisionError, match=why):
            decide(session, selection, item, kind, *shas)
    with pytest.raises(ReviewError, match="nothing of this name"):
        decide(session, DUPLICATES, "0" * 64, "right")
    assert waiting_segments(home) == before


def test_groups_are_merged_with_a_neighbour_or_over_a_bridge(session: ReviewSession) -> None:
    for selection, item, shas in (
        (DUPLICATES, made.MIDDLE, [made.STRONG]),
        (queue("bridges"), "bridged_groups-1", []),
    ):
        result = decide(session, selection, item, "merge", *shas)
        assert set(result["decisions"][0]["pictures"]) - {made.BRIDGE} == {made.MIDDLE, made.STRONG}


def test_a_keeper_is_chosen_and_the_group_stays_open(session: ReviewSession) -> None:
    result = decide(session, DUPLICATES, made.WEAK, "keeper", made.SHAS[2])
    assert (result["open"], result["is_closed"]) == (3, False)
    assert page(session, DUPLICATES)[0]["decisions"][0]["pictures"] == [made.SHAS[2]]


def test_a_dropped_picture_waits_in_no_queue(session: ReviewSession) -> None:
    decide(session, queue("quality"), made.BLURRED, "drop")
    assert items(session, queue("settings")) == [made.BROKEN]


@pytest.mark.slow
def test_a_group_that_has_changed_is_open_again_but_not_one_that_a_person_changed(
    own_home: Workspace,
) -> None:
    session = ReviewSession(own_home)
    assert items(session, DUPLICATES) == list(made.GROUPS)
    session.decide(DUPLICATES, DecisionRequest(made.WEAK, "split", (made.WEAK,), "", "ada"))
    for group in (made.MIDDLE, made.STRONG):
        session.decide(DUPLICATES, DecisionRequest(group, "right", (), "", "ada"))
    session.close()
    split = {made.SHAS[1]: made.SHAS[1:3], made.MIDDLE: made.GROUPS[made.MIDDLE]}
    grown = split | {made.STRONG: [*made.GROUPS[made.STRONG], made.BRIDGE]}
    tables = made.run("run2", grown)
    tables["curation_runs"][0]["finished_at"] = MOMENT + timedelta(days=1)
    del tables["issues"]
    write_segment(own_home, {name: rows(name, of) for name, of in tables.items()}, job="test")
    with open_catalog(own_home) as catalog:
        catalog.commit()
    assert items(session, DUPLICATES) == [made.STRONG]
    assert len(items(session, DUPLICATES, everything=True)) == 3
    session.close()


def drawn_by(tables: Catalog, seed: int) -> list[str]:
    sample = list_entries(tables, find_queue("sample"), made.RUN, seed=seed, size=2)
    return [entry.item for entry in sample]


def test_a_sample_is_drawn_by_its_seed_and_its_verdicts_name_it(
    session: ReviewSession, home: Workspace
) -> None:
    with open_catalog(home) as tables:
        drawn = {seed: drawn_by(tables, seed) for seed in range(6)}
        assert drawn_by(tables, 3) == drawn[3]
    assert items(session, queue("sample", seed=3, size=2)) == drawn[3]
    assert len({tuple(sample) for sample in drawn.values()}) > 1
    assert {item for sample in drawn.values() for item in sample} == set(made.GROUPS)
    sample = queue("sample", seed=3, size=2)
    decide(session, sample, drawn[3][0], "right")
    result = decide(session, sample, drawn[3][1], "wrong")
    assert result["estimate"] | {"right": 1, "wrong": 1, "share": 0.5} == result["estimate"]
    again = decide(session, sample, drawn[3][1], "right")
    assert (again["estimate"]["right"], again["estimate"]["wrong"]) == (2, 0), (
        "the last word counts"
    )
    assert items(session, DUPLICATES) == list(made.GROUPS), "a sample settles nothing"
    assert len(items(session, queue("sample", seed=4, size=2))) == 2
    session.commit()
    with open_catalog(home) as catalog:
        evidence = [
            json.loads(each.about.evidence or "") for each in decisions_in_force(catalog)[-3:]
        ]
    assert {(each["seed"], each["size"]) for each in evidence} == {(3, 2)}


def test_people_decide_while_another_process_writes(
    session: ReviewSession, home: Workspace
) -> None:
    with writer_lock(home):
        assert decide(session, DUPLICATES, made.WEAK, "right")["open"] == 2


def test_decisions_of_a_server_that_was_killed_are_taken_over(
    session: ReviewSession, home: Workspace
) -> None:
    decide(session, DUPLICATES, made.WEAK, "right")  # and not committed by this session
    second = ReviewSession(home)
    assert items(second, DUPLICATES) == [made.MIDDLE, made.STRONG]
    assert waiting_segments(home) == []
    second.close()


def test_an_empty_workspace_has_nothing_to_review(workspace: Workspace) -> None:
    session = ReviewSession(workspace)
    assert session.overview()["run_id"] is None
    assert page(session, DUPLICATES) == []
    session.close()


def test_the_interval_is_that_of_scipy() -> None:
    for successes, trials in ((0, 1), (1, 1), (0, 30), (97, 100), (100, 100), (50, 99), (1, 1000)):
        expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
        assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_command_line_counts_what_the_pages_count(
    home: Workspace, session: ReviewSession
) -> None:
    decide(session, queue("quality"), made.BLURRED, "right")
    on_pages = {
        each["queue"]: (each["open"], each["total"])
        for each in session.overview()["queues"]  # type: ignore[attr-defined]
    }
    session.commit()
    counted = count_review_items(home)
    assert {each.queue: (each.waiting, each.total) for each in counted} == on_pages
    assert on_pages["quality"] == (1, 2)
    (blurred,) = (each.reasons for each in counted if each.queue == "quality")
    assert blurred == (("quality_blur", 1),)
    assert [item.item for item in list_review_items(home, "quality")] == [made.WORST]
    output = CliRunner().invoke(curate, ["review", "--home", str(home.home)]).output
    assert "quality          1 of 2  quality_blur 1" in output
    assert "nothing waits" not in output
    listed = CliRunner().invoke(
        curate, ["review", "--home", str(home.home), "--kind", "label_conflict"]
    )
    assert "label_conflict" in listed.output.splitlines()[-2]
    with pytest.raises(ReviewError, match="drawn on its page"):
        list_review_items(home, "sample")


def test_queues_hold_what_a_person_can_decide(session: ReviewSession, own_home: Workspace) -> None:
    """A resized picture, a grey one and equal pixels are facts."""
    assert items(session, queue("settings")) == [made.BROKEN, made.BLURRED]
    assert items(session, queue("quality")) == [made.WORST, made.BLURRED]
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
        groups = list_entries(catalog, find_queue("duplicates"), "run2")
        drawn = list_entries(catalog, find_queue("sample"), "run2", seed=1, size=9)
    assert [each.item for each in groups] == [made.WEAK, made.MIDDLE]
    assert len(drawn) == 3, "precision is about all groups"


def test_every_flag_of_curation_is_a_conflict_or_a_fact() -> None:
    quality = {f"quality_{name}" for name in FLAG_ABOVE}
    flags = {*EVIDENCE, "exif_cloned", "value_unseen_for_model", "settings_conflict"}
    assert flags <= {*CONFLICTS, *FACTS}
    assert quality - set(FACTS) == {
        *("quality_dark", "quality_bright", "quality_blur", "quality_low_information"),
        *("quality_border", "quality_watermark_like"),
    }
    assert not set(CONFLICTS) & set(FACTS)
