"""How large a model has to be: one training for each size, the figures against the number of weights.

    reports/complexity/<id>/points.parquet   value, head, metric, figure, low, high, parameters, seconds, front, enough,
                                             baseline, baseline_figure, above_baseline
    reports/complexity/<id>/pareto.png       the same as a plot

A point is on the `front` when no smaller model is as good. `enough` marks the smallest model whose figure lies inside
the interval of the best one, for each head. Beside them stands the baseline that looks at no picture: the majority
class or the median of training.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from catalog import FEW_GROUPS, Workspace, track
from training.errors import OptionError
from training.evaluation.findings import CONSTANTS
from training.fit.run_request import TrainingRequest
from training.fit.task import short_hash
from training.runs.run import train

POLICY = "split"
BLUE, GREY, ORANGE = "#0072b2", "#999999", "#d55e00"


@dataclass(frozen=True)
class ComplexityRequest:
    """A training request, and the hyperparameter with the values that make smaller and larger models."""

    training: TrainingRequest
    name: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, training: TrainingRequest, over: str) -> "ComplexityRequest":
        """Read `name=a,b,c`; raises OptionError for fewer than two values."""
        name, _, rest = over.partition("=")
        values = tuple(value for value in rest.split(",") if value)
        if not name or len(values) < 2:
            raise OptionError(over, ["NAME=A,B,..."])
        return cls(training, name, values)


@dataclass(frozen=True)
class ComplexityResult:
    """The folder of the study and its table."""

    folder: Path
    table: pl.DataFrame


def measure_complexity(workspace: Workspace, request: ComplexityRequest) -> ComplexityResult:
    """Train the sizes that do not exist yet and compare them on the test pictures; raises what `train` raises."""
    points: list[dict[str, Any]] = []
    models = []
    for value in track(request.values, "complexity", unit="models"):
        options = (*request.training.options, f"{request.name}={value}")
        training = dataclasses.replace(request.training, options=options, policies=(POLICY,))
        folder = train(workspace, training).models[POLICY]
        models.append(folder.name)
        points += _points(folder, value)
    marked = [point | {"above_baseline": is_above_baseline(point)} for point in _marked(points)]
    table = pl.DataFrame(marked, infer_schema_length=None)
    folder = workspace.reports / "complexity" / short_hash({"models": models})
    folder.mkdir(parents=True, exist_ok=True)
    table.write_parquet(folder / "points.parquet")
    _draw(table, request.name).savefig(folder / "pareto.png", dpi=120)
    return ComplexityResult(folder, table)


def _points(folder: Path, value: str) -> list[dict[str, Any]]:
    """Return a row for each head of a finished model."""
    facts = json.loads((folder / "config.json").read_text("utf-8"))
    metrics = pl.read_parquet(folder / "metrics.parquet")
    whole = metrics.filter(pl.col("slice") == "all")
    own = whole.filter(pl.col("predictor") == "model")
    seconds = float(pl.read_parquet(folder / "history.parquet")["seconds"].sum())
    rows = []
    for head in facts["heads"]:
        chosen = own.filter((pl.col("task") == head["name"]) & (pl.col("metric") == head["metric"]))
        baseline = CONSTANTS.get(head["family"])
        of_baseline = whole.filter(
            (pl.col("predictor") == baseline)
            & (pl.col("task") == head["name"])
            & (pl.col("metric") == head["metric"])
        )["value"]
        about = {
            "baseline": baseline if len(of_baseline) else None,
            "baseline_figure": float(of_baseline[0]) if len(of_baseline) else None,
        }
        for row in chosen.iter_rows(named=True):
            figures = {"figure": row["value"], "low": row["low"], "high": row["high"]}
            rows.append(
                {
                    "value": value, "head": head["name"], "metric": head["metric"], **figures,
                    "n": row["n"], "n_groups": row["n_groups"],
                    "higher_is_better": head["higher_is_better"],
                    "parameters": facts["parameters"], "seconds": seconds, "model_id": folder.name,
                    **about,
                }
            )  # fmt: skip
    return rows


def is_above_baseline(point: Mapping[str, Any]) -> bool | None:
    """Whether a figure, and its interval where there are groups enough, lies on the better side of the baseline.

    >>> point = {"figure": 0.5, "low": 0.3, "high": 0.7, "n_groups": 30, "higher_is_better": True}
    >>> [is_above_baseline(point | {"baseline_figure": chance}) for chance in (0.25, 0.33, None)]
    [True, False, None]
    """
    baseline = point["baseline_figure"]
    if baseline is None:
        return None
    sign = 1 if point["higher_is_better"] else -1
    edge = point["low"] if sign > 0 else point["high"]
    if edge is None or point["n_groups"] < FEW_GROUPS:
        edge = point["figure"]
    return bool(sign * edge > sign * baseline)


def _marked(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mark the points on the front, and the smallest that is enough, head by head.

    >>> def point(parameters, figure):
    ...     return {"head": "age", "parameters": parameters, "figure": figure, "low": figure - 1, "high": figure + 1,
    ...             "higher_is_better": False}
    >>> marked = _marked([point(10, 9.0), point(20, 5.5), point(40, 5.0), point(30, 6.0)])
    >>> [(each["parameters"], each["front"], each["enough"]) for each in marked]
    [(10, True, False), (20, True, True), (30, False, False), (40, True, False)]
    """
    marked: list[dict[str, Any]] = []
    for head in dict.fromkeys(each["head"] for each in points):
        own = sorted((p for p in points if p["head"] == head), key=lambda p: p["parameters"])
        sign = 1 if own[0]["higher_is_better"] else -1
        best = max(own, key=lambda p: sign * p["figure"])
        edge = best["low"] if sign > 0 else best["high"]
        limit = sign * (best["figure"] if edge is None else edge)
        enough = next(p for p in own if sign * p["figure"] >= limit)
        reached = float("-inf")
        for each in own:
            is_front = sign * each["figure"] > reached
            reached = max(reached, sign * each["figure"])
            marked.append({**each, "front": is_front, "enough": each is enough})
    return marked


def _draw(table: pl.DataFrame, name: str) -> Figure:
    """Draw a panel for each head: figure against parameters, the front as a line."""
    heads = list(dict.fromkeys(table["head"].to_list()))
    figure = Figure(figsize=(4.2 * len(heads), 3.2), layout="constrained")
    for axes, head in zip(figure.subplots(1, len(heads), squeeze=False)[0], heads, strict=True):
        for row in table.filter(pl.col("head") == head).iter_rows(named=True):
            colour = ORANGE if row["enough"] else BLUE if row["front"] else GREY
            if row["low"] is not None:
                axes.plot([row["parameters"]] * 2, [row["low"], row["high"]], color=colour, lw=1)
            axes.plot(row["parameters"], row["figure"], "o", color=colour)
            axes.annotate(
                f"{name}={row['value']}", (row["parameters"], row["figure"]), fontsize=7,
                textcoords="offset points", xytext=(4, 4),
            )  # fmt: skip
        baseline = table.filter(pl.col("head") == head)["baseline_figure"][0]
        if baseline is not None:
            axes.axhline(baseline, color=GREY, lw=1, ls="--")
        front = table.filter((pl.col("head") == head) & pl.col("front"))
        axes.plot(front["parameters"].to_numpy(), front["figure"].to_numpy(), color=BLUE, lw=1)
        axes.set_xscale("log")
        axes.set_xlabel("parameters")
        axes.set_ylabel(f"{head}: {table.filter(pl.col('head') == head)['metric'][0]}")
    return figure
