"""Compare the catalog with the ground truth of the demo: every figure is a query of the catalog.

Pairs of duplicates are counted over the pictures in the catalog. A damaged picture counts as caught if curation wrote
the decision that belongs to its damage.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from catalog import FEW_GROUPS, TOO_FEW, Catalog, Workspace, open_catalog
from photosite.plan.plan import DemoPlan

REASONS = {
    "iso_zero": "iso_not_positive",
    "iso_saturated": "iso_saturated",
    "f_number_zero": "f_number_not_positive",
    "exposure_infinite": "exposure_time_not_finite",
    "exposure_negative": "exposure_time_not_positive",
    "exposure_inverted": "exposure_time_contradicts_apex",
    "f_number_apex": "f_number_contradicts_apex",
    "date_impossible": "date_implausible",
    "software_only": "exif_software_only",
    "wrong_thumbnail": "thumbnail_mismatch",
    "exif_garbage": "exif_unreadable",
    "truncated_jpeg": "truncated",
}
"""Planted damage -> the reason that curation has to write."""

_NEWEST = "(SELECT run_id FROM v_runs WHERE is_current)"
Pair = tuple[str, str]


@dataclass(frozen=True)
class DemoScore:
    """Numbers of planted duplicates and damages, and how many of them the pipeline detected."""

    planted_pairs: int
    found_pairs: int
    right_pairs: int
    damage: Mapping[str, tuple[int, int]]
    false_alarms: int
    sound: int

    @property
    def precision(self) -> float:
        """Share of the detected pairs that were planted."""
        return self.right_pairs / self.found_pairs if self.found_pairs else 1.0

    @property
    def recall(self) -> float:
        """Share of the planted pairs that were detected."""
        return self.right_pairs / self.planted_pairs if self.planted_pairs else 1.0


def score(catalog: Catalog, plan: DemoPlan) -> DemoScore:
    """Compare the newest curation run with the ground truth of `plan`."""
    asset_by_photo = {
        str(row["source_photo_id"]): str(row["asset_sha256"])
        for row in catalog.records(
            "SELECT source_photo_id, asset_sha256 FROM v_photos WHERE source = 'unsplash'"
        )
    }
    truth = [row for row in plan.truth() if row["source_photo_id"] in asset_by_photo]
    planted = _planted_pairs(truth, asset_by_photo)
    detected = _found_pairs(catalog)
    reasons = _reasons(catalog)
    sound = [row for row in truth if row["damage"] is None and row["exif"] == "file"]
    alarms = [
        row
        for row in sound
        if _voided(reasons.get(asset_by_photo[str(row["source_photo_id"])], {}))
    ]
    return DemoScore(
        planted_pairs=len(planted),
        found_pairs=len(detected),
        right_pairs=len(planted & detected),
        damage=_damage(truth, asset_by_photo, reasons),
        false_alarms=len(alarms),
        sound=len(sound),
    )


def score_document(workspace: Workspace, plan: DemoPlan) -> dict[str, object]:
    """Return the score as `demo score --json` writes it: of each damage how many were planted and caught."""
    with open_catalog(workspace) as catalog:
        result = score(catalog, plan)
    damage = {
        kind: {"planted": planted, "caught": caught}
        for kind, (caught, planted) in result.damage.items()
    }
    return {
        **vars(result),
        "precision": result.precision,
        "recall": result.recall,
        "damage": damage,
    }


def _planted_pairs(
    truth: Sequence[Mapping[str, object]], asset_by_photo: Mapping[str, str]
) -> set[Pair]:
    groups: dict[str, list[str]] = {}
    for row in truth:
        if row["duplicate_group"]:
            groups.setdefault(str(row["duplicate_group"]), []).append(
                asset_by_photo[str(row["source_photo_id"])]
            )
    return {pair for members in groups.values() for pair in _pairs(members)}


def _found_pairs(catalog: Catalog) -> set[Pair]:
    groups: dict[str, list[str]] = {}
    for row in catalog.records("SELECT group_id, asset_sha256 FROM v_duplicates"):
        groups.setdefault(str(row["group_id"]), []).append(str(row["asset_sha256"]))
    return {pair for members in groups.values() for pair in _pairs(members)}


def _pairs(members: Sequence[str]) -> Iterator[Pair]:
    return combinations(sorted(set(members)), 2)


def _reasons(catalog: Catalog) -> dict[str, dict[str, str]]:
    """Map each asset to the reasons of the newest run, and each reason to its decision."""
    reasons: dict[str, dict[str, str]] = {}
    sql = f"SELECT asset_sha256, decision, reason FROM decisions WHERE run_id = {_NEWEST}"
    for row in catalog.records(sql):
        reasons.setdefault(str(row["asset_sha256"]), {})[str(row["reason"])] = str(row["decision"])
    return reasons


def _voided(reasons: Mapping[str, str]) -> bool:
    return "void" in reasons.values()


def _damage(
    truth: Sequence[Mapping[str, object]],
    asset_by_photo: Mapping[str, str],
    reasons: Mapping[str, Mapping[str, str]],
) -> dict[str, tuple[int, int]]:
    """Count caught and planted pictures of each kind of damage."""
    counts: dict[str, tuple[int, int]] = {}
    for row in truth:
        if kind := row["damage"]:
            caught, planted = counts.get(str(kind), (0, 0))
            is_caught = REASONS[str(kind)] in reasons.get(
                asset_by_photo[str(row["source_photo_id"])], {}
            )
            counts[str(kind)] = (caught + is_caught, planted + 1)
    return dict(sorted(counts.items()))


def summary(workspace: Workspace, plan: DemoPlan) -> str:
    """Return the summary of a demo run, for a terminal."""
    with open_catalog(workspace) as catalog:
        result = score(catalog, plan)
        parts = [
            _crawled(catalog),
            _duplicates(result),
            _corrupt(result),
            _classes(catalog),
            _release(catalog),
            _metrics(catalog),
        ]
        return "\n".join(line for part in parts for line in part)


def _one(catalog: Catalog, sql: str) -> dict[str, object]:
    return catalog.records(sql)[0]


def _crawled(catalog: Catalog) -> Iterator[str]:
    totals = _one(
        catalog, "SELECT count(*) AS photos, count(DISTINCT asset_sha256) AS files FROM photos"
    )
    yield f"crawled        {totals['photos']} photographs, {totals['files']} distinct files"
    failures = catalog.records(
        "SELECT error_class, error, count(*) AS n FROM fetches WHERE outcome = 'failed' AND photo_id NOT IN "
        "(SELECT photo_id FROM fetches WHERE outcome = 'done') "
        "GROUP BY photo_id, error_class, error QUALIFY row_number() OVER (PARTITION BY photo_id) = 1"
    )
    kinds: dict[str, int] = {}
    for row in failures:
        name = f"{row['error_class']}/{row['error']}"
        kinds[name] = kinds.get(name, 0) + 1
    listed = ", ".join(f"{name} {n}" for name, n in sorted(kinds.items())) or "none"
    yield f"failed         {len(failures)} photographs: {listed}"
    retried = _one(
        catalog,
        "SELECT count(DISTINCT photo_id) AS n FROM fetches WHERE outcome = 'failed' AND photo_id IN "
        "(SELECT photo_id FROM fetches WHERE outcome = 'done')",
    )
    yield f"recovered      {retried['n']} photographs after a retry"


def _duplicates(result: DemoScore) -> Iterator[str]:
    yield (
        f"duplicates     {result.found_pairs} pairs found, {result.planted_pairs} planted: "
        f"precision {result.precision:.3f}, recall {result.recall:.3f}"
    )


def _corrupt(result: DemoScore) -> Iterator[str]:
    caught, planted = (
        (sum(column) for column in zip(*result.damage.values(), strict=True))
        if result.damage
        else (0, 0)
    )
    yield (
        f"corrupt EXIF   {caught} of {planted} planted caught; "
        f"false alarms on {result.false_alarms} of {result.sound} sound files"
    )
    for kind, (hit, planted) in result.damage.items():
        yield f"  {kind:<18} {hit} of {planted}  ({REASONS[kind]})"


def _classes(catalog: Catalog) -> Iterator[str]:
    newest = _one(
        catalog, "SELECT dataset, version, plan_json FROM datasets ORDER BY created_at DESC LIMIT 1"
    )
    bins = json.loads(str(newest["plan_json"]))["bins"]
    yield "classes        low/medium/high: as crawled; in the training split; as weighted for training"
    for setting in ("f_number", "iso", "exposure_time"):
        crawled = _as_crawled(catalog, setting, bins[setting])
        rows = catalog.records(
            "SELECT class, n, weight_share FROM dataset_stats WHERE dataset = ? AND version = ? "
            "AND split = 'train' AND task = ? AND class <> 'missing'",
            [newest["dataset"], newest["version"], setting],
        )
        by_class = {str(row["class"]): row for row in rows}
        kept = [by_class[name] for name in ("low", "medium", "high")]
        total = sum(float(str(row["weight_share"])) for row in kept) or 1.0
        counts = "/".join(str(row["n"]) for row in kept)
        shares = "/".join(f"{float(str(row['weight_share'])) / total:.0%}" for row in kept)
        yield f"  {setting:<18} {'/'.join(map(str, crawled))}; {counts}; {shares}"


def _as_crawled(catalog: Catalog, setting: str, edges: Sequence[float]) -> list[int]:
    """Count the EXIF values of the catalog before any rule, by the bins of the release; edges are in stops."""
    stops = {"f_number": "2 * log2(v)", "iso": "log2(v / 100)", "exposure_time": "log2(v)"}[setting]
    row = _one(
        catalog,
        f"SELECT count(*) FILTER (s < {edges[0]}) AS low, count(*) FILTER (s >= {edges[0]} AND s < {edges[1]}) "
        f"AS medium, count(*) FILTER (s >= {edges[1]}) AS high FROM (SELECT {stops} AS s FROM "
        f"(SELECT {setting} AS v FROM v_exif) WHERE v > 0 AND isfinite(v))",
    )
    return [int(str(row[name])) for name in ("low", "medium", "high")]


def _release(catalog: Catalog) -> Iterator[str]:
    row = _one(catalog, "SELECT * FROM datasets ORDER BY created_at DESC LIMIT 1")
    yield f"release        {row['dataset']}@{row['version']}: {row['n_items']} pictures"
    yield f"digest         {row['digest']}"


PREDICTORS = ("model", "majority", "prior", "metadata", "tiny_features")


def _metrics(catalog: Catalog) -> Iterator[str]:
    """Yield a line for each setting and split policy: the scores of the model and its baselines."""
    yield (
        "metrics        balanced accuracy on test pictures [95 % interval over groups; none under "
        f"{FEW_GROUPS} groups: {TOO_FEW}]; chance is 0.33"
    )
    rows = catalog.records(
        "SELECT l.* FROM v_leaderboard l JOIN (SELECT model_id FROM models QUALIFY row_number() OVER "
        "(PARTITION BY split_policy ORDER BY trained_at DESC) = 1) m USING (model_id)"
    )
    by_predictor = {(row["task"], row["split"], row["predictor"]): row for row in rows}
    policies = {"split:test": "groups kept apart", "random_split:test": "random split"}
    for task in ("f_number", "iso", "exposure_time"):
        for split, name in policies.items():
            predictor_rows = [
                by_predictor[task, split, predictor]
                for predictor in PREDICTORS
                if (task, split, predictor) in by_predictor
            ]
            if predictor_rows:
                yield f"  {task:<14} {name:<18} {', '.join(map(_figure, predictor_rows))}; n={predictor_rows[0]['n']}"
    yield from _learnt(catalog)


def _learnt(catalog: Catalog) -> Iterator[str]:
    """Yield what was learnt on groups kept apart: the heads whose paired lead over each baseline is above 0."""
    leads = catalog.records(
        "SELECT task, min(low) AS low, min(n_groups) AS n_groups FROM metrics JOIN (SELECT model_id FROM models "
        "WHERE split_policy = 'split' ORDER BY trained_at DESC LIMIT 1) USING (model_id) WHERE slice = 'all' AND "
        "metric IN (SELECT 'balanced_accuracy_minus_' || unnest(?::VARCHAR[])) GROUP BY task ORDER BY task",
        [list(PREDICTORS[1:])],
    )
    if leads and int(str(leads[0]["n_groups"])) >= FEW_GROUPS:
        learnt = [str(row["task"]) for row in leads if float(str(row["low"])) > 0]
        text = f"better than every baseline for {', '.join(learnt)}" if learnt else "nothing so far"
        yield f"learnt         on cameras and photographers never seen in training: {text}"


def _figure(row: Mapping[str, object]) -> str:
    is_shown = row["predictor"] == "model" and int(str(row["n_groups"] or 0)) >= FEW_GROUPS
    interval = f" [{row['low']:.2f}, {row['high']:.2f}]" if is_shown else ""
    return f"{row['predictor']} {row['value']:.2f}{interval}"
