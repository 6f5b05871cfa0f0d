"""The items of a run: the kept pictures with stops, bins, scenes, splits and sampling weights."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from catalog import Catalog
from curation.duplicates.search import Duplicates
from curation.reading import frame
from curation.rules.bin_edges import SETTINGS
from curation.rules.bins import bin_of, stops_of
from curation.rules.sessions import with_sessions
from curation.run.plan import CurationPlan
from curation.splits.balance import balanced_slice, check_support, weigh
from curation.splits.connected_groups import component_ids
from curation.splits.groups import Splits, group_split, random_split
from curation.splits.strata import Stratum, strata_of, with_label_classes


@dataclass(frozen=True)
class Items:
    """The rows of `curated_items` with columns for the splits, the splits themselves, and their strata."""

    table: pl.DataFrame
    splits: Splits
    strata: tuple[Stratum, ...]


def make_items(
    kept: pl.DataFrame, scene: Mapping[str, str], plan: CurationPlan, previous: Mapping[str, str]
) -> Items:
    """Add stops, bins, classes of labels, sessions, groups, splits and weights to the kept pictures.

    `scene` maps pictures to their scene, `previous` maps pictures to the split that they keep. Raises `ThinClassError`
    where the plan lifts classes with too few scenes and does not allow it.
    """
    items = kept.with_columns(stops_of(s) for s in SETTINGS).with_columns(
        *(bin_of(s) for s in SETTINGS),
        native_resolution(),
        scene_id=pl.Series([scene[sha] for sha in kept["asset_sha256"]], dtype=pl.String),
    )
    items, label_strata = with_label_classes(items, plan.class_labels)
    strata = strata_of(label_strata, only_labels=bool(plan.labels))
    items = with_sessions(items, plan.session_minutes)
    splits = group_split(
        items.with_columns(photographer=photographer_key()),
        plan.shares,
        plan.seed,
        previous,
        strata=strata,
        scene_of=scene,
    )
    items = _with_weights(_with_splits(items, splits, plan), plan)
    if not plan.allow_thin:
        check_support(items, plan.rebalance, strata)
    return Items(items, splits, strata)


def _with_splits(items: pl.DataFrame, splits: Splits, plan: CurationPlan) -> pl.DataFrame:
    names = items["asset_sha256"].to_list()
    random = random_split(names, plan.shares, plan.seed)
    return items.with_columns(
        split=pl.Series([splits.split[sha] for sha in names], dtype=pl.String),
        group_id=pl.Series([splits.group[sha] for sha in names], dtype=pl.String),
        random_split=pl.Series(random, dtype=pl.String),
    )


def _with_weights(items: pl.DataFrame, plan: CurationPlan) -> pl.DataFrame:
    columns = plan.balanced_columns
    return items.with_columns(
        weight=pl.Series(weigh(items, plan.rebalance, columns)),
        in_balanced_slice=pl.Series(balanced_slice(items, plan.seed, columns)),
    )


def native_resolution() -> pl.Expr:
    """Say whether the stored size is the size in EXIF, in either orientation; null without a size in EXIF."""
    width, height = pl.col("exif_width"), pl.col("exif_height")
    stored_width, stored_height = pl.col("stored_width"), pl.col("stored_height")
    upright = (width == stored_width) & (height == stored_height)
    turned = (width == stored_height) & (height == stored_width)
    has_size = (width > 0) & (height > 0)
    return pl.when(has_size).then(upright | turned).alias("native_resolution")


def photographer_key() -> pl.Expr:
    """Name a photographer across sources: equal names at two sources are two people."""
    return pl.concat_str("source", "photographer", separator="\n")  # null when either is


def scenes(
    pictures: list[str], duplicates: Duplicates, moments: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """Name the scene of each picture: it holds copies, pairs of one scene or with shared content, and one moment.

    `moments` has pairs of a picture and the key of its moment.
    """
    groups = duplicates.groups.select("asset_sha256", "group_id").iter_rows()
    is_part = (pl.col("edge_class") == "part").fill_null(value=False)
    edges = duplicates.edges.filter((pl.col("verdict") == "same_scene") | is_part)
    keys = [(sha, ("group", group)) for sha, group in groups]
    keys += [(sha, ("moment", moment)) for sha, moment in moments]
    return component_ids(pictures, keys, edges.select("asset_a", "asset_b").rows())


def previous_splits(catalog: Catalog, plan: CurationPlan) -> dict[str, str]:
    """Map each picture to its split in its newest release, or else in the newest run with comparable splits."""
    key = _split_key(json.loads(plan.to_json()))
    runs = catalog.records("SELECT run_id, plan_json FROM curation_runs")
    comparable = [r["run_id"] for r in runs if _split_key(json.loads(str(r["plan_json"]))) == key]
    of_runs = frame(catalog, _SPLITS_OF_RUNS, (comparable,))
    of_releases = frame(catalog, _SPLITS_OF_RELEASES)
    return dict(of_runs.iter_rows()) | dict(of_releases.iter_rows())


def _split_key(plan: Mapping[str, object]) -> list[object]:
    """Give the entries that two plans must share for one to keep the splits of the other."""
    shares = [plan.get(name) for name in ("seed", "train_share", "validation_share")]
    return [*shares, plan.get("labels") or []]


_SPLITS_OF_RELEASES = """
    SELECT i.asset_sha256, i.split FROM dataset_items i JOIN datasets d USING (dataset, version)
    QUALIFY row_number() OVER (PARTITION BY i.asset_sha256 ORDER BY d.created_at DESC, d.dataset, d.version) = 1
"""
_SPLITS_OF_RUNS = """
    SELECT i.asset_sha256, i.split FROM curated_items i JOIN curation_runs r USING (run_id)
    WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
    QUALIFY row_number() OVER (PARTITION BY i.asset_sha256 ORDER BY r.finished_at DESC, r.run_id) = 1
"""
