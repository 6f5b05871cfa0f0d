"""What the processes of the concurrency test do. Each ends with an error when something is not as it must be."""

import time
from datetime import UTC, datetime
from pathlib import Path

from catalog import Workspace, open_catalog, rows, write_segment
from tests.catalog.pictures import bring

ROWS = 3
# One statement reads one snapshot: a partial commit would show in it.
WHOLE = f"""
SELECT (SELECT count(*) FROM photos) AS photos,
  (SELECT count(*) FROM assets) AS assets,
  (SELECT {ROWS} * count(*) FROM segments WHERE job LIKE 'crawl:%') AS of_segments,
  (SELECT count(*) FROM photos ANTI JOIN assets ON sha256 = asset_sha256) AS lost,
  (SELECT count(*) FROM decisions) AS decisions,
  (SELECT coalesce(sum(n_input), 0) FROM curation_runs) AS of_runs
"""


def crawl_pictures(home: Path, first: int, segments: int) -> None:
    """Bring pictures in segments of three, and commit each."""
    workspace = Workspace.at(home)
    for number in range(first, first + ROWS * segments, ROWS):
        bring(workspace, range(number, number + ROWS), job=f"crawl:{first}")
        with open_catalog(workspace) as catalog:
            catalog.commit()


def curate_pictures(home: Path, runs: int) -> None:
    """Read all pictures, and commit one decision for each with the run that counts them."""
    workspace = Workspace.at(home)
    for number in range(runs):
        with open_catalog(workspace) as catalog:
            shas = [row["sha256"] for row in catalog.records("SELECT sha256 FROM assets")]
            now = datetime.now(UTC).replace(tzinfo=None)
            run = {"run_id": f"r{number}", "started_at": now, "finished_at": now}
            decided = [
                {"run_id": f"r{number}", "asset_sha256": sha, "reason": "kept"} for sha in shas
            ]
            tables = {
                "curation_runs": rows("curation_runs", [run | {"n_input": len(shas)}]),
                "decisions": rows("decisions", decided),
            }
            write_segment(workspace, tables, job=f"curate:r{number}")
            catalog.commit()


def read_until(home: Path, stop: Path) -> None:
    """Ask again and again until the file `stop` is there: never a part of a commit, never fewer rows than before."""
    workspace, before, reads = Workspace.at(home), 0, 0
    while not stop.exists() or reads < 2:
        with open_catalog(workspace) as catalog:
            for _ in range(3):
                found = {name: int(str(n)) for name, n in catalog.records(WHOLE)[0].items()}
                assert found["photos"] == found["assets"] == found["of_segments"] >= before, found
                assert found["lost"] == 0, found
                assert found["decisions"] == found["of_runs"], found
                before, reads = found["photos"], reads + 1
                time.sleep(0.02)
