"""Compare EXIF with pixels: settings to which a model that was not trained on the picture gives a low probability.

Models of settings store their probabilities in table `predictions`. Only predictions for pictures outside the training
set of the model are used; the probabilities of several models (cross-fitting) are averaged. The results are rows of
table `issues` for people to review, because a wrong label and a rare picture have the same low probability.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import polars as pl

from catalog import Catalog, rows, write_segment
from curation.reading import frame
from curation.rules.bin_edges import BINS, SETTINGS

KIND: Final = "implausible_settings"
VERSION: Final = "1"
MAX_PROBABILITY: Final = 0.02  # of the class in EXIF
# A value closer to the edge of a bin can be in the other bin by a rounding of a third of a stop.
MIN_EDGE_DISTANCE: Final = 0.5  # stops

_PREDICTIONS = f"""
    SELECT p.model_id, p.asset_sha256, p.task, p.probabilities, p.target,
           CASE p.task {" ".join(f"WHEN '{s}' THEN i.{s}_stops" for s in SETTINGS)} END AS stops,
           CASE p.task {" ".join(f"WHEN '{s}' THEN i.{s}" for s in SETTINGS)} END AS value,
           CASE p.task {" ".join(f"WHEN '{s}' THEN i.{s}_bin" for s in SETTINGS)} END AS bin
    FROM predictions p JOIN curated_items i USING (asset_sha256)
    WHERE i.run_id = ? AND p.split <> 'train' AND p.target IS NOT NULL AND len(p.probabilities) = 3
    ORDER BY p.asset_sha256, p.task, p.model_id
"""


def record_implausible(catalog: Catalog, run_id: str) -> int:
    """Write the implausible settings of the items of a run as rows of `issues`; return their number.

    Without predictions nothing is written; a second call adds nothing.
    """
    settings = implausible_settings(frame(catalog, _PREDICTIONS, (run_id,)))
    if settings.is_empty():
        return 0
    now = datetime.now(UTC).replace(tzinfo=None)
    issues = [_issue_row(row, run_id, now) for row in settings.iter_rows(named=True)]
    write_segment(catalog.workspace, {"issues": rows("issues", issues)}, job=f"curate:{run_id}")
    catalog.commit()
    return len(issues)


def record_residuals(
    catalog: Catalog, run_id: str, described: Sequence[Mapping[str, Any]], digest: str
) -> int:
    """Write settings that cross-fitted models find implausible as rows of `issues`; return their number.

    Each has asset_sha256, severity (0 to 1), setting, value, and the evidence that a person reads. `digest` names the
    release that was checked: checking it again adds nothing, and a check of another release has rows of its own.
    """
    detector = f"exif_check@{VERSION} {digest[:12]}"
    now = datetime.now(UTC).replace(tzinfo=None)
    issues = []
    for row in described:
        detail = {key: each for key, each in row.items() if key not in {"asset_sha256", "severity"}}
        issues.append(
            {
                "issue_id": _issue_id(row["asset_sha256"], row["setting"], detector),
                "asset_sha256": row["asset_sha256"],
                "kind": KIND,
                "severity": row["severity"],
                "detail": json.dumps(detail, sort_keys=True),
                "detector": detector,
                "run_id": run_id,
                "created_at": now,
            }
        )
    if issues:
        write_segment(catalog.workspace, {"issues": rows("issues", issues)}, job=f"check:{run_id}")
        catalog.commit()
    return len(issues)


def _issue_id(sha: object, setting: object, detector: str) -> str:
    return hashlib.sha256(f"{sha} {KIND} {setting} {detector}".encode()).hexdigest()[:32]


def implausible_settings(predictions: pl.DataFrame) -> pl.DataFrame:
    """Select the settings with the lowest probability, the lowest first.

    `predictions` has model_id, asset_sha256, task, probabilities (of the three bins), target, bin, stops and value;
    rows whose target is not the current bin of the EXIF value are left out, because the label has changed. Gives
    asset_sha256, task, value, stops, edge_distance (stops), probability, models (list).
    """
    current = predictions.filter(pl.col("target") == pl.col("bin")).with_columns(
        probability=pl.col("probabilities").list.get(pl.col("target"))
    )
    averaged = current.group_by("asset_sha256", "task", maintain_order=True).agg(
        pl.col("value", "stops").first(),
        pl.col("probability").mean(),
        models=pl.col("model_id").unique().sort(),
    )
    distances = [
        _edge_distance(task, stops) for task, stops in averaged.select("task", "stops").rows()
    ]
    far = averaged.with_columns(edge_distance=pl.Series(distances, dtype=pl.Float64)).filter(
        pl.col("probability") <= MAX_PROBABILITY, pl.col("edge_distance") >= MIN_EDGE_DISTANCE
    )
    return far.sort("probability", "asset_sha256", "task")


def _edge_distance(task: str, stops: float | None) -> float:
    """Give the distance to the nearest edge between bins, in stops."""
    if stops is None or task not in BINS:
        return 0.0
    return float(np.abs(np.subtract(BINS[task], stops)).min())


def _issue_row(row: dict[str, object], run_id: str, now: datetime) -> dict[str, object]:
    detector = f"{KIND}@{VERSION} {' '.join(map(str, row['models']))}"  # type: ignore[call-overload]  # a list
    detail = {
        "setting": row["task"],
        "value": row["value"],
        "probability": round(float(str(row["probability"])), 5),
        "stops_from_edge": round(float(str(row["edge_distance"])), 2),
    }
    return {
        "issue_id": _issue_id(row["asset_sha256"], row["task"], detector),
        "asset_sha256": row["asset_sha256"],
        "kind": KIND,
        "severity": 1 - float(str(row["probability"])),
        "detail": json.dumps(detail, sort_keys=True),
        "detector": detector,
        "run_id": run_id,
        "created_at": now,
    }
