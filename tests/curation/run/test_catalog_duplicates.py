from pathlib import Path

import polars as pl
import pytest

from catalog import Workspace, open_catalog
from curation.run.run import curate
from curation.settings import CurateSettings
from tests.curation.small_catalog import Shot, SmallEmbedder, exif, fill, jpeg, scene, sound_shots

THREADS = CurateSettings(runner="threads", workers=1)


def shots() -> list[Shot]:
    copies = [
        Shot(f"copy {i}.jpg", jpeg(scene(i), quality=40 + 10 * i), exif(20 + i)) for i in range(3)
    ]
    return [*sound_shots(6), *copies]


def edges_and_groups(home: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    with open_catalog(Workspace.at(home)) as catalog:
        run = "(SELECT run_id FROM curation_runs ORDER BY finished_at DESC LIMIT 1)"
        tables = [
            catalog.query(
                f"SELECT * EXCLUDE (run_id) FROM {name} WHERE run_id = {run} ORDER BY ALL"
            )
            for name in ("duplicate_edges", "duplicate_groups")
        ]
    edges, groups = (pl.DataFrame(pl.from_arrow(table)) for table in tables)
    return edges, groups


def run(home: Path, new: list[Shot]) -> None:
    made = Workspace.at(home)
    fill(made, new)
    curate(made, None, THREADS, embedder=SmallEmbedder())


@pytest.mark.slow
def test_runs_over_a_growing_catalog_find_what_one_run_finds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    every = shots()
    run(tmp_path / "once", every)
    first = [every[0], every[6], every[1]]
    run(tmp_path / "grown", first)
    index = next((tmp_path / "grown/derived/similarity").glob("*.arrow"))
    with caplog.at_level("INFO", "curation.duplicates.search"):
        run(tmp_path / "grown", [shot for shot in every if shot not in first])
    assert not index.exists(), "the index of before is replaced"
    once, grown = (edges_and_groups(tmp_path / name) for name in ("once", "grown"))
    assert once[0].equals(grown[0])
    assert once[1].equals(grown[1])
    assert once[1]["group_id"].n_unique() == 3
    n_reused = {
        record.args[4] for record in caplog.records if record.name == "curation.duplicates.search"
    }
    assert n_reused == {1}, "pairs of the first run were not looked at again"
