"""Audit labels: rank the pictures whose labels are most likely wrong, for people to review.

There are four criteria, the cheapest first: copies of one picture (or sources of one label) that contradict each other;
pictures of a face data set without exactly one face; labels that the most similar pictures do not share; labels that
confident learning rejects. The last two give one issue. Labels are not changed: the results are rows of `issues`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import Catalog, Workspace, open_catalog, rows, write_segment
from curation.errors import NoLabelsError
from curation.reading import find_run, frame
from curation.review.confident_learning import confident_other_classes, out_of_fold
from curation.similarity.neighbours import Compact, nearest_vectors
from curation.splits.closest_pairs import Vectors
from curation.splits.strata import classes_of, numbers_of

VERSION: Final = "1"
KINDS: Final = ("label_conflict", "label_doubtful", "face_count")
FACE_TASKS: Final = frozenset({"age", "gender", "ethnicity"})
NEIGHBOURS: Final = 10
EXTRA_NEIGHBOURS: Final = (
    20  # neighbours searched beyond those, because members of the same group do not count
)
MIN_DISAGREEMENT: Final = (
    0.8  # share of neighbours with another label from which on a label becomes an issue
)
MIN_SEVERITY: Final = 0.5
MIN_DEVIATIONS: Final = 4.0  # robust standard deviations from the neighbours' median, for numbers
_ANY: Final = -(2**20)  # below any product of vectors

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class LabelIssue:
    """One reason to review one label: `severity` from 0 to 1, `detail` as values for JSON."""

    asset_sha256: str
    kind: str
    severity: float
    detail: dict[str, object]


@dataclass(frozen=True)
class LabelAudit:
    """The issues of the labels of a run, worst first, and the number of labelled pictures by task."""

    run_id: str
    issues: tuple[LabelIssue, ...]
    n_labelled: dict[str, int]

    def counts(self) -> dict[str, int]:
        """Count the issues by kind."""
        return {kind: sum(issue.kind == kind for issue in self.issues) for kind in KINDS}


def audit_labels(workspace: Workspace, run_id: str = "") -> LabelAudit:
    """Audit the labels of a run (newest by default) and write the result as rows of `issues`.

    A second audit adds nothing. Raises `RunNotFoundError`, and `NoLabelsError` when the plan of the run names none.
    """
    with open_catalog(workspace) as catalog:
        run = find_run(catalog, run_id)
        (run_row,) = catalog.records("SELECT plan_json FROM curation_runs WHERE run_id = ?", [run])
        plan = json.loads(str(run_row["plan_json"]))
        tasks = (*plan.get("labels", ()), *plan.get("label_classes", ()))
        if not tasks:
            labels = catalog.records(
                "SELECT task, count(DISTINCT value) AS n FROM labels GROUP BY ALL"
            )
            raise NoLabelsError(run, {str(row["task"]): int(str(row["n"])) for row in labels})
        items = frame(catalog, _ITEMS, (run, list(tasks)))
        task_of_label = dict(pair.split("=", 1) for pair in plan.get("label_tasks", ()))
        label_of_task = {task_of_label.get(task, task): task for task in tasks}
        issues = [*_conflicts(catalog, run, label_of_task), *_face_counts(catalog, run, tasks)]
        vectors = Vectors.read(catalog, plan["model_id"], items["asset_sha256"].unique().to_list())
        for task in tasks:
            issues += similarity_issues(vectors, items.filter(pl.col("task") == task), task)
        ranked = sorted(issues, key=lambda issue: (-issue.severity, issue.kind, issue.asset_sha256))
        _write(catalog, run, ranked)
    counts = items.group_by("task").len().rows()
    return LabelAudit(run, tuple(ranked), dict(sorted(counts)))


_ITEMS = """
    SELECT l.asset_sha256, l.task, l.value, i.group_id
    FROM curated_labels l JOIN curated_items i USING (run_id, asset_sha256)
    WHERE l.run_id = ? AND l.role = 'label' AND l.task IN (SELECT unnest(?::VARCHAR[])) ORDER BY ALL
"""


def _conflicts(
    catalog: Catalog, run: str, label_of_task: Mapping[str, str]
) -> Iterator[LabelIssue]:
    """Find contradictions within a file and within a group of copies; the issue names the kept picture.

    `named` gives the label of each task.
    """
    statements = frame(catalog, _STATEMENTS, (run, run, list(label_of_task)))
    for task, label in label_of_task.items():
        yield from conflicts(statements.filter(pl.col("task") == task), label)


# All labels of the pictures of a run and of their dropped copies.
_STATEMENTS = """
    WITH members AS (
        SELECT g.asset_sha256, k.asset_sha256 AS kept FROM duplicate_groups g
        JOIN duplicate_groups k ON k.run_id = g.run_id AND k.group_id = g.group_id AND k.is_keeper
        WHERE g.run_id = ?
    ), kept AS (
        SELECT coalesce(m.asset_sha256, i.asset_sha256) AS asset_sha256, i.asset_sha256 AS kept
        FROM curated_items i LEFT JOIN members m ON m.kept = i.asset_sha256 WHERE i.run_id = ?
    ), statements AS (
        SELECT p.asset_sha256, l.task, l.value FROM labels l
        JOIN photos p ON l.subject_kind = 'photo' AND l.subject_id = p.photo_id
        UNION
        SELECT subject_id, task, value FROM labels WHERE subject_kind = 'asset'
    )
    SELECT DISTINCT k.kept, s.asset_sha256, s.task, s.value FROM kept k JOIN statements s USING (asset_sha256)
    WHERE s.task IN (SELECT unnest(?::VARCHAR[])) ORDER BY ALL
"""


def conflicts(statements: pl.DataFrame, task: str) -> list[LabelIssue]:
    """Find the kept pictures that have, with their copies, different labels.

    `statements` has kept, asset_sha256 and value. Different texts have severity 1; the severity of numbers grows with
    their range and is 1 at four robust standard deviations.
    """
    by_kept = statements.group_by("kept").agg(
        pl.col("value").unique().sort(), pl.col("asset_sha256").unique().sort()
    )
    conflicting = by_kept.filter(pl.col("value").list.len() > 1).sort("kept")
    numbers = numbers_of(statements["value"])
    scale = _robust_deviation(numbers.drop_nulls().to_numpy()) if numbers is not None else 0.0
    issues = []
    for kept, values_of_kept, pictures in conflicting.iter_rows():
        spread = np.ptp([float(value) for value in values_of_kept]) if scale else 0.0
        severity = min(1.0, float(spread) / (4 * scale)) if scale else 1.0
        detail = {"task": task, "values": values_of_kept, "pictures": pictures[:20]}
        issues.append(LabelIssue(kept, "label_conflict", severity, detail))
    return issues


def _face_counts(catalog: Catalog, run: str, tasks: tuple[str, ...]) -> Iterator[LabelIssue]:
    """Find pictures of a face data set that have no face, or several."""
    if not FACE_TASKS.intersection(tasks):
        return
    for sha, detector, n in frame(catalog, _FACES, (run,)).iter_rows():
        yield LabelIssue(sha, "face_count", 0.6 if n else 0.9, {"n_faces": n, "found_by": detector})


_FACES = """
    SELECT s.asset_sha256, s.detector, s.n_faces FROM face_scans s JOIN curated_items i USING (asset_sha256)
    WHERE i.run_id = ? AND s.n_faces <> 1
    QUALIFY row_number() OVER (PARTITION BY s.asset_sha256 ORDER BY s.detector DESC) = 1 ORDER BY 1
"""


def similarity_issues(vectors: Vectors, labelled: pl.DataFrame, task: str) -> list[LabelIssue]:
    """Rank the labels of one task that contradict similar pictures or a model of the other pictures, worst first.

    `labelled` has asset_sha256, value (text) and group_id; pictures without a vector are left out.
    """
    schema = {"asset_sha256": pl.String, "place": pl.Int64}
    places = pl.DataFrame([vectors.names, range(len(vectors.names))], schema)
    table = labelled.join(places, on="asset_sha256").sort("asset_sha256")
    if table.height <= NEIGHBOURS:
        return []
    groups = np.unique(table["group_id"].to_numpy(), return_inverse=True)[1]
    features = vectors.compact[table["place"].to_numpy()]
    neighbours = _neighbours(features, groups)
    numbers = numbers_of(table["value"])
    if numbers is not None:
        return _number_issues(table, numbers.to_numpy(), neighbours, task)
    classes, names = classes_of(table["value"])
    return _class_issues(
        table, classes.to_numpy().astype(np.int64), names, task, neighbours, features, groups
    )


def _neighbours(features: Compact, groups: Ints) -> Ints:
    """Give the most similar rows of other groups, (N, 10); -1 where there are fewer."""
    nearest = nearest_vectors(
        features, features, min(NEIGHBOURS + EXTRA_NEIGHBOURS, len(features)), _ANY
    ).ids
    is_own = (nearest < 0) | (groups[nearest] == groups[:, None])
    order = np.argsort(is_own, axis=1, kind="stable")[:, :NEIGHBOURS]
    rows = np.take_along_axis(np.where(is_own, -1, nearest), order, axis=1)
    return np.asarray(rows, np.int64)


def _class_issues(  # noqa: PLR0913, PLR0917 - one step of `similarity_issues`
    table: pl.DataFrame,
    labels: Ints,
    names: tuple[str, ...],
    task: str,
    neighbours: Ints,
    features: Compact,
    groups: Ints,
) -> list[LabelIssue]:
    probabilities = out_of_fold(features.astype(np.float64), labels, groups)
    if np.isnan(probabilities).any():
        return []
    severity, others = severities(probabilities, labels, neighbours)
    suggestions = confident_other_classes(probabilities, labels)
    is_listed = (severity >= MIN_SEVERITY) & ((suggestions >= 0) | (others >= MIN_DISAGREEMENT))
    issues = []
    for row in np.flatnonzero(is_listed):
        suggestion = int(suggestions[row] if suggestions[row] >= 0 else probabilities[row].argmax())
        detail = {
            "task": task,
            "label": names[labels[row]],
            "suggested": names[suggestion],
            "probability": round(float(probabilities[row, labels[row]]), 4),
            "neighbours_disagree": round(float(others[row]), 2),
            "confident": bool(suggestions[row] >= 0),
        }
        issues.append(_issue_of(table, int(row), float(severity[row]), detail))
    return sorted(issues, key=lambda issue: -issue.severity)


def severities(probabilities: Reals, labels: Ints, neighbours: Ints) -> tuple[Reals, Reals]:
    """Give severities from 0 to 1, and the shares of neighbours (rows of `near`, -1 for none) with another label.

    The severity is the mean of that share and of the probability of the best other class relative to the label.
    """
    is_known = neighbours >= 0
    disagreement = ((labels[neighbours] != labels[:, None]) & is_known).sum(1) / np.maximum(
        is_known.sum(1), 1
    )
    rows = np.arange(len(labels))
    p_label = probabilities[rows, labels]
    p_others = probabilities.copy()
    p_others[rows, labels] = -1
    best = p_others.max(axis=1)
    return (disagreement + best / np.maximum(p_label + best, 1e-12)) / 2, disagreement


def _number_issues(
    table: pl.DataFrame, numbers: Reals, neighbours: Ints, task: str
) -> list[LabelIssue]:
    """Find numbers far from the median of similar pictures."""
    values_nearby = np.where(neighbours >= 0, numbers[neighbours], np.nan)
    has_any = (neighbours >= 0).any(axis=1)
    expected = np.full(len(numbers), np.nan)
    expected[has_any] = np.nanmedian(values_nearby[has_any], axis=1)
    residual = numbers - expected
    scale = _robust_deviation(residual[has_any])
    deviations = np.abs(residual) / max(scale, 1e-12)
    issues = [
        _issue_of(
            table,
            int(row),
            float(min(1.0, deviations[row] / (2 * MIN_DEVIATIONS))),
            {
                "task": task,
                "label": float(numbers[row]),
                "suggested": float(expected[row]),
                "deviations": round(float(deviations[row]), 2),
            },
        )
        for row in np.flatnonzero(has_any & (deviations >= MIN_DEVIATIONS))
    ]
    return sorted(issues, key=lambda issue: -issue.severity)


def _robust_deviation(values: Reals) -> float:
    """Give the robust standard deviation: 1.4826 times the median absolute deviation, at least a ten-thousandth."""
    if not len(values):
        return 1.0
    return max(1.4826 * float(np.median(np.abs(values - np.median(values)))), 1e-4)


def _issue_of(
    table: pl.DataFrame, row: int, severity: float, detail: dict[str, object]
) -> LabelIssue:
    return LabelIssue(str(table["asset_sha256"][row]), "label_doubtful", severity, detail)


def _write(catalog: Catalog, run: str, issues: list[LabelIssue]) -> None:
    if not issues:
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    listed = [_issue_row(issue, run, now) for issue in issues]
    write_segment(catalog.workspace, {"issues": rows("issues", listed)}, job=f"audit:{run}")
    catalog.commit()


def _issue_row(issue: LabelIssue, run: str, now: datetime) -> dict[str, object]:
    detector = f"label_audit@{VERSION}"
    identity = [issue.detail.get(key) for key in ("task", "label", "values", "n_faces")]
    key = json.dumps([issue.asset_sha256, issue.kind, detector, run, *identity])
    return {
        "issue_id": hashlib.sha256(key.encode()).hexdigest()[:32],
        "asset_sha256": issue.asset_sha256,
        "kind": issue.kind,
        "severity": issue.severity,
        "detail": json.dumps(issue.detail, sort_keys=True),
        "detector": detector,
        "run_id": run,
        "created_at": now,
    }
