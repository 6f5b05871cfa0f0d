"""Make the tables of a report as data for its template."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from catalog import known_text
from training.data.photo_settings import CLASSES, class_ranges, task_name
from training.evaluation import verdicts
from training.evaluation.findings import (
    BASELINES,
    MIN_SLICE,
    VIEWS,
    Finding,
    as_score,
    beats_chance,
    best_baseline_finding,
    chance,
    paired_lead,
    predictor_name,
    scores,
    shown_slices,
)
from training.report.saved_run import POLICIES, POLICY_NAMES, SavedRun

_CALIBRATION = ("ece", "nll", "brier")
_COLUMNS = (
    "split", "head", "balanced accuracy", "best baseline", "lead over it", "verdict", "majority",
    "prior", "accuracy", "accuracy with class shares", "majority's accuracy", "photos", "groups",
)  # fmt: skip


def findings(run: SavedRun, policy: str) -> list[Finding]:
    """Compare every head with its best baseline under one split policy; heads without a baseline are left out."""
    candidates = (best_baseline_finding(run.metrics, policy, task) for task in run.tasks)
    return [one for one in candidates if one is not None]


def conclusions(run: SavedRun) -> dict[str, Any]:
    """Return the headline, one entry for each head, and whether each setting can be predicted from the pixels."""
    policy = run.main.policy
    rows = findings(run, policy)
    audit = (run.facts.get("leak_audit") or {}).get(policy) or {}
    where = verdicts.describe_test_set(policy, audit, run.facts.get("given_up") or ())
    by_chance = {task: chance(run.main.predictions, task) for task in run.tasks}
    return {
        "headline": verdicts.headline(rows, where),
        "findings": [
            {
                "name": task_name(one.task),
                "finding": one,
                "chance": by_chance[one.task],
                "baseline": predictor_name(one.baseline_name),
                "sentence": verdicts.sentence(
                    one,
                    where,
                    beats_chance=beats_chance(
                        run.metrics, policy, one.task, "model", by_chance[one.task]
                    ),
                ),
            }
            for one in rows
        ],
        "information": [
            verdicts.information_verdict(run.metrics, policy, task, by_chance[task])
            for task in run.tasks
        ],
    }


def predictors(run: SavedRun) -> dict[str, Any]:
    """Return one row for each predictor: for each head one cell per split policy, three metrics a cell."""
    columns = [(task, policy) for task in run.tasks for policy in run.models]
    metrics = ("balanced_accuracy", "accuracy", "accuracy_with_prior")
    by_metric = {
        metric: [scores(run.metrics, policy, task, metric) for task, policy in columns]
        for metric in metrics
    }
    names = dict.fromkeys(name for column in by_metric[metrics[0]] for name in column)
    return {
        "heads": [task_name(task) for task in run.tasks],
        "policies": [POLICY_NAMES[policy] for policy in run.models],
        "sizes": [column.get("model") for column in by_metric[metrics[0]]],
        "rows": [
            {
                "name": predictor_name(name),
                "is_model": name == "model",
                "cells": [
                    [by_metric[metric][number].get(name) for metric in metrics]
                    for number in range(len(columns))
                ],
            }
            for name in names
        ],
    }


def gaps(run: SavedRun) -> list[dict[str, Any]]:
    """Compare the two split policies, one row for each head; empty when one of them was not trained."""
    rows = []
    for task in run.tasks:
        apart, naive = (scores(run.metrics, policy, task).get("model") for policy in POLICIES)
        if apart and naive:
            text = verdicts.gap_verdict(apart, naive)
            rows.append({"name": task_name(task), "apart": apart, "naive": naive, "gap": text})
    return rows


def leads(run: SavedRun) -> list[dict[str, Any]]:
    """Return the model's paired lead over each single view and baseline, one cell for each head."""
    rows = [
        (name, [paired_lead(run.metrics, run.main.policy, task, name) for task in run.tasks])
        for name in (*VIEWS, *reversed(BASELINES))
    ]
    return [{"name": predictor_name(name), "cells": cells} for name, cells in rows if any(cells)]


def leaks(audit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leak audit, one column per split policy; an audit of another shape becomes one column."""
    by_policy = {
        policy: audit[policy] for policy in POLICIES if isinstance(audit.get(policy), dict)
    }
    columns = {
        POLICY_NAMES[name]: dict(flatten(_with_unknowns(facts)))
        for name, facts in by_policy.items()
    }
    if not columns and audit:
        columns = {"found": dict(flatten(audit))}
    names = list(dict.fromkeys(name for facts in columns.values() for name in facts))
    cells = [(name, [facts.get(name, "-") for facts in columns.values()]) for name in names]
    return {"columns": list(columns), "rows": cells}


def _with_unknowns(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Replace counts of a kind by "unknown" if no picture has a value; add the share if few pictures have one."""
    texts = dict(facts)
    for name in facts:
        if name.endswith("s_known_share"):
            kind, share = name.removesuffix("s_known_share"), texts.pop(name)
            if unknown := known_text("", share).strip():
                for key in (f"{kind}s_in_train_and_test", f"test_pictures_of_a_trained_{kind}"):
                    texts[key] = unknown if share < 0.01 else f"{texts[key]}, {unknown}"
    return texts


def flatten(facts: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Flatten a nested mapping into pairs of name and value, both as text.

    >>> flatten({"shared_values": {"camera": 0}, "max_cosine": 0.91234})
    [('shared values: camera', '0'), ('max cosine', '0.9123')]
    """
    lines: list[tuple[str, str]] = []
    for key, value in facts.items():
        name = f"{above}: {key}" if above else key
        if isinstance(value, Mapping):
            lines += flatten(value, name)
        else:
            lines.append((name.replace("_", " "), _text(value)))
    return lines


def _text(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124  # NaN is the value that differs from itself
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def calibration(run: SavedRun) -> list[dict[str, Any]]:
    """Return the model's calibration metrics, one cell for each head; variants follow their plain form."""
    names = run.metrics["metric"].unique().sort()
    return [
        {
            "name": name.replace("_", " ").replace("ece", "ECE").replace("nll", "NLL"),
            "cells": [
                scores(run.metrics, run.main.policy, task, name).get("model") for task in run.tasks
            ],
        }
        for name in names
        if name.startswith(_CALIBRATION)
    ]


def slices(run: SavedRun) -> dict[str, Any]:
    """Return the model's slices that are large enough, one cell for each head, and the number of others."""
    large, hidden = shown_slices(run.main.metrics)
    by_cell = {(row["slice"], row["task"]): as_score(row) for row in large.iter_rows(named=True)}
    names = large["slice"].unique(maintain_order=True)
    rows = [
        {"slice": name, "cells": [by_cell.get((name, task)) for task in run.tasks]}
        for name in names
    ]
    return {"rows": rows, "hidden": hidden, "minimum": MIN_SLICE}


def class_balance(run: SavedRun, index: pl.DataFrame, task: str) -> dict[str, Any]:
    """Count the classes of the training pictures: without weights, and with the sampling weights of the release."""
    train = index.filter(pl.col(run.main.policy) == "train")
    if "training_allowed" in train.columns:
        train = train.filter(pl.col("training_allowed").fill_null(value=False))
    by_class = [train.filter(pl.col(f"{task}_bin") == number) for number in range(len(CLASSES))]
    counts = [rows.height for rows in by_class]
    weights = [float(rows["weight"].fill_null(1).sum()) for rows in by_class]
    return {
        "name": task_name(task),
        "classes": list(zip(CLASSES, class_ranges(run.bins, task), counts, strict=True)),
        "before": _shares(counts),
        "after": _shares(weights),
        "missing": train.height - sum(counts),
    }


def _shares(amounts: Sequence[float]) -> list[float]:
    total = sum(amounts)
    return [amount / total if total else 0.0 for amount in amounts]


def markdown(run: SavedRun) -> str:
    """Return the main results as a Markdown table, one row per split policy and head."""
    rows = [_markdown_row(run, one) for policy in run.models for one in findings(run, policy)]
    return "".join(_line(row) for row in (_COLUMNS, ["---"] * len(_COLUMNS), *rows))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _markdown_row(run: SavedRun, one: Finding) -> list[str]:
    def cell(metric: str, name: str) -> str:
        return str(scores(run.metrics, one.policy, one.task, metric).get(name, "-"))

    return [
        POLICY_NAMES[one.policy],
        task_name(one.task),
        f"**{one.model}**",
        f"{one.baseline} ({predictor_name(one.baseline_name)})",
        "-" if one.lead is None else one.lead.signed,
        one.verdict,
        cell("balanced_accuracy", "majority"),
        cell("balanced_accuracy", "prior"),
        cell("accuracy", "model"),
        cell("accuracy_with_prior", "model"),
        cell("accuracy", "majority"),
        str(one.model.n),
        str(one.model.n_groups),
    ]
