"""Say whether a label follows from something that is not in the picture: what colours, EXIF or the trip tell alone."""

from typing import Any

import polars as pl

from training.data.bias_tables import BIASES
from training.evaluation.findings import Score, predictor_name, scores
from training.evaluation.saved_head import SavedHead
from training.report.saved_run import SavedRun

BESIDE = (*BIASES, "file", "metadata")
"""The predictors that a model is held against: biases, then baselines that do not see the picture either."""


def biased_heads(run: SavedRun) -> list[SavedHead]:
    """Return the heads whose biases were measured."""
    measured = run.main.metrics.filter(pl.col("predictor").is_in(BIASES))["task"].unique().to_list()
    return [head for head in run.heads if head.name in measured]


def biases(run: SavedRun) -> list[dict[str, Any]]:
    """Return for each head that states them the figures of its biases beside the model's, and warnings."""
    sections = []
    for head in biased_heads(run):
        by_predictor = scores(run.metrics, run.main.policy, head)
        rows = [
            (predictor_name(name), by_predictor[name]) for name in BESIDE if name in by_predictor
        ]
        if not rows or "model" not in by_predictor:
            continue
        model = by_predictor["model"]
        sections.append(
            {
                "name": head.title,
                "metric": head.metric_name,
                "rows": [("model", model), *rows],
                "warnings": [
                    warning(head, name, each, model) for name, each in rows if reaches(each, model)
                ],
            }
        )
    return sections


def reaches(bias: Score, model: Score) -> bool:
    """Whether a predictor without the picture is within the interval of the model, or above it.

    Without intervals (too few groups) the two values are compared.
    """
    least = model.value if model.low is None else model.low
    return bias.value >= least


def warning(head: SavedHead, name: str, bias: Score, model: Score) -> str:
    """Write the warning about one predictor."""
    if model.high is None:
        place = f"the model {model.text}, with too few groups for an interval"
    else:
        where = "above" if bias.value > model.high else "within"
        place = f"{where} the interval of the model, {model}"
    return f"{head.title}: {name} reaches {bias.text}, {place}. The model may have learnt no more than that"


def bias_lines(run: SavedRun) -> list[str]:
    """Return the warnings of all heads, for the terminal."""
    return [f"warning: {text}" for section in biases(run) for text in section["warnings"]]
