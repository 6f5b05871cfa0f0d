"""One curation run: from the pictures in the catalog to kept items with labels, splits and weights.

Running again with the same plan over the same pictures is a no-op. Nothing is deleted: every dropped picture and every
voided setting is a row in `decisions` with its reason.
"""

import json
import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from catalog import (
    AssetReader,
    Catalog,
    Workspace,
    __version__,
    choose_run,
    open_catalog,
    rows,
    undone_by,
    write_segment,
)
from curation.decoding.decoding import decode_small
from curation.decoding.limits import DecodeError
from curation.duplicates.index import SimilarityIndex
from curation.duplicates.limits import DuplicateLimits
from curation.duplicates.search import Duplicates
from curation.errors import CurationError, NothingToCurateError, RunUndoneError
from curation.exif.bin_edges import SETTINGS
from curation.exif.bins import bin_of, stops_of
from curation.exif.cross_checks import (
    ClonesAndBursts,
    Fingerprint,
    find_clones_and_bursts,
    unseen_values,
)
from curation.exif.sessions import with_sessions
from curation.reading import frame
from curation.review.implausible import record_implausible
from curation.run import decisions
from curation.run.found_labels import FOLDER, with_found_labels
from curation.run.inherit import inherit_settings
from curation.run.inputs import Inputs, judged_exif, read_inputs, settings_of
from curation.run.known_copies import boilerplate_notes, find_in_catalog, issues
from curation.run.manual_edits import ManualEdits, edit_groups, read_manual_edits
from curation.run.plan import CurationPlan
from curation.run.scenes import photographer_key, scenes
from curation.run.stage_results import Stages, compute_missing
from curation.run.summary import CurationSummary, summarize
from curation.settings import CurateSettings
from curation.similarity.read_vectors import VECTORS
from curation.splits.balance import balanced_slice, check_support, class_table, thin_classes, weigh
from curation.splits.groups import Splits, group_split, random_split
from curation.splits.labels import label_columns, label_rows
from curation.splits.leaks import measure
from curation.splits.strata import Stratum, label_parts, strata_of, with_label_classes
from curation.stages.embeddings import Embedder
from curation.stages.onnx_embedder import open_embedder
from curation.stages.stage import stage_id

log = logging.getLogger(__name__)

VERIFY_SIDE_PX = 512  # longest side at which pairs are compared


def curate(
    workspace: Workspace,
    plan: CurationPlan | None = None,
    settings: CurateSettings | None = None,
    *,
    embedder: Embedder | None = None,
    again: bool = False,
) -> CurationSummary:
    """Curate all pictures of the catalog by `plan` and commit the result as one run.

    Waiting segments are committed first. Raises `NothingToCurateError` on an empty catalog. The summary's
    `is_new` is false when this very run was there already; raises `RunUndoneError` when somebody took it back, unless
    it is asked for `again`.
    """
    plan, settings = plan or CurationPlan(), settings or CurateSettings()
    stages = Stages.with_embedder(
        embedder or open_embedder(settings.embedder, workspace), settings.faces
    )
    with open_catalog(workspace) as catalog:
        catalog.commit()
        plan, noticed = with_found_labels(plan, catalog)
        inputs = read_inputs(catalog, plan.tasks)
        if inputs.pictures.is_empty():
            raise NothingToCurateError
        edits = read_manual_edits(catalog)
        run_id = plan.run_id([*inputs.lines(), *edits.lines()], stages.ids())
        is_new = not catalog.records("SELECT 1 FROM curation_runs WHERE run_id = ?", [run_id])
        if is_new:
            _Run(catalog, plan, settings, stages, inputs, edits, run_id, noticed).execute()
        elif not again and (word := undone_by(catalog, run_id)):
            raise RunUndoneError(run_id, word[0], f"{word[1]:%Y-%m-%d %H:%M}")
        choose_run(catalog, run_id)  # one that was there may not be the current one
        record_implausible(catalog, run_id)  # predictions may be newer than the run
        return summarize(catalog, run_id, is_new=is_new)


@dataclass
class _Run:
    """The steps of one run, and what they pass on."""

    catalog: Catalog
    plan: CurationPlan
    settings: CurateSettings
    stages: Stages
    inputs: Inputs
    edits: ManualEdits
    run_id: str
    noticed: list[str]

    def execute(self) -> None:
        """Do all steps and commit their rows in one segment."""
        started = _now()
        clock = _Clock()
        snapshot = self.catalog.snapshot()
        compute_missing(
            self.catalog, self.inputs.places(), self.stages, self.settings, f"curate:{self.run_id}"
        )
        clock.lap("stages")
        health = frame(self.catalog, _HEALTH, (self.stages.ids()[0],))
        judged = judged_exif(self.inputs, health, self.plan.thumbnail_correlation)
        pictures = self._pictures(judged, health.drop("thumbnail_correlation", "exif_blocks"))
        limits = self.stages.limits(self.plan.keeper_order)
        moments = find_clones_and_bursts(
            judged, partial(self._looks, pictures), limits.verification.scene_cosine
        )
        clock.lap("exif rules")
        compared, index = self._duplicates(pictures, limits)
        found = self._edited(pictures, compared)
        clock.lap("duplicates")
        kept, rows_of_decisions = self._decide(pictures, judged, found, moments)
        # What people took apart still looks alike: no split may cut it.
        alike = [*moments.bursts, *compared.groups.select("asset_sha256", "group_id").iter_rows()]
        scene = scenes(pictures["asset_sha256"].to_list(), found, alike)
        items, splits, strata = self._items(kept, scene)
        leaks = measure(self.catalog, items, strata, self.stages.model_id(), index)
        moved = decisions.notes(splits.moved, "split_changed")
        rows_of_decisions = decisions.table([rows_of_decisions, moved])
        clock.lap("splits and weights")
        self._commit(
            items,
            rows_of_decisions,
            found=found,
            splits=splits,
            noticed={
                "notes": thin_classes(class_table(items, strata)) if items.height else [],
                "label_parts": label_parts(items, strata),
            },
            leaks=leaks,
            started=started,
            snapshot=snapshot,
        )
        log.info(
            "curated %d pictures, kept %d, dropped %d in run %s (%s)",
            pictures.height,
            items.height,
            pictures.height - items.height,
            self.run_id,
            clock,
        )

    def _pictures(self, judged: pl.DataFrame, health: pl.DataFrame) -> pl.DataFrame:
        """Join photos, EXIF settings and stage results: one row per asset, sorted."""
        hashes = frame(self.catalog, _HASHES, (self.stages.ids()[1],))
        joined = self.inputs.pictures.join(settings_of(judged), on="asset_sha256", how="left")
        for part in (health, hashes):
            joined = joined.join(part, on="asset_sha256", how="left")
        known = sum(pl.col(setting).is_not_null().cast(pl.Int32) for setting in SETTINGS)
        return joined.with_columns(has_valid_exif=known).sort("asset_sha256")

    def _duplicates(
        self, pictures: pl.DataFrame, limits: DuplicateLimits
    ) -> tuple[Duplicates, SimilarityIndex]:
        """Compare the pictures that decode; give also the index of what is close to what."""
        sound = pictures.filter(pl.col("decode_status") == "ok")
        with AssetReader(self.catalog.workspace) as reader:
            return find_in_catalog(
                self.catalog,
                sound.select(_COMPARED),
                _loader(reader, sound),
                made_by=(self.stages.model_id(), self.stages.ids()[1]),
                limits=limits,
            )

    def _edited(self, pictures: pl.DataFrame, found: Duplicates) -> Duplicates:
        """Let people's decisions about groups count."""
        sound = pictures.filter(pl.col("decode_status") == "ok").select(_COMPARED)
        return edit_groups(sound, found, self.edits, self.plan.keeper_order)

    def _decide(
        self,
        pictures: pl.DataFrame,
        judged: pl.DataFrame,
        found: Duplicates,
        moments: ClonesAndBursts,
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give the kept pictures and all decisions."""
        exif = decisions.table(decisions.exif_decisions(judged))
        kept_by_hand, without = self.edits.about("keep"), decisions.without
        wanted = pl.DataFrame({"asset_sha256": list(kept_by_hand)}, {"asset_sha256": pl.String})
        undecoded, spared = self._undecoded(pictures, kept_by_hand)
        gone = without(decisions.tombstone_drops(self.edits.tombstones), undecoded)
        manual = without(decisions.manual_drops(self.edits.about("drop")), undecoded, gone)
        manual = manual.join(pictures, on="asset_sha256", how="semi")
        all_copies = without(decisions.duplicate_drops(found.groups), gone, manual)
        copies = without(all_copies, wanted)
        inherited = inherit_settings(pictures, found.groups)
        left = without(inherited.pictures, undecoded, gone, manual, copies)
        left = label_columns(left, self.inputs.labels, found.groups, self.plan.all_labels)
        all_empty = self._unusable(left, exif)
        empty = without(all_empty, wanted)
        against = pl.concat([spared, all_copies, all_empty])
        notes = [
            decisions.notes(inherited.filled, "settings_inherited"),
            decisions.notes(inherited.conflicts, "settings_conflict"),
            decisions.notes(moments.cloned, "exif_cloned"),
            decisions.notes(unseen_values(judged), "value_unseen_for_model"),
            *decisions.quality_flags(self._quality(pictures)),
            decisions.notes(boilerplate_notes(found.boilerplate), "boilerplate"),
            decisions.kept_by_hand(kept_by_hand, against),
        ]
        kept = left.join(empty, on="asset_sha256", how="anti")
        drops = [undecoded, gone, manual, copies, empty]
        return kept, decisions.table([*drops, exif, *notes])

    def _unusable(self, pictures: pl.DataFrame, exif: pl.DataFrame) -> pl.DataFrame:
        """Give the drops of pictures that teach nothing: without a label, or without a setting and without a label."""
        if self.plan.labels:
            return decisions.unlabelled_drops(pictures, self.plan.all_labels)
        kept_for = [label for label in self.plan.label_columns if label != FOLDER]
        empty = decisions.empty_drops(pictures, exif.filter(pl.col("decision") == "void"))
        if not kept_for:
            return empty
        unlabelled = decisions.unlabelled_drops(pictures, kept_for).select("asset_sha256")
        return empty.join(unlabelled, on="asset_sha256", how="semi")

    def _undecoded(
        self, pictures: pl.DataFrame, kept_by_hand: Collection[str]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give the drops of decoding, and those that a person spares: damaged pictures have pixels all the same."""
        broken = decisions.decode_drops(pictures)
        is_kept = pl.col("asset_sha256").is_in(list(kept_by_hand))
        spared = broken.filter(is_kept & (pl.col("reason") == "damaged"))
        return decisions.without(broken, spared), spared

    def _looks(self, pictures: pl.DataFrame, names: list[str]) -> dict[str, Fingerprint]:
        """Say how pictures look, as far as they were decoded."""
        vectors = frame(self.catalog, VECTORS, (self.stages.model_id(), names))
        asked = pictures.filter(pl.col("asset_sha256").is_in(names))
        columns = asked.select("asset_sha256", "value", "quality").join(vectors, on="asset_sha256")
        return {
            sha: Fingerprint(value, quality, np.asarray(vector, np.float32))
            for sha, value, quality, vector in columns.iter_rows()
        }

    def _quality(self, pictures: pl.DataFrame) -> pl.DataFrame:
        """Read the scores of these pictures."""
        found = frame(self.catalog, _QUALITY, (stage_id(self.stages.quality),))
        return found.join(pictures.select("asset_sha256"), on="asset_sha256", how="semi")

    def _items(
        self, kept: pl.DataFrame, scene: dict[str, str]
    ) -> tuple[pl.DataFrame, Splits, tuple[Stratum, ...]]:
        """Add stops, bins, classes of labels, sessions, groups, splits and weights."""
        items = kept.with_columns(stops_of(s) for s in SETTINGS).with_columns(
            *(bin_of(s) for s in SETTINGS),
            native_resolution(),
            scene_id=pl.Series([scene[sha] for sha in kept["asset_sha256"]], dtype=pl.String),
        )
        items, labelled = with_label_classes(items, self.plan.class_labels)
        strata = strata_of(labelled, only_labels=bool(self.plan.labels))
        items = with_sessions(items, self.plan.session_minutes)
        keyed = items.with_columns(photographer=photographer_key())
        previous = self._previous() if self.plan.inherit_splits else {}
        splits = group_split(
            keyed,
            self.plan.shares,
            self.plan.seed,
            previous,
            strata=strata,
            scene_of=scene,
        )
        names = items["asset_sha256"].to_list()
        items = items.with_columns(
            split=pl.Series([splits.split[sha] for sha in names], dtype=pl.String),
            group_id=pl.Series([splits.group[sha] for sha in names], dtype=pl.String),
            random_split=pl.Series(
                random_split(names, self.plan.shares, self.plan.seed), dtype=pl.String
            ),
        )
        columns = self.plan.balanced_columns
        items = items.with_columns(
            weight=pl.Series(weigh(items, self.plan.rebalance, columns)),
            in_balanced_slice=pl.Series(balanced_slice(items, self.plan.seed, columns)),
        )
        if not self.plan.allow_thin:
            check_support(items, self.plan.rebalance, strata)
        return items, splits, strata

    def _previous(self) -> dict[str, str]:
        """Name the split that each picture had in its newest release, or else in the newest run of this kind."""
        wanted = _kind(json.loads(self.plan.to_json()))
        runs = self.catalog.records("SELECT run_id, plan_json FROM curation_runs")
        alike = [r["run_id"] for r in runs if _kind(json.loads(str(r["plan_json"]))) == wanted]
        earlier, released = (
            frame(self.catalog, sql, parameters)
            for sql, parameters in ((_EARLIER, (alike,)), (_RELEASED, ()))
        )
        return dict(earlier.iter_rows()) | dict(released.iter_rows())

    def _commit(  # noqa: PLR0913 - all that a run writes
        self,
        items: pl.DataFrame,
        decided: pl.DataFrame,
        *,
        found: Duplicates,
        splits: Splits,
        noticed: dict[str, Any],
        leaks: list[dict[str, object]],
        started: datetime,
        snapshot: int,
    ) -> None:
        """Write the run as one segment: its rows appear together or not at all."""
        run = {
            "run_id": self.run_id,
            "plan_json": self._plan_json(splits, noticed),
            "code_version": __version__,
            "input_snapshot": snapshot,
            "input_sha256": CurationPlan(find_labels=False).run_id(self.inputs.lines(), ()),
            "started_at": started,
            "finished_at": _now(),
            "n_input": self.inputs.pictures.height,
            "n_kept": items.height,
        }
        tables = {
            "decisions": decided,
            "duplicate_edges": found.edges,
            "duplicate_groups": found.groups,
            "curated_items": items,
            "curated_labels": label_rows(items, self.plan.all_labels),
        }
        segment = {"curation_runs": rows("curation_runs", [run])}
        segment |= {name: self._typed(name, table) for name, table in tables.items()}
        of_run = [row | {"run_id": self.run_id} for row in leaks]
        segment["split_leaks"] = rows("split_leaks", of_run)
        segment["issues"] = rows("issues", issues(found, self.run_id, started))
        write_segment(self.catalog.workspace, segment, job=f"curate:{self.run_id}")
        self.catalog.commit()

    def _typed(self, name: str, table: pl.DataFrame) -> Any:  # a pyarrow.Table, which has no types
        """Give the columns of the contract, with this run's id."""
        contract = rows(name, []).schema
        with_run = table.with_columns(run_id=pl.lit(self.run_id))
        known = [column for column in contract.names if column in with_run.columns]
        return with_run.select(known).to_arrow(compat_level=pl.CompatLevel.oldest())

    def _plan_json(self, splits: Splits, noticed: dict[str, Any]) -> str:
        """Keep beside the plan what it came to: the keys of the groups and what was noticed."""
        about = {
            "stages": self.stages.ids(),
            "model_id": self.stages.model_id(),
            "grouped_by": ["duplicates", "same_scene", *splits.grouped_by],
            "n_inherited": splits.n_inherited,
            "notes": [*self.noticed, *splits.warnings, *noticed["notes"]],
        }
        if noticed["label_parts"]:
            about["label_parts"] = noticed["label_parts"]
        return json.dumps({**json.loads(self.plan.to_json()), **about}, sort_keys=True)


_HEALTH = (
    "SELECT asset_sha256, decode_status, detail, pixel_sha256, width, height, luma_mean, luma_std, sharpness, "
    "detail_energy, thumbnail_correlation, exif_blocks FROM health WHERE stage = ?"
)
_QUALITY = "SELECT * FROM quality WHERE stage = ?"
_HASHES = "SELECT asset_sha256, value, quality FROM phashes WHERE algorithm = ?"
_RELEASED = """
    SELECT i.asset_sha256, i.split FROM dataset_items i JOIN datasets d USING (dataset, version)
    QUALIFY row_number() OVER (PARTITION BY i.asset_sha256 ORDER BY d.created_at DESC, d.dataset, d.version) = 1
"""
_EARLIER = """
    SELECT i.asset_sha256, i.split FROM curated_items i JOIN curation_runs r USING (run_id)
    WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
    QUALIFY row_number() OVER (PARTITION BY i.asset_sha256 ORDER BY r.finished_at DESC, r.run_id) = 1
"""
_COMPARED = [
    "asset_sha256",
    "pixel_sha256",
    "value",
    "quality",
    "decode_status",
    "has_valid_exif",
    "detail_energy",
    "width",
    "height",
    "jpeg_quality",
    "taken_at",
    "camera",
    "serial_sha256",
    "first_seen",
]


def _kind(plan: dict[str, object]) -> list[object]:
    """Give what two plans must have in common for one to go on with the splits of the other."""
    shares = [plan.get(name) for name in ("seed", "train_share", "validation_share")]
    return [*shares, plan.get("labels") or []]


def native_resolution() -> pl.Expr:
    """Say whether the stored size is the one EXIF recorded (either way up); null when EXIF does not say."""
    width, height = pl.col("exif_width"), pl.col("exif_height")
    stored_width, stored_height = pl.col("stored_width"), pl.col("stored_height")
    upright = (width == stored_width) & (height == stored_height)
    turned = (width == stored_height) & (height == stored_width)
    is_known = (width > 0) & (height > 0)
    return pl.when(is_known).then(upright | turned).alias("native_resolution")


def _loader(reader: AssetReader, pictures: pl.DataFrame) -> Callable[[str], npt.NDArray[np.uint8]]:
    """Give a function from SHA-256 to upright RGB with the longest side at most 512 px."""
    columns = pictures.select("asset_sha256", "pack", "pack_offset", "pack_length")
    places = {sha: (pack, offset, length) for sha, pack, offset, length in columns.iter_rows()}
    lock = threading.Lock()  # pairs are compared by several threads; the reader closes old packs

    def load(sha: str) -> npt.NDArray[np.uint8]:
        with lock:
            body = reader.read(*places[sha])
        try:
            return decode_small(body, side_px=VERIFY_SIDE_PX)
        except DecodeError as error:  # the decode stage had its pixels
            raise CurationError(
                f"{sha} cannot be decoded again: {error.status}, {error.detail}. Start the run again"
            ) from error

    return load


class _Clock:
    """Seconds between laps, for the log."""

    def __init__(self) -> None:
        self._last = datetime.now(UTC)
        self._laps: list[str] = []

    def lap(self, name: str) -> None:
        now = datetime.now(UTC)
        self._laps.append(f"{name} {(now - self._last).total_seconds():.1f} s")
        self._last = now

    def __str__(self) -> str:
        return ", ".join(self._laps)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
