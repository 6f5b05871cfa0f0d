"""Audit a split: shared keys, similarity of the closest pairs, and labels that metadata alone predicts.

For the group split the shared values of its own keys must be 0. For the random split they show how much of the test
set also occurs in train in a naive evaluation.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Final

import polars as pl

from catalog import Catalog, counted, known_text, track
from curation.duplicates.index import SimilarityIndex
from curation.splits.closest_pairs import (
    ClosestPair,
    ClosestPairs,
    ExactCosines,
    Vectors,
    find_closest_pairs,
    sides_of,
)
from curation.splits.groups import SPLITS
from curation.splits.metadata_leaks import MetadataBaseline, metadata_baselines
from curation.splits.strata import Stratum

POLICIES: Final = ("split", "random_split")
SHARED_KEYS: Final = ("group_id", "scene_id", "camera", "photographer", "session", "person")
CHECKS: Final = ("max_cosine", "p99_cosine", "shared_content")


@dataclass(frozen=True)
class LeakAudit:
    """Leaks of one policy: values of each key on more than one side, the closest pairs, and metadata baselines.

    `pictures_in_shared` counts, per key, the test pictures whose value is also in train. `max_cosine` is NaN without
    embeddings on both sides; `p99_cosine` is the 99th percentile of each test picture's closest training picture.
    `known_shares` has for each key the share of pictures that have it, in train or in test, whichever is less: a key
    that few pictures have shares little. `pairs` are the closest of them, closest first. `n_sharing_content` counts the
    pairs across splits that share content, whatever their groups are; None in runs of older code.
    """

    policy: str
    shared_values: dict[str, int]
    pictures_in_shared: dict[str, int]
    max_cosine: float
    p99_cosine: float
    n: dict[str, int]
    known_shares: dict[str, float]
    pairs: tuple[ClosestPair, ...] = ()
    baselines: tuple[MetadataBaseline, ...] = ()
    n_sharing_content: int | None = None

    def shared(self, key: str, name: str = "") -> str:
        """Describe how many values of a key are on more than one side, or that the key is unknown.

        `name` is the name of the key for people.
        """
        unknown = known_text(name or key, self.known_shares[key])
        if unknown.endswith("unknown"):
            return unknown
        text = f"{self.shared_values[key]} {name or key}"
        return f"{text} ({known_text('', self.known_shares[key]).strip()})" if unknown else text

    def sentences(self) -> list[str]:
        """Describe what metadata alone predicts about the test pictures, one sentence a baseline."""
        return [_sentence(baseline) for baseline in self.baselines]


def measure(
    catalog: Catalog,
    items: pl.DataFrame,
    strata: tuple[Stratum, ...],
    model_id: str,
    index: SimilarityIndex,
) -> list[dict[str, object]]:
    """Measure closest pairs and metadata baselines for both policies: rows of `split_leaks`, without run.

    `items` has the columns that `metadata_baselines` needs, and both policies; `index` has the neighbour lists.
    """
    vectors = Vectors.of_items(catalog, model_id, items["asset_sha256"].to_list(), index)
    rows: list[dict[str, object]] = []
    for policy in track(POLICIES, "leak audit", unit="policies"):
        near = find_closest_pairs(vectors, sides_of(items, policy), ExactCosines(catalog, model_id))
        rows += _similarity_rows(near, policy)
        baselines = metadata_baselines(items, strata, policy)
        rows += [asdict(baseline) | {"policy": policy} for baseline in baselines]
    return rows


def _similarity_rows(near: ClosestPairs, policy: str) -> Iterator[dict[str, object]]:
    if near.n:
        about = {"policy": policy, "task": "", "n": near.n}
        pairs = json.dumps([asdict(pair) for pair in near.pairs])
        yield {**about, "check": "max_cosine", "value": near.greatest, "detail": pairs}
        yield {**about, "check": "p99_cosine", "value": near.p99}


def audit(items: pl.DataFrame, measured: pl.DataFrame, policy: str) -> LeakAudit:
    """Audit the column `policy` (split or random_split) of `items`.

    `items` has asset_sha256, the policy and the keys group_id, scene_id (duplicates and same scene), camera,
    photographer, session and person; `measured` has rows of `split_leaks`.
    """
    placed = items.select("asset_sha256", *SHARED_KEYS, split=pl.col(policy))
    rows = measured.filter(pl.col("policy") == policy).sort("task", "check")
    of_check = {row["check"]: row for row in rows.iter_rows(named=True)}
    greatest, p99 = (of_check.get(check, {}).get("value", float("nan")) for check in CHECKS[:2])
    pairs = json.loads(of_check["max_cosine"]["detail"] or "[]") if "max_cosine" in of_check else []
    names = [field.name for field in fields(MetadataBaseline)]
    baseline_rows = rows.filter(~pl.col("check").is_in(CHECKS)).select(names)
    in_shared = {key: _n_test_pictures(placed, key) for key in SHARED_KEYS}
    if not in_shared[
        "camera"
    ]:  # runs of older code have rows of baselines without any camera of train
        baseline_rows = baseline_rows.filter(pl.col("check") != "camera_majority")
    return LeakAudit(
        policy=policy,
        shared_values={key: _n_shared(placed, key) for key in SHARED_KEYS},
        pictures_in_shared=in_shared,
        max_cosine=greatest,
        p99_cosine=min(p99, greatest),
        n={name: placed.filter(pl.col("split") == name).height for name in SPLITS},
        known_shares={key: _known_share(placed, key) for key in SHARED_KEYS},
        pairs=tuple(ClosestPair(**pair) for pair in pairs),
        n_sharing_content=int(of_check["shared_content"]["value"])
        if "shared_content" in of_check
        else None,
        baselines=tuple(MetadataBaseline(**row) for row in baseline_rows.iter_rows(named=True)),
    )


def _n_shared(placed: pl.DataFrame, key: str) -> int:
    """Count the values of `key` that lie in more than one split."""
    with_key = placed.filter(pl.col(key).is_not_null())
    return with_key.group_by(key).agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height


def _known_share(placed: pl.DataFrame, key: str) -> float:
    """Give the share of pictures with `key` in train, or in test, whichever is less; 0 when one has no picture."""
    sides = [placed.filter(pl.col("split") == side)[key] for side in ("train", "test")]
    return min(side.count() / len(side) if len(side) else 0.0 for side in sides)


def _n_test_pictures(placed: pl.DataFrame, key: str) -> int:
    with_key = placed.filter(pl.col(key).is_not_null())
    train_values = with_key.filter(pl.col("split") == "train")[key].unique()
    test = with_key.filter(pl.col("split") == "test")
    return test.filter(pl.col(key).is_in(train_values.implode())).height


def _sentence(baseline: MetadataBaseline) -> str:
    predictor = {"timestamp_knn": "the time", "camera_majority": "the camera model"}[baseline.check]
    figures = f"{baseline.value:.2f} right, {baseline.majority:.2f} by the majority"
    groups = counted(baseline.n_groups, "group")
    if not baseline.is_decided:
        return f"whether {predictor} alone tells {baseline.task}: {baseline.verdict} ({figures}, {groups})"
    verdict = baseline.verdict
    bounds = f"difference {baseline.low:+.2f} to {baseline.high:+.2f}, {groups}"
    reason = f": {baseline.detail}" if baseline.detail else ""
    return f"{predictor} alone {verdict} {baseline.task} ({figures}; {bounds}){reason}"
