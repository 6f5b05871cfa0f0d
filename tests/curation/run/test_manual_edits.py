from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from catalog import AssetReader, Workspace, decide, open_catalog, undo
from catalog.lake.manual import About, ManualDecision
from catalog.tables.views import VIEWS
from catalog.takedown.purge import purge
from curation.commands.curate import curate as command
from curation.duplicates.pair_verification import EDGES
from curation.duplicates.search import GROUPS, Duplicates
from curation.errors import RunUndoneError
from curation.run.manual_edits import ManualEdits, edit_groups
from curation.run.run import curate
from curation.run.summary import CurationSummary
from curation.settings import CurateSettings
from tests.curation.small_catalog import Shot, SmallEmbedder, exif, fill, jpeg, scene, sound_shots

WHEN = datetime(2026, 1, 1)  # noqa: DTZ001 - as the catalog keeps it


def made(kind: str, assets: str, rest: str = "") -> ManualDecision:
    return ManualDecision("manual:1", kind, tuple(assets), "", "ann", WHEN, About(), tuple(rest))


def pictures(names: str) -> pl.DataFrame:
    """Alike in all that makes a keeper, so that the first name is."""
    same: dict[str, object] = {
        "decode_status": "ok",
        "has_valid_exif": 3,
        "detail_energy": 0.1,
        "width": 9,
        "height": 9,
        "jpeg_quality": 90,
        "taken_at": WHEN,
        "first_seen": WHEN,
    }
    return pl.DataFrame([{"asset_sha256": name} | same for name in names])


def copies(*groups: str, pairs: str = "") -> Duplicates:
    """Groups of copies named by letters, and verified pairs such as "ab bc"."""
    tied = [
        {
            "group_id": g[0],
            "asset_sha256": n,
            "is_keeper": n == g[0],
            "method": "pdq",
            "similarity": 0.9,
        }
        for g in groups
        for n in g
    ]
    edges = [
        {"asset_a": a, "asset_b": b, "verdict": "duplicate", "framed": ""} for a, b in pairs.split()
    ]
    return Duplicates(pl.DataFrame(edges, schema=EDGES), pl.DataFrame(tied, schema=GROUPS))


def grouped(
    duplicates: Duplicates, *decisions: ManualDecision, names: str = "abcdef"
) -> dict[str, str]:
    """Map each group, its keeper in capitals, to the ways its members are tied."""
    edited = edit_groups(pictures(names), duplicates, ManualEdits(decisions))
    return {
        "".join(
            n.upper() if is_keeper else n
            for n, is_keeper in zip(part["asset_sha256"], part["is_keeper"], strict=True)
        ): " ".join(part["method"])
        for part in edited.groups.partition_by("group_id", maintain_order=True)
    }


def test_without_decisions_groups_stay_the_same_object() -> None:
    duplicates = copies("abc", pairs="ab bc")
    assert (
        edit_groups(
            pictures("abc"), duplicates, ManualEdits((made("keep", "b"), made("right", "a")))
        )
        is duplicates
    )


def test_a_split_takes_pictures_out_and_single_pictures_are_no_group() -> None:
    duplicates = copies("abcd", pairs="ab bc cd ac")
    assert grouped(duplicates, made("split", "d", "abc")) == {"Abc": "pdq pdq pdq"}
    assert grouped(duplicates, made("split", "cd", "ab")) == {"Ab": "pdq pdq", "Cd": "pdq pdq"}
    assert grouped(duplicates, made("split", "a", "bcd"), made("split", "b", "acd")) == {
        "Cd": "pdq pdq"
    }


def test_who_came_after_a_split_goes_with_those_it_is_a_copy_of() -> None:
    grown = copies(
        "abcdef", pairs="ab cd be de ce cf"
    )  # e and f are new, e is a copy of c, d and b
    assert list(grouped(grown, made("split", "cd", "ab"))) == ["Ab", "Cdef"]


def test_a_merge_makes_one_group_of_several_and_of_single_pictures() -> None:
    duplicates = copies("ab", "cd", pairs="ab cd")
    assert grouped(duplicates, made("merge", "be")) == {"Abe": "pdq pdq manual", "Cd": "pdq pdq"}
    assert list(grouped(duplicates, made("merge", "bc"))) == ["Abcd"]
    assert list(grouped(duplicates, made("merge", "bz"))) == [
        "Ab",
        "Cd",
    ]  # z is not among the pictures


def test_of_a_split_and_a_merge_the_later_one_counts() -> None:
    duplicates = copies("ab", pairs="ab")
    split, merge = made("split", "b", "a"), made("merge", "ab")
    assert grouped(duplicates, split, merge) == {"Ab": "pdq pdq"}
    assert grouped(duplicates, merge, split) == {}


def test_the_chosen_keeper_represents_its_group_and_a_dropped_one_does_not() -> None:
    duplicates = copies("abc", pairs="ab bc")
    assert list(grouped(duplicates, made("keeper", "c"))) == ["abC"]
    assert list(grouped(duplicates, made("keeper", "c"), made("keeper", "b"))) == ["aBc"]
    assert list(grouped(duplicates, made("drop", "a"))) == ["aBc"]
    assert list(grouped(duplicates, made("keeper", "c"), made("drop", "c"))) == ["Abc"]
    assert list(grouped(duplicates, made("drop", "c"), made("keeper", "c"))) == ["abC"]
    assert list(grouped(duplicates, made("drop", "abc"))) == ["Abc"]  # all go: somebody must be it


THREADS = CurateSettings(runner="threads", workers=1, faces="off")
BODY = jpeg(scene(900))
SHOTS = [
    *sound_shots(6),
    Shot("copy_of_3.jpg", jpeg(scene(3), quality=60), exif(3)),
    Shot("other_copy_of_3.jpg", jpeg(scene(3), quality=50), exif(3)),
    Shot("no_exif.jpg", jpeg(scene(901)), None),
    Shot("truncated.jpg", BODY[: len(BODY) * 6 // 10], exif(0)),
]
SHA = {shot.name: shot.sha256 for shot in SHOTS}


def run(workspace: Workspace) -> CurationSummary:
    return curate(workspace, None, THREADS, embedder=SmallEmbedder())


def current(workspace: Workspace) -> dict[str, list[dict[str, object]]]:
    """Everything that the views show, and the rows of the current run in every table that has runs."""
    of_run = ("curated_items", "decisions", "duplicate_edges", "duplicate_groups", "curation_runs")
    with open_catalog(workspace) as catalog:
        tables = {name: catalog.records(f"SELECT * FROM {name} ORDER BY ALL") for name in VIEWS}
        for name in of_run:
            sql = f"SELECT * FROM {name} SEMI JOIN (FROM v_runs WHERE is_current) USING (run_id) ORDER BY ALL"
            tables[name] = catalog.records(sql)
    return tables


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made_home = Workspace.at(tmp_path_factory.mktemp("home"))
    fill(made_home, SHOTS)
    run(made_home)
    return made_home


@pytest.mark.long
def test_the_next_run_honours_decisions_and_undo_restores_every_view(workspace: Workspace) -> None:
    before = current(workspace)
    first = before["curation_runs"][0]["run_id"]
    group = next(row for row in before["v_duplicates"] if row["asset_sha256"] == SHA["003.jpg"])
    keep = decide(
        workspace, "keep", [SHA["no_exif.jpg"], SHA["truncated.jpg"]], reason="the only night"
    )
    drop = decide(workspace, "drop", [SHA["000.jpg"]], reason="a logo")
    about = About(str(group["group_id"]), str(first))
    split = decide(workspace, "split", [SHA["copy_of_3.jpg"]], reason="two cups", about=about)
    second = run(workspace)
    assert second.is_new
    assert second.dropped == {"truncated": 1, "manual_drop": 1, "near_duplicate": 1}
    assert second.flagged["kept_by_hand"] == 1
    after = current(workspace)
    kept = {row["asset_sha256"] for row in after["curated_items"]}
    assert {SHA["no_exif.jpg"], SHA["copy_of_3.jpg"]} <= kept
    scenes = {row["asset_sha256"]: row["group_id"] for row in after["curated_items"]}
    assert scenes[SHA["copy_of_3.jpg"]] == scenes[SHA["003.jpg"]]  # no split cuts what looks alike
    undo(workspace, second.run_id)
    for decision in (keep, drop, split):
        undo(workspace, decision.decision_id)
    assert current(workspace) == before
    assert run(workspace).run_id == first  # and nothing is computed again


@pytest.mark.long
def test_a_run_that_was_taken_back_comes_again_only_when_asked(workspace: Workspace) -> None:
    with open_catalog(workspace) as catalog:
        [row] = catalog.records("SELECT run_id FROM v_runs")
    first = str(row["run_id"])
    undo(workspace, first)
    with pytest.raises(RunUndoneError, match=rf"{first} .* taken back by local .*--again"):
        run(workspace)
    with open_catalog(workspace) as catalog:
        assert catalog.records("SELECT run_id FROM v_runs") == []
    summary = curate(workspace, None, THREADS, embedder=SmallEmbedder(), again=True)
    assert (summary.run_id, summary.is_new) == (first, False)
    assert run(workspace).run_id == first


def test_the_commands_decide_undo_and_review(workspace: Workspace) -> None:
    cli, home = CliRunner(), ["--home", str(workspace.home)]
    asset = SHA["001.jpg"]
    decided = cli.invoke(command, ["decide", asset[:10], "drop", "--reason", "blurred", *home])
    assert f"drop {asset}" in decided.output
    taken = cli.invoke(command, ["undo", decided.output.split(": ")[0], *home])
    assert "is taken back" in taken.output
    assert "duplicates" in cli.invoke(command, ["review", *home]).output
    listed = cli.invoke(command, ["runs", *home])
    assert listed.output.count("* ") == 1


@pytest.mark.slow
def test_purge_deletes_nothing_without_yes_and_never_what_is_young_or_kept(tmp_path: Path) -> None:
    home = Workspace.at(tmp_path)
    fill(home, SHOTS)
    first = run(home)
    before = current(home)
    assert purge(home, timedelta(days=30)).assets == ()
    later = first.finished_at + timedelta(days=31)
    decide(home, "keep", [SHA["no_exif.jpg"]], reason="rare")
    due = purge(home, timedelta(days=30), now=later)
    fell = {row["asset_sha256"] for row in before["decisions"] if row["decision"] == "drop"}
    dropped = {str(sha) for sha in fell} - {SHA["no_exif.jpg"]}
    assert (set(due.assets), due.is_done) == (dropped, False)
    assert due.by_reason == {"near_duplicate": 2, "truncated": 1}
    result = purge(home, timedelta(days=30), dry_run=False, now=later)
    assert result.is_done
    with open_catalog(home) as catalog, AssetReader(home) as reader:
        left = catalog.records("SELECT sha256, pack, pack_offset, pack_length FROM assets")
        assert {str(row["sha256"]) for row in left} == set(SHA.values()) - dropped
        bodies = {
            row["sha256"]: reader.read(str(row["pack"]), row["pack_offset"], row["pack_length"])  # type: ignore[arg-type]  # the contract says integers
            for row in left
        }
        blocked = catalog.records("SELECT value FROM tombstones WHERE kind = 'sha256' AND blocks")
    assert bodies == {shot.sha256: shot.body for shot in SHOTS if shot.sha256 not in dropped}
    assert {row["value"] for row in blocked} == dropped
    assert purge(home, timedelta(days=30), dry_run=False, now=later).assets == ()
    again = run(home)
    assert again.n_kept == len(before["curated_items"]) + 1
