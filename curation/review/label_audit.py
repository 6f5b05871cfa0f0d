"""Audit labels: rank the pictures whose labels are most likely wrong, for people to look at.

Four signs, cheapest first: copies of one picture (or sources of one label) that contradict each other; faces that are
not exactly one in a set of faces; labels that the most similar pictures do not share; labels that confident learning
does not believe. The last two are one row, for they mean the same. Nothing is changed: the outcome is rows of `issues`.
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
from curation.review.confident_learning import out_of_fold, suggested
from curation.similarity.neighbours import Compact, nearest_vectors
from curation.splits.closest_pairs import Vectors
from curation.splits.strata import classes_of, numbers_of

VERSION: Final = "1"
KINDS: Final = ("label_conflict", "label_doubtful", "face_count")
FACE_TASKS: Final = frozenset({"age", "gender", "ethnicity"})
NEIGHBOURS: Final = 10
SPARE: Final = 20  # neighbours asked for beyond those, for members of the own group do not count
LONELY: Final = 0.8  # share of neighbours with another label from which on a label is doubtful
MIN_SEVERITY: Final = 0.5
OUTLIER: Final = 4.0  # robust standard deviations from the neighbours' median, for numbers
_ANY: Final = -(2**20)  # below any product of vectors

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Doubt:
    """One reason to look at one label: `severity` from 0 to 1, `detail` as JSON can say it."""

    asset_sha256: str
    kind: str
    severity: float
    detail: dict[str, object]


@dataclass(frozen=True)
class LabelAudit:
    """The doubts about the labels of a run, worst first, and how many labelled pictures there are by task."""

    run_id: str
    doubts: tuple[Doubt, ...]
    n_labelled: dict[str, int]

    def counts(self) -> dict[str, int]:
        """Count the doubts by kind."""
        return {kind: sum(doubt.kind == kind for doubt in self.doubts) for kind in KINDS}


def audit_labels(workspace: Workspace, run_id: str = "") -> LabelAudit:
    """Audit the labels of a run (newest by default) and write the doubts as rows of `issues`.

    Doing it again adds nothing. Raises `RunNotFoundError`, and `NoLabelsError` when the plan of the run names none.
    """
    with open_catalog(workspace) as catalog:
        run = find_run(catalog, run_id)
        (about,) = catalog.records("SELECT plan_json FROM curation_runs WHERE run_id = ?", [run])
        plan = json.loads(str(about["plan_json"]))
        tasks = (*plan.get("labels", ()), *plan.get("label_classes", ()))
        if not tasks:
            known = catalog.records(
                "SELECT task, count(DISTINCT value) AS n FROM labels GROUP BY ALL"
            )
            raise NoLabelsError(run, {str(row["task"]): int(str(row["n"])) for row in known})
        items = frame(catalog, _ITEMS, (run, list(tasks)))
        behind = dict(pair.split("=", 1) for pair in plan.get("label_tasks", ()))
        named = {behind.get(task, task): task for task in tasks}
        found = [*_conflicts(catalog, run, named), *_face_counts(catalog, run, tasks)]
        vectors = Vectors.read(catalog, plan["model_id"], items["asset_sha256"].unique().to_list())
        for task in tasks:
            found += doubtful(vectors, items.filter(pl.col("task") == task), task)
        doubts = sorted(found, key=lambda doubt: (-doubt.severity, doubt.kind, doubt.asset_sha256))
        _write(catalog, run, doubts)
    counts = items.group_by("task").len().rows()
    return LabelAudit(run, tuple(doubts), dict(sorted(counts)))


_ITEMS = """
    SELECT l.asset_sha256, l.task, l.value, i.group_id
    FROM curated_labels l JOIN curated_items i USING (run_id, asset_sha256)
    WHERE l.run_id = ? AND l.role = 'label' AND l.task IN (SELECT unnest(?::VARCHAR[])) ORDER BY ALL
"""


def _conflicts(catalog: Catalog, run: str, named: Mapping[str, str]) -> Iterator[Doubt]:
    """Find contradictions within a file and within a group of copies; the kept picture stands for them.

    `named` gives the label of each task.
    """
    said = frame(catalog, _STATEMENTS, (run, run, list(named)))
    for task, label in named.items():
        yield from conflicts(said.filter(pl.col("task") == task), label)


# Everything that anybody said about the pictures of a run, dropped copies included.
_STATEMENTS = """
    WITH members AS (
        SELECT g.asset_sha256, k.asset_sha256 AS kept FROM duplicate_groups g
        JOIN duplicate_groups k ON k.run_id = g.run_id AND k.group_id = g.group_id AND k.is_keeper
        WHERE g.run_id = ?
    ), kept AS (
        SELECT coalesce(m.asset_sha256, i.asset_sha256) AS asset_sha256, i.asset_sha256 AS kept
        FROM curated_items i LEFT JOIN members m ON m.kept = i.asset_sha256 WHERE i.run_id = ?
    ), said AS (
        SELECT p.asset_sha256, l.task, l.value FROM labels l
        JOIN photos p ON l.subject_kind = 'photo' AND l.subject_id = p.photo_id
        UNION
        SELECT subject_id, task, value FROM labels WHERE subject_kind = 'asset'
    )
    SELECT DISTINCT k.kept, s.asset_sha256, s.task, s.value FROM kept k JOIN said s USING (asset_sha256)
    WHERE s.task IN (SELECT unnest(?::VARCHAR[])) ORDER BY ALL
"""


def conflicts(said: pl.DataFrame, task: str) -> list[Doubt]:
    """Name the kept pictures about which, copies included, different things are said.

    `said` has kept, asset_sha256 and value. Text that differs is surely wrong somewhere; numbers are the worse the
    further they lie apart, four typical deviations being the worst.
    """
    values = said.group_by("kept").agg(
        pl.col("value").unique().sort(), pl.col("asset_sha256").unique().sort()
    )
    torn = values.filter(pl.col("value").list.len() > 1).sort("kept")
    numbers = numbers_of(said["value"])
    scale = _typical(numbers.drop_nulls().to_numpy()) if numbers is not None else 0.0
    found = []
    for kept, listed, pictures in torn.iter_rows():
        spread = np.ptp([float(value) for value in listed]) if scale else 0.0
        severity = min(1.0, float(spread) / (4 * scale)) if scale else 1.0
        told = {"task": task, "values": listed, "pictures": pictures[:20]}
        found.append(Doubt(kept, "label_conflict", severity, told))
    return found


def _face_counts(catalog: Catalog, run: str, tasks: tuple[str, ...]) -> Iterator[Doubt]:
    """Find pictures of a set of faces that have no face, or several."""
    if not FACE_TASKS.intersection(tasks):
        return
    for sha, detector, n in frame(catalog, _FACES, (run,)).iter_rows():
        yield Doubt(sha, "face_count", 0.6 if n else 0.9, {"n_faces": n, "found_by": detector})


_FACES = """
    SELECT s.asset_sha256, s.detector, s.n_faces FROM face_scans s JOIN curated_items i USING (asset_sha256)
    WHERE i.run_id = ? AND s.n_faces <> 1
    QUALIFY row_number() OVER (PARTITION BY s.asset_sha256 ORDER BY s.detector DESC) = 1 ORDER BY 1
"""


def doubtful(vectors: Vectors, labelled: pl.DataFrame, task: str) -> list[Doubt]:
    """Rank the labels of one task that similar pictures or a model of them contradict, worst first.

    `labelled` has asset_sha256, value (text) and group_id; pictures without a vector are left out.
    """
    known = pl.DataFrame({"asset_sha256": vectors.names, "place": range(len(vectors.names))})
    table = labelled.join(known, on="asset_sha256").sort("asset_sha256")
    if table.height <= NEIGHBOURS:
        return []
    groups = np.unique(table["group_id"].to_numpy(), return_inverse=True)[1]
    features = vectors.compact[table["place"].to_numpy()]
    near = _neighbours(features, groups)
    numbers = numbers_of(table["value"])
    if numbers is not None:
        return _outliers(table, numbers.to_numpy(), near, task)
    classes, names = classes_of(table["value"])
    return _doubted_classes(
        table, classes.to_numpy().astype(np.int64), names, task, near, features, groups
    )


def _neighbours(features: Compact, groups: Ints) -> Ints:
    """Give the most similar rows of other groups, (N, 10); -1 where there are fewer."""
    found = nearest_vectors(features, features, min(NEIGHBOURS + SPARE, len(features)), _ANY).ids
    is_own = (found < 0) | (groups[found] == groups[:, None])
    order = np.argsort(is_own, axis=1, kind="stable")[:, :NEIGHBOURS]
    rows = np.take_along_axis(np.where(is_own, -1, found), order, axis=1)
    return np.asarray(rows, np.int64)


def _doubted_classes(  # noqa: PLR0913, PLR0917 - one step of `doubtful`, cut out for reading
    table: pl.DataFrame,
    labels: Ints,
    names: tuple[str, ...],
    task: str,
    near: Ints,
    features: Compact,
    groups: Ints,
) -> list[Doubt]:
    probabilities = out_of_fold(features.astype(np.float64), labels, groups)
    if np.isnan(probabilities).any():
        return []
    severity, others = severities(probabilities, labels, near)
    better = suggested(probabilities, labels)
    is_listed = (severity >= MIN_SEVERITY) & ((better >= 0) | (others >= LONELY))
    found = []
    for row in np.flatnonzero(is_listed):
        guess = int(better[row] if better[row] >= 0 else probabilities[row].argmax())
        detail = {
            "task": task,
            "label": names[labels[row]],
            "suggested": names[guess],
            "probability": round(float(probabilities[row, labels[row]]), 4),
            "neighbours_disagree": round(float(others[row]), 2),
            "confident": bool(better[row] >= 0),
        }
        found.append(_doubt(table, int(row), float(severity[row]), detail))
    return sorted(found, key=lambda doubt: -doubt.severity)


def severities(probabilities: Reals, labels: Ints, near: Ints) -> tuple[Reals, Reals]:
    """Give severities from 0 to 1, and the shares of neighbours (rows of `near`, -1 for none) with another label.

    The severity is the mean of that share and of the odds of the most probable other class against the label.
    """
    is_known = near >= 0
    others = ((labels[near] != labels[:, None]) & is_known).sum(1) / np.maximum(is_known.sum(1), 1)
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    rest = probabilities.copy()
    rest[rows, labels] = -1
    best = rest.max(axis=1)
    return (others + best / np.maximum(own + best, 1e-12)) / 2, others


def _outliers(table: pl.DataFrame, numbers: Reals, near: Ints, task: str) -> list[Doubt]:
    """Find numbers far from the median of similar pictures."""
    around = np.where(near >= 0, numbers[near], np.nan)
    has_any = (near >= 0).any(axis=1)
    expected = np.full(len(numbers), np.nan)
    expected[has_any] = np.nanmedian(around[has_any], axis=1)
    off = numbers - expected
    scale = _typical(off[has_any])
    away = np.abs(off) / max(scale, 1e-12)
    found = [
        _doubt(
            table,
            int(row),
            float(min(1.0, away[row] / (2 * OUTLIER))),
            {
                "task": task,
                "label": float(numbers[row]),
                "suggested": float(expected[row]),
                "deviations": round(float(away[row]), 2),
            },
        )
        for row in np.flatnonzero(has_any & (away >= OUTLIER))
    ]
    return sorted(found, key=lambda doubt: -doubt.severity)


def _typical(values: Reals) -> float:
    """Give the robust standard deviation: 1.4826 times the median absolute deviation, at least a ten-thousandth."""
    if not len(values):
        return 1.0
    return max(1.4826 * float(np.median(np.abs(values - np.median(values)))), 1e-4)


def _doubt(table: pl.DataFrame, row: int, severity: float, detail: dict[str, object]) -> Doubt:
    return Doubt(str(table["asset_sha256"][row]), "label_doubtful", severity, detail)


def _write(catalog: Catalog, run: str, doubts: list[Doubt]) -> None:
    if not doubts:
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    listed = [_issue(doubt, run, now) for doubt in doubts]
    write_segment(catalog.workspace, {"issues": rows("issues", listed)}, job=f"audit:{run}")
    catalog.commit()


def _issue(doubt: Doubt, run: str, now: datetime) -> dict[str, object]:
    detector = f"label_audit@{VERSION}"
    said = [doubt.detail.get(name) for name in ("task", "label", "values", "n_faces")]
    name = json.dumps([doubt.asset_sha256, doubt.kind, detector, run, *said])
    return {
        "issue_id": hashlib.sha256(name.encode()).hexdigest()[:32],
        "asset_sha256": doubt.asset_sha256,
        "kind": doubt.kind,
        "severity": doubt.severity,
        "detail": json.dumps(doubt.detail, sort_keys=True),
        "detector": detector,
        "run_id": run,
        "created_at": now,
    }
