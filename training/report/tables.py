"""Make the tables of a report as data for its template.

Every figure of a head stands beside those of its baselines: heads without a baseline have no finding, and only heads
with a finding are in a table.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from catalog import known_text
from training.evaluation import verdicts
from training.evaluation.findings import (
    BASELINES,
    MIN_SLICE,
    SCENE,
    Finding,
    Score,
    as_score,
    baseline_names,
    beats_chance,
    best_baseline_finding,
    chance,
    decimals,
    paired_lead,
    predictor_name,
    reading_order,
    scores,
    shown_slices,
)
from training.evaluation.saved_head import (
    CLASS_FAMILY,
    RETRIEVAL_FAMILY,
    VALUE_FAMILY,
    SavedHead,
    metric_name,
    subject_of,
)
from training.evaluation.tasks.retrieval_table import recall_table, recall_verdict
from training.report.saved_run import POLICIES, POLICY_NAMES, SavedRun

_CALIBRATION = ("ece", "nll", "brier")
_FAMILY_NOTES = {
    CLASS_FAMILY: "Below it plain accuracy: when every class counts alike and, after the slash, with the class shares "
    "of training.",
    VALUE_FAMILY: "Below it the root mean squared error and R², the explained share of the variance.",
    RETRIEVAL_FAMILY: "Below it the recall at precision 0.99.",
}
_BESIDE = {
    CLASS_FAMILY: ("accuracy", "accuracy_with_prior"),
    VALUE_FAMILY: ("rmse", "r2"),
    RETRIEVAL_FAMILY: ("recall_at_precision_0.99",),
}
"""The metrics below the main one, by family."""


def findings(run: SavedRun, policy: str) -> list[Finding]:
    """Compare every head with its best baseline under one split policy; heads without a baseline are left out."""
    candidates = (best_baseline_finding(run.metrics, policy, head) for head in run.heads)
    return [one for one in candidates if one is not None]


def measured_heads(run: SavedRun, *families: str) -> list[SavedHead]:
    """Return the heads with a baseline, of some families only if they are named."""
    heads = [one.head for one in findings(run, run.main.policy)]
    return [head for head in heads if not families or head.family in families]


def conclusions(run: SavedRun) -> dict[str, Any]:
    """Return the headline, one entry for each head, and whether each head can be predicted from the pixels."""
    policy = run.main.policy
    rows = findings(run, policy)
    audit = (run.facts.get("leak_audit") or {}).get(policy) or {}
    where = verdicts.describe_test_set(policy, audit, run.facts.get("given_up") or ())
    names = {one.head.name for one in rows}
    unmeasured = [head for head in run.heads if head.name not in names]
    measured = set(run.main.metrics["task"])
    return {
        "headline": _headline(run, rows, where),
        "findings": [_conclusion(run, one, where) for one in rows],
        "unmeasured": [head.title for head in unmeasured if head.name in measured],
        "untested": [head.title for head in unmeasured if head.name not in measured],
        "information": [
            verdicts.information_verdict(run.metrics, policy, one.head, _chance(run, one.head))
            for one in rows
            if one.head.family != RETRIEVAL_FAMILY
        ],
    }


def _headline(run: SavedRun, rows: Sequence[Finding], where: str) -> str:
    """Say for which heads the model beats its best baseline; an embedder has a sentence of its own."""
    retrieval = {one.head.name: _retrieval_verdict(run, one.head) for one in rows}
    compared = [one for one in rows if not retrieval[one.head.name]]
    sentences = [verdicts.headline(compared, where)] if compared or not rows else []
    return " ".join([*sentences, *filter(None, retrieval.values())])


def _retrieval_verdict(run: SavedRun, head: SavedHead) -> str:
    return recall_verdict(_retrieval_rows(run, head)) if head.family == RETRIEVAL_FAMILY else ""


def _retrieval_rows(run: SavedRun, head: SavedHead) -> list[dict[str, Any]]:
    return run.main.metrics.filter(pl.col("task") == head.name).to_dicts()


def _chance(run: SavedRun, head: SavedHead) -> float | None:
    return chance(run.main.predictions, head)


def _conclusion(run: SavedRun, one: Finding, where: str) -> dict[str, Any]:
    head, level = one.head, _chance(run, one.head)
    is_clear = beats_chance(run.metrics, one.policy, head, "model", level)
    return {
        "name": head.title,
        "finding": one,
        "unit": head.unit,
        "metric": head.metric_name,
        "chance": level,
        "baseline": predictor_name(one.baseline_name),
        "sentence": verdicts.sentence(one, where, beats_chance=is_clear),
        "clock": verdicts.clock_verdict(run.metrics, one.policy, head),
        "noun": _noun(head),
    }


def _noun(head: SavedHead) -> str:
    """Return what the figures of a head count."""
    return "queries" if head.family == RETRIEVAL_FAMILY else f"{head.subject}s"


def predictors(run: SavedRun) -> dict[str, Any]:
    """Return one row for each predictor: for each head one cell per split policy, the main metric and others below."""
    heads = measured_heads(run)
    columns = [(head, policy) for head in heads for policy in run.models]
    by_column = [_column(run, head, policy) for head, policy in columns]
    names = {name for column in by_column for name in column}
    return {
        "heads": [_column_title(head, heads) for head in heads],
        "policies": [POLICY_NAMES[policy] for policy in run.models],
        "sizes": [(column.get("model") or (None,))[0] for column in by_column],
        "nouns": [_noun(head) for head, _ in columns],
        "notes": _notes(heads),
        "rows": [
            {
                "name": predictor_name(name, subject_of(run.main.config)),
                "is_model": name == "model",
                "cells": [column.get(name) for column in by_column],
            }
            for name in sorted(names, key=reading_order)
        ],
    }


def _column(run: SavedRun, head: SavedHead, policy: str) -> dict[str, tuple[Score, str]]:
    """Return score and text below it for each predictor; empty for a policy without a baseline of the head."""
    by_predictor = scores(run.metrics, policy, head)
    if not baseline_names(head, by_predictor):
        return {}
    others = [scores(run.metrics, policy, head, metric) for metric in _BESIDE.get(head.family, ())]
    return {
        name: (score, _below(head, [other.get(name) for other in others]))
        for name, score in by_predictor.items()
    }


def _below(head: SavedHead, others: Sequence[Score | None]) -> str:
    """Write the metrics below the main one.

    >>> iso = SavedHead("iso", "ordinal", "classes", "ISO")
    >>> _below(iso, [Score(0.5, None, None, 9, 1), Score(0.6, None, None, 9, 1)])
    'accuracy 0.50 / 0.60'
    """
    first = others[0] if others else None
    if first is None:
        return ""
    if head.family == CLASS_FAMILY:
        return f"accuracy {first.text}" + (f" / {others[1].text}" if others[1] else "")
    names = [metric_name(metric) for metric in _BESIDE[head.family]]
    if head.family == VALUE_FAMILY:
        names = ["RMSE", "R²"]
    pairs = zip(names, others, strict=True)
    return ", ".join(f"{name} {score.text}" for name, score in pairs if score)


def _column_title(head: SavedHead, heads: Sequence[SavedHead]) -> str:
    """Return the title of a head, with its metric when the heads of a table have different ones."""
    if len({one.metric for one in heads}) == 1 and not head.unit:
        return head.title
    return f"{head.title}: {head.metric_name}" + (f", {head.unit}" if head.unit else "")


def _notes(heads: Sequence[SavedHead]) -> list[str]:
    by_family = {head.family: head for head in heads}
    return [
        f"{head.metric_name[:1].upper()}{head.metric_name[1:]} on test pictures. "
        f"{'' if head.higher_is_better else 'Less is better. '}{_FAMILY_NOTES.get(family, '')}"
        for family, head in by_family.items()
    ]


def gaps(run: SavedRun) -> list[dict[str, Any]]:
    """Compare the two split policies, one row for each head; empty when one of them was not trained."""
    rows = []
    for head in measured_heads(run):
        apart, naive = (scores(run.metrics, policy, head).get("model") for policy in POLICIES)
        if apart and naive:
            text = verdicts.gap_verdict(apart, naive, higher_is_better=head.higher_is_better)
            rows.append({"name": head.title, "apart": apart, "naive": naive, "gap": text})
    return rows


def ablation(run: SavedRun) -> dict[str, Any]:
    """Return what is left with parts of the picture: one row for each, the main metric of each head and its ranks.

    The verdict of a head follows from the rank correlation of the full model; heads without one are left out, and a
    model without any has no table.
    """
    policy = run.main.policy
    heads = [
        head for head in measured_heads(run, CLASS_FAMILY, VALUE_FAMILY)
        if "model" in scores(run.metrics, policy, head, "spearman")
    ]  # fmt: skip
    names = [SCENE, *dict.fromkeys(part for head in heads for part in head.parts), "model"]
    ranks = {head.name: scores(run.metrics, policy, head, "spearman") for head in heads}
    main = {head.name: scores(run.metrics, policy, head) for head in heads}
    return {
        "heads": [_column_title(head, heads) for head in heads],
        "rows": [
            {
                "name": predictor_name(name, subject_of(run.main.config)),
                "is_model": name == "model",
                "cells": [(ranks[h.name].get(name), main[h.name].get(name)) for h in heads],
            }
            for name in names
            if any(name in of_head for of_head in ranks.values())
        ],
        "verdicts": [verdicts.learnt_verdict(run.metrics, policy, head) for head in heads],
    }


def leads(run: SavedRun) -> list[dict[str, Any]]:
    """Return the model's paired lead over each part of it and each baseline, one cell for each head."""
    heads = measured_heads(run)
    parts = dict.fromkeys(part for head in heads for part in head.parts)
    rows = [
        (name, [paired_lead(run.metrics, run.main.policy, head, name) for head in heads])
        for name in (SCENE, *parts, *reversed(BASELINES))
    ]
    return [
        {"name": predictor_name(name, subject_of(run.main.config)), "cells": cells}
        for name, cells in rows
        if any(cells)
    ]


def retrieval(run: SavedRun) -> list[dict[str, Any]]:
    """Return the table of recall by number of edits for each head of retrieval, with its counts."""
    sections = []
    for head in measured_heads(run, RETRIEVAL_FAMILY):
        rows = _retrieval_rows(run, head)
        header, *lines = recall_table(rows)
        counts = scores(run.metrics, run.main.policy, head)["model"]
        section = {"task": head.name, "name": head.title, "header": header, "rows": lines}
        sections.append(section | {"counts": counts})
    return sections


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
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def calibration(run: SavedRun) -> dict[str, Any]:
    """Return the calibration metrics of heads of classes, one cell for each head; variants follow their plain form.

    Below a score stands that of the best baseline with the same metric.
    """
    heads = measured_heads(run, CLASS_FAMILY)
    tasks = [head.name for head in heads]
    names = run.metrics.filter(pl.col("task").is_in(tasks))["metric"].unique().sort()
    rows = [
        {
            "name": metric_name(name),
            "cells": [_calibration_cell(run, head, name) for head in heads],
        }
        for name in names
        if name.startswith(_CALIBRATION)
    ]
    note = verdicts.scaling_note(run.metrics, run.main.policy, heads)
    return {"heads": [head.title for head in heads], "rows": rows, "note": note}


def zones(run: SavedRun) -> list[dict[str, Any]]:
    """Return for each head with two classes its threshold, its zone without an answer, and what became of the test."""
    sections = []
    for head in measured_heads(run, CLASS_FAMILY):
        threshold = run.main.calibrated(head.name, "threshold")
        if threshold is None:
            continue
        low, high = (
            run.main.calibrated(head.name, name) for name in ("negative_below", "positive_above")
        )
        names = ("answered_share", "answered_accuracy", *(f"error_of_{c}" for c in head.classes))
        figures = {name: scores(run.metrics, run.main.policy, head, name) for name in names}
        rows = [(metric_name(name), by["model"]) for name, by in figures.items() if "model" in by]
        negative, positive = head.classes
        section = {"name": head.title, "negative": negative, "positive": positive, "rows": rows}
        sections.append(section | {"threshold": threshold, "low": low, "high": min(1.0, high)})
    return sections


def _calibration_cell(run: SavedRun, head: SavedHead, metric: str) -> tuple[Score, str] | None:
    by_predictor = scores(run.metrics, run.main.policy, head, metric)
    names = baseline_names(head, by_predictor)
    if "model" not in by_predictor:
        return None
    best = min(names, key=lambda name: by_predictor[name].value, default="")
    beside = f"{predictor_name(best)} {by_predictor[best].text}" if best else ""
    return by_predictor["model"], beside


def slices(run: SavedRun) -> dict[str, Any]:
    """Return the model's slices that are large enough, one cell for each head, and the number of others.

    The first row is that of all test pictures, with the best baseline.
    """
    heads = measured_heads(run, CLASS_FAMILY, VALUE_FAMILY)
    large, hidden = shown_slices(run.main.metrics, heads)
    digits = {head.name: decimals(run.metrics, head, head.metric) for head in heads}
    by_cell = {
        (row["slice"], row["task"]): as_score(row, digits[row["task"]])
        for row in large.iter_rows(named=True)
    }
    rows = [
        {"slice": name, "cells": [(by_cell.get((name, head.name)), "") for head in heads]}
        for name in large["slice"].unique(maintain_order=True)
    ]
    whole = [
        (one.model, f"{predictor_name(one.baseline_name)} {one.baseline.text}")
        for one in findings(run, run.main.policy)
        if one.head in heads
    ]
    return {
        "heads": [_column_title(head, heads) for head in heads],
        "metric": heads[0].metric_name if len({head.metric for head in heads}) == 1 else "",
        "rows": [{"slice": "all test pictures", "cells": whole}, *rows] if rows else [],
        "hidden": hidden,
        "minimum": MIN_SLICE,
    }
