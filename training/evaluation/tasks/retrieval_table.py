"""The figures of an embedder for people: recall by predictor and number of edits, and the verdict."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import polars as pl

from catalog import FEW_GROUPS, TOO_FEW, counted
from training.evaluation.intervals import with_interval

Rows = Sequence[Mapping[str, Any]]
NAMES = {"model": "this embedder", "efficientnet_lite0": "EfficientNet-Lite0", "pdq": "PDQ"}
DEFAULT = "efficientnet_lite0"
"""The embedder that curation uses without a setting."""
_METRIC = "recall_at_precision_"


def recall_table(metrics: Rows) -> list[tuple[str, ...]]:
    """Return recall by predictor and number of edits as rows of text; the first row names the columns."""
    by_key = {(row["slice"], row["predictor"], row["metric"]): row for row in metrics}
    parts = dict.fromkeys(row["slice"] for row in metrics)
    names = [name for name in NAMES if any(row["predictor"] == name for row in metrics)]
    lines = [("copies", "precision", *(NAMES[name] for name in names))]
    for part, precision in product(parts, _precisions(metrics)):
        cells = [_cell(by_key.get((part, name, f"{_METRIC}{precision}"))) for name in names]
        lines.append((_slice(part), precision, *cells))
    return lines


def recall_verdict(metrics: Rows) -> str:
    """Say in one sentence whether the embedder finds more copies than the default, by the intervals.

    The result is empty when the model or the default has no row.
    """
    metric = f"{_METRIC}{_precisions(metrics)[0]}"
    both = {
        row["predictor"]: row for row in metrics if (row["slice"], row["metric"]) == ("all", metric)
    }
    if "model" not in both or DEFAULT not in both:
        return ""
    ours, default = both["model"], both[DEFAULT]
    name = NAMES[DEFAULT]
    shares = f"{with_interval(ours)} of the copies against {with_interval(default)}"
    if min(ours["n_groups"], default["n_groups"]) < FEW_GROUPS:
        return f"It finds {shares}: {TOO_FEW} how sure that is. Keep the default."
    if ours["low"] > default["high"]:
        return f"It finds more than {name}: {shares}."
    if ours["high"] < default["low"]:
        return f"It finds less than {name}: {shares}. Keep the default."
    return f"It cannot be told from {name}: {shares}. Keep the default, or train on more pictures."


def named_curves(curves: pl.DataFrame | None) -> dict[str, pl.DataFrame]:
    """Return the precision-recall curve of each predictor by its name for people, from rows with `predictor`."""
    if curves is None:
        return {}
    saved = {
        str(key): curve for (key,), curve in curves.partition_by("predictor", as_dict=True).items()
    }
    keys = [name for name in NAMES if name in saved] + sorted(saved.keys() - NAMES.keys())
    return {NAMES.get(key, key): saved[key] for key in keys}


def _precisions(metrics: Rows) -> list[str]:
    """Return the precisions of the rows as text, the lowest first."""
    named = {
        str(row["metric"]).removeprefix(_METRIC) for row in metrics if _METRIC in row["metric"]
    }
    return sorted(named - {name for name in named if "minus" in name}, key=float)


def _cell(row: Mapping[str, Any] | None) -> str:
    return "-" if row is None else with_interval(row)


def _slice(part: str) -> str:
    edits = part.removeprefix("edits=")
    return f"with {counted(int(edits), 'edit')}" if edits.isdigit() else part
