"""Releases are immutable, versioned, readable without Safelight, and the same for the same content."""

import hashlib
import subprocess
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from catalog import (
    Release,
    ReleaseError,
    ReleaseNotFoundError,
    Workspace,
    find_release,
    list_releases,
    open_catalog,
    publish,
    rows,
)
from catalog.commands.dataset import dataset
from catalog.maintenance.maintain import orphan_packs
from catalog.maintenance.verify import verify_catalog
from catalog.packs.spool import write_segment
from catalog.releases.diff import diff_releases
from catalog.releases.from_run import publish_run
from catalog.releases.verify import verify_release
from tests.catalog.each_store import each_store_at_leisure  # noqa: F401 - the fixture `workspace` of this module
from tests.catalog.pictures import MOMENT, bring, picture

PLAN = {"bins": {"iso": [1.17, 3.17]}, "seed": 7}


def items(numbers: range) -> pa.Table:
    splits = ("train", "train", "validation", "test")
    return rows(
        "curated_items",
        [
            {
                "run_id": "r",
                "asset_sha256": picture(n)[0],
                "photo_id": f"p{n}",
                "split": splits[n % 4],
                "group_id": f"g{n % 4}",
                "iso_bin": n % 3,
                "weight": 1.0,
                "licence": "CC0",
            }
            for n in numbers
        ],
    )


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    bring(workspace, range(40))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return workspace


def release(workspace: Workspace, numbers: range = range(30)) -> Release:
    return publish(workspace, "cameras", items(numbers), plan=PLAN, run_id="r")


def test_a_release_holds_every_picture_where_its_index_says(filled: Workspace) -> None:
    made = release(filled)
    index = made.index().to_pylist()
    assert len(index) == 30
    for row in index:
        body = made.shard(row["shard"]).read_bytes()[row["offset"] : row["offset"] + row["length"]]
        assert hashlib.sha256(body).hexdigest() == row["sha256"] == row["asset_sha256"]
    assert made.manifest["splits"] == {"test": 7, "train": 16, "validation": 7}
    assert made.manifest["class_counts"]["iso"]["test"] == {
        "low": 3,
        "medium": 2,
        "high": 2,
        "missing": 0,
    }
    assert verify_release(made) == []


def test_publishing_unchanged_content_gives_the_release_that_exists(filled: Workspace) -> None:
    first, second = release(filled), release(filled)
    assert (
        (first.version, first.digest) == (second.version, second.digest) == ("1.0.0", first.digest)
    )
    with open_catalog(filled) as catalog:
        assert catalog.records("SELECT count(*) AS n FROM datasets") == [{"n": 1}]
        assert catalog.records("SELECT count(*) AS n FROM dataset_items") == [{"n": 30}]


def test_the_digest_does_not_depend_on_the_workspace_or_the_order(
    filled: Workspace, tmp_path: Path
) -> None:
    other = Workspace.at(tmp_path / "other")
    bring(other, range(39, -1, -1), job="crawl:z")
    with open_catalog(other) as catalog:
        catalog.commit()
    turned = items(range(30)).take(list(range(29, -1, -1)))
    assert publish(other, "cameras", turned, plan=PLAN, run_id="q").digest == release(filled).digest


def test_versions_say_what_changed(filled: Workspace) -> None:
    assert release(filled).version == "1.0.0"
    more = release(filled, range(40))
    assert (more.version, more.manifest["parent"]) == ("1.1.0", "1.0.0")
    counted = PLAN | {"n_inherited": 30, "notes": ["few"]}  # what a run found out is no rule
    again = publish(filled, "cameras", items(range(39)), plan=counted, run_id="s")
    assert again.version == "1.2.0"
    assert not diff_releases(more, again).plan_changed
    changed = publish(filled, "cameras", items(range(40)), plan=PLAN | {"seed": 8}, run_id="r")
    assert changed.version == "2.0.0"
    assert [r.version for r in list_releases(filled)] == ["2.0.0", "1.2.0", "1.1.0", "1.0.0"]
    assert find_release(filled, "cameras").version == "2.0.0"
    assert find_release(filled, "cameras@1.0.0").version == "1.0.0"


def test_ten_is_newer_than_nine(workspace: Workspace) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        folder = workspace.releases / "cameras" / version
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    assert [r.version for r in list_releases(workspace)] == ["1.10.0", "1.9.0", "1.2.0"]


def test_a_release_killed_before_its_rows_is_recorded_by_the_next_publish(
    filled: Workspace,
) -> None:
    made = release(filled)
    fresh = Workspace.at(filled.home.parent / "fresh")
    bring(fresh, range(40))
    with open_catalog(fresh) as catalog:
        catalog.commit()
    made.path.parent.rename(fresh.releases / "cameras")
    release(fresh)
    with open_catalog(fresh) as catalog:
        assert catalog.records("SELECT count(*) AS n FROM dataset_items") == [{"n": 30}]


def test_checksums_agree_with_coreutils(filled: Workspace) -> None:
    made = release(filled)
    done = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=made.path, check=False)
    assert done.returncode == 0


def test_verify_finds_damage_strangers_and_cut_groups(filled: Workspace) -> None:
    made = release(filled)
    shard = next(made.path.glob("data/train-*.parquet"))
    body = bytearray(shard.read_bytes())
    body[made.index().to_pylist()[-1]["offset"]] ^= 0xFF
    (made.path / "stray.txt").write_text("x")
    row = next(r for r in made.index().to_pylist() if r["shard"] == f"data/{shard.name}")
    body[row["offset"]] ^= 0xFF
    shard.write_bytes(bytes(body))
    problems = "\n".join(verify_release(made))
    assert "is not what was published" in problems
    assert "stray.txt does not belong here" in problems
    assert f"picture {row['sha256']} at byte {row['offset']} is damaged" in problems


def test_verify_finds_a_group_in_two_splits(filled: Workspace) -> None:
    cut = items(range(8))
    cut = cut.set_column(cut.schema.get_field_index("group_id"), "group_id", pa.array(["one"] * 8))
    problems = verify_release(publish(filled, "leaky", cut, plan=PLAN, run_id="r"))
    assert problems == ["group one stands in 3 splits"]


def test_damaged_bytes_are_never_published(filled: Workspace) -> None:
    with open_catalog(filled) as catalog:
        row = catalog.records("SELECT * FROM assets ORDER BY bytes DESC LIMIT 1")[0]
        pack = filled.packs / str(row["pack"])
        body = bytearray(pack.read_bytes())
        body[int(str(row["pack_offset"]))] ^= 0xFF
        pack.write_bytes(bytes(body))
        problems = verify_catalog(catalog)
    assert len(problems) == 1
    assert str(row["sha256"]) in problems[0]
    with pytest.raises(ReleaseError, match="damaged"):
        publish(filled, "cameras", items(range(40)), plan=PLAN, run_id="r")
    assert list_releases(filled) == []


def test_verify_finds_lost_and_strange_packs(filled: Workspace) -> None:
    pack = next(filled.packs.iterdir())
    pack.rename(filled.packs / "stranger.parquet")
    with open_catalog(filled) as catalog:
        problems = verify_catalog(catalog)
        orphans = [stored.name for stored in orphan_packs(catalog)]
    assert len(problems) == 40
    assert orphans == ["packs/stranger.parquet"]


def test_large_releases_are_cut_on_key_ranges(filled: Workspace) -> None:
    made = publish(filled, "cameras", items(range(40)), plan=PLAN, run_id="r", shard_bytes=4000)
    train = [shard for shard in made.manifest["shards"] if "train" in shard["path"]]
    assert len(train) > 1
    assert all(a["last_sha256"] < b["first_sha256"] for a, b in pairwise(train))
    assert verify_release(made) == []


def test_nothing_to_publish_and_bad_names_are_refused(filled: Workspace) -> None:
    with pytest.raises(ReleaseError, match="nothing to publish"):
        publish(filled, "cameras", items(range(0)), plan=PLAN, run_id="r")
    with pytest.raises(ReleaseError, match="not a dataset name"):
        publish(filled, "../up", items(range(3)), plan=PLAN, run_id="r")
    with pytest.raises(ReleaseNotFoundError, match="none yet"):
        find_release(filled, "cameras")


def test_the_newest_curation_run_is_published(filled: Workspace) -> None:
    with pytest.raises(ReleaseError, match="safelight curate run"):
        publish_run(filled, "cameras")
    about = {"run_id": "r", "plan_json": '{"seed": 3, "bins": {}}', "finished_at": MOMENT}
    tables = {"curation_runs": rows("curation_runs", [about]), "curated_items": items(range(12))}
    write_segment(filled, tables, job="curate:r")
    said = [
        CliRunner().invoke(dataset, ["publish", "cameras", "--home", str(filled.home)]).output
        for _ in range(2)
    ]
    assert all("cameras@1.0.0: 12 pictures" in text for text in said)
    assert ["published already" in text for text in said] == [False, True]


def test_a_release_has_the_number_of_the_session_and_not_its_name(filled: Workspace) -> None:
    about = {"run_id": "r", "plan_json": "{}", "finished_at": MOMENT}
    of_two = [
        {"run_id": "r", "asset_sha256": picture(n)[0], "task": "session", "role": "group"}
        | {"value": f"serial of camera {'ab'[n // 3]}"}
        for n in range(6)
    ]
    tables = {"curation_runs": rows("curation_runs", [about]), "curated_items": items(range(8))}
    write_segment(
        filled, tables | {"curated_labels": rows("curated_labels", of_two)}, job="curate:r"
    )
    made = publish_run(filled, "trips")
    numbers = {row["asset_sha256"]: row["session"] for row in made.index().to_pylist()}
    assert [numbers[picture(n)[0]] for n in range(8)] == [1, 1, 1, 2, 2, 2, None, None]
    assert "serial of" not in str(made.index().to_pylist())
    assert verify_release(made) == []


def test_a_label_without_any_value_is_a_column_of_text(filled: Workspace) -> None:
    unlabelled = items(range(8)).append_column("age", pa.nulls(8))
    made = publish(filled, "ages", unlabelled, plan=PLAN | {"labels": ["age"]}, run_id="r")
    assert made.index()["age"].type == pa.string()
    assert made.index()["age"].null_count == 8
    assert verify_release(made) == []


def test_any_parquet_reader_opens_a_shard(filled: Workspace) -> None:
    made = release(filled)
    table = pq.read_table(made.path / "data")
    assert table.num_rows == 30
    assert table["image"].to_pylist()[0]["path"].endswith(".jpeg")
    card = (made.path / "README.md").read_text()
    assert "path: data/train-*.parquet" in card
    assert made.digest in card
