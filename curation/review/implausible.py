"""Hold EXIF against pixels: settings that a model which never saw the picture finds hard to believe.

Models of settings leave their probabilities in table `predictions`. Only those for pictures that the model did not
learn from count; where several models speak (cross-fitting), their probabilities are averaged. The result is a soft
sign for people to look at, rows of table `issues`: a wrong label and a rare picture look the same from here.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Final

import numpy as np
import polars as pl

from catalog import Catalog, rows, write_segment
from curation.exif.bin_edges import BINS, SETTINGS
from curation.reading import frame

KIND: Final = "implausible_settings"
VERSION: Final = "1"
MAX_PROBABILITY: Final = 0.02  # of the class that EXIF says
# Bins hide small errors and exaggerate others: a value this close to an edge may be noisy by a third of a stop.
MIN_EDGE_DISTANCE: Final = 0.5  # stops

_PREDICTIONS = f"""
    SELECT p.model_id, p.asset_sha256, p.task, p.probabilities, p.target,
           CASE p.task {" ".join(f"WHEN '{s}' THEN i.{s}_stops" for s in SETTINGS)} END AS stops,
           CASE p.task {" ".join(f"WHEN '{s}' THEN i.{s}" for s in SETTINGS)} END AS value,
           CASE p.task {" ".join(f"WHEN '{s}' THEN i.{s}_bin" for s in SETTINGS)} END AS bin
    FROM predictions p JOIN curated_items i USING (asset_sha256)
    WHERE i.run_id = ? AND p.split <> 'train' AND p.target IS NOT NULL
    ORDER BY p.asset_sha256, p.task, p.model_id
"""


def note_implausible(catalog: Catalog, run_id: str) -> int:
    """Write the implausible settings of the items of a run as rows of `issues`; says how many there are.

    Without predictions nothing is written; repeating adds nothing.
    """
    found = implausible(frame(catalog, _PREDICTIONS, (run_id,)))
    if found.is_empty():
        return 0
    now = datetime.now(UTC).replace(tzinfo=None)
    listed = [_issue(row, run_id, now) for row in found.iter_rows(named=True)]
    write_segment(catalog.workspace, {"issues": rows("issues", listed)}, job=f"curate:{run_id}")
    catalog.commit()
    return len(listed)


def implausible(predictions: pl.DataFrame) -> pl.DataFrame:
    """Pick the settings that models believe least, least plausible first.

    `predictions` has model_id, asset_sha256, task, probabilities (of the three bins), target, bin, stops and value;
    rows whose target is not the bin that EXIF says now are left out, for the label has changed since. Gives
    asset_sha256, task, value, stops, edge_distance (stops), probability, models (list).
    """
    current = predictions.filter(pl.col("target") == pl.col("bin")).with_columns(
        probability=pl.col("probabilities").list.get(pl.col("target"))
    )
    crossed = current.group_by("asset_sha256", "task", maintain_order=True).agg(
        pl.col("value", "stops").first(),
        pl.col("probability").mean(),
        models=pl.col("model_id").unique().sort(),
    )
    distances = [
        _edge_distance(task, stops) for task, stops in crossed.select("task", "stops").rows()
    ]
    far = crossed.with_columns(edge_distance=pl.Series(distances, dtype=pl.Float64)).filter(
        pl.col("probability") <= MAX_PROBABILITY, pl.col("edge_distance") >= MIN_EDGE_DISTANCE
    )
    return far.sort("probability", "asset_sha256", "task")


def _edge_distance(task: str, stops: float | None) -> float:
    """Give the distance to the nearest edge between bins, in stops."""
    if stops is None or task not in BINS:
        return 0.0
    return float(np.abs(np.subtract(BINS[task], stops)).min())


def _issue(row: dict[str, object], run_id: str, now: datetime) -> dict[str, object]:
    detector = f"{KIND}@{VERSION} {' '.join(map(str, row['models']))}"  # type: ignore[call-overload]  # a list
    name = f"{row['asset_sha256']} {KIND} {row['task']} {detector}"
    shown = {
        "setting": row["task"],
        "value": row["value"],
        "probability": round(float(str(row["probability"])), 5),
        "stops_from_edge": round(float(str(row["edge_distance"])), 2),
    }
    return {
        "issue_id": hashlib.sha256(name.encode()).hexdigest()[:32],
        "asset_sha256": row["asset_sha256"],
        "kind": KIND,
        "severity": 1 - float(str(row["probability"])),
        "detail": json.dumps(shown, sort_keys=True),
        "detector": detector,
        "run_id": run_id,
        "created_at": now,
    }
