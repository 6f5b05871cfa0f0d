"""One curation run: from the pictures in the catalog to kept items with labels, splits and weights.

A second run with the same plan over the same pictures does nothing. Nothing is deleted: every dropped picture and every
voided setting is a row in `decisions` with its reason.
"""

import dataclasses
import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl

from catalog import AssetReader, Catalog, Workspace, choose_run, open_catalog, undone_by
from curation.decoding.decoding import decode_small
from curation.decoding.limits import DecodeError
from curation.duplicates.index import SimilarityIndex
from curation.duplicates.limits import DuplicateLimits
from curation.duplicates.search import Duplicates, LoadPixels, compare
from curation.duplicates.verification import Verifier
from curation.errors import CurationError, NothingToCurateError, RunUndoneError
from curation.reading import frame
from curation.review.implausible import record_implausible
from curation.rules.bin_edges import SETTINGS
from curation.rules.cross_checks import ClonesAndBursts, Fingerprint, find_clones_and_bursts
from curation.run import decisions
from curation.run.catalog_duplicates import find_catalog_duplicates
from curation.run.content_audit import ContentAudit
from curation.run.decision_steps import DecisionContext, decide
from curation.run.inputs import Inputs, exif_with_rules, read_inputs, settings_of
from curation.run.items import make_items, previous_splits, scenes
from curation.run.label_selection import with_selected_labels
from curation.run.manual_edits import ManualEdits, edit_groups, read_manual_edits
from curation.run.media import with_selected_media
from curation.run.plan import SOUNDS, CurationPlan
from curation.run.stage_results import Stages, compute_missing
from curation.run.summary import CurationSummary, summarize
from curation.run.write_run import RunResult, write_run
from curation.settings import CurateSettings
from curation.similarity.picture_features import FeatureCache
from curation.similarity.read_vectors import VECTORS
from curation.splits.closest_pairs import sides_of
from curation.splits.leaks import POLICIES, measure
from curation.stages.decode import DecodeSmall
from curation.stages.decode_sound import DecodeSound
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

    Uncommitted segments are committed first. Raises `NothingToCurateError` on an empty catalog. The summary's `is_new`
    is false when the same run already exists; raises `RunUndoneError` when somebody took that run back, unless `again`
    is true.
    """
    plan, settings = plan or CurationPlan(), settings or CurateSettings()
    stages = Stages.with_embedder(
        embedder or open_embedder(settings.embedder, workspace), settings.faces
    )
    with open_catalog(workspace) as catalog:
        catalog.commit()
        plan, left_out = with_selected_media(plan, catalog)
        plan, notes = with_selected_labels(plan, catalog)
        notes = [*left_out, *notes]
        inputs = read_inputs(catalog, plan.tasks, plan.media)
        if inputs.pictures.is_empty():
            raise NothingToCurateError
        if plan.media == SOUNDS:
            stages = dataclasses.replace(stages, sound=DecodeSound())
        elif plan.labels and inputs.has_small():
            stages = dataclasses.replace(stages, small=DecodeSmall())
        edits = read_manual_edits(catalog)
        run_id = plan.run_id([*inputs.lines(), *edits.lines()], stages.ids())
        is_new = not catalog.records("SELECT 1 FROM curation_runs WHERE run_id = ?", [run_id])
        if is_new:
            _CurationRun(catalog, plan, settings, stages, inputs, edits, run_id, notes).execute()
        elif not again and (undo := undone_by(catalog, run_id)):
            raise RunUndoneError(run_id, undo[0], f"{undo[1]:%Y-%m-%d %H:%M}")
        choose_run(catalog, run_id)  # an existing run may not be the current one
        record_implausible(catalog, run_id)  # predictions may be newer than the run
        return summarize(catalog, run_id, is_new=is_new)


@dataclass
class _CurationRun:
    """One run: computes stage results, EXIF rules, duplicates, decisions and items, and writes them."""

    catalog: Catalog
    plan: CurationPlan
    settings: CurateSettings
    stages: Stages
    inputs: Inputs
    edits: ManualEdits
    run_id: str
    notes: list[str]

    def execute(self) -> None:
        """Do all steps and commit their rows in one segment."""
        started_at, timer, snapshot = _now(), _StepTimer(), self.catalog.snapshot()
        compute_missing(
            self.catalog,
            self.inputs.locations(),
            self.stages,
            self.settings,
            f"curate:{self.run_id}",
        )
        timer.lap("stages")
        records, pictures = self._apply_exif_rules()
        limits = self.stages.limits(self.plan.keeper_order)
        moments = find_clones_and_bursts(
            records, partial(self._fingerprints, pictures), limits.verification.scene_cosine
        )
        timer.lap("exif rules")
        with AssetReader(self.catalog.workspace) as reader:
            features = FeatureCache(_pixel_loader(reader, pictures))
            compared, index = self._find_duplicates(pictures, features, limits)
            duplicates = self._edit_groups(pictures, compared)
            timer.lap("duplicates")
            kept, rows = decide(self._context(pictures, records, duplicates, moments), pictures)
            content = self._content(kept, features, duplicates, index)
            duplicates = dataclasses.replace(duplicates, edges=content.with_parts(duplicates.edges))
            timer.lap("shared content")
            scene = self._scenes(pictures, compared, duplicates, moments)
            previous = previous_splits(self.catalog, self.plan) if self.plan.inherit_splits else {}
            items = make_items(kept, scene, self.plan, previous)
            leaks = measure(self.catalog, items.table, items.strata, self.stages.model_id(), index)
            leaks += [
                row
                for each in POLICIES
                for row in content.leak_rows(sides_of(items.table, each), each)
            ]
        timer.lap("splits and weights")
        result = RunResult(
            run_id=self.run_id,
            plan=self.plan,
            stages=self.stages,
            inputs=self.inputs,
            input_snapshot=snapshot,
            started_at=started_at,
            finished_at=_now(),
            decisions=decisions.table(
                [rows, decisions.flag_rows(items.splits.moved, "split_changed")]
            ),
            duplicates=duplicates,
            items=items,
            leaks=leaks,
            notes=self.notes,
        )
        write_run(self.catalog, result)
        n, n_kept = pictures.height, items.table.height
        log.info(
            "curated %d pictures, kept %d, dropped %d in run %s (%s)",
            n,
            n_kept,
            n - n_kept,
            self.run_id,
            timer,
        )

    def _apply_exif_rules(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give the EXIF records after the rules, and the pictures: one row per asset, sorted.

        A picture has the columns of its photo, its EXIF settings, its health and its hash.
        """
        stages = self.stages.health_ids()
        health = frame(self.catalog, _HEALTH, (stages, stages))
        records = exif_with_rules(self.inputs, health, self.plan.thumbnail_correlation)
        hashes = frame(self.catalog, _HASHES, (stage_id(self.stages.pdq),))
        joined = self.inputs.pictures.join(settings_of(records), on="asset_sha256", how="left")
        for part in (health.drop("thumbnail_correlation", "exif_blocks"), hashes):
            joined = joined.join(part, on="asset_sha256", how="left")
        n_valid = sum(pl.col(setting).is_not_null().cast(pl.Int32) for setting in SETTINGS)
        return records, joined.with_columns(has_valid_exif=n_valid).sort("asset_sha256")

    def _fingerprints(self, pictures: pl.DataFrame, names: list[str]) -> dict[str, Fingerprint]:
        """Read the fingerprints of the pictures that have an embedding."""
        vectors = frame(self.catalog, VECTORS, (self.stages.model_id(), names))
        hashes = pictures.filter(pl.col("asset_sha256").is_in(names))
        columns = hashes.select("asset_sha256", "value", "quality").join(vectors, on="asset_sha256")
        return {
            sha: Fingerprint(value, quality, np.asarray(vector, np.float32))
            for sha, value, quality, vector in columns.iter_rows()
        }

    def _find_duplicates(
        self, pictures: pl.DataFrame, features: FeatureCache, limits: DuplicateLimits
    ) -> tuple[Duplicates, SimilarityIndex]:
        """Compare the pictures that decode cleanly; also give the similarity index."""
        compared = _sound(pictures).select(_COMPARED)
        if self.stages.sound:  # no hash, no vector: only equal samples are copies
            index = SimilarityIndex.empty(limits.candidates)
            verifier = Verifier(features, limits.verification)
            return compare(compared, index, verifier, limits), index
        made_by = self.stages.model_id(), stage_id(self.stages.pdq)
        return find_catalog_duplicates(
            self.catalog, compared, features, made_by=made_by, limits=limits
        )

    def _content(
        self,
        kept: pl.DataFrame,
        features: FeatureCache,
        duplicates: Duplicates,
        index: SimilarityIndex,
    ) -> ContentAudit:
        """Compare the kept pictures by their content, whatever their groups are."""
        if self.stages.sound:
            return ContentAudit.empty(features)
        names = kept["asset_sha256"].to_list()
        edges, embedding = duplicates.edges, self.stages.embedding
        return ContentAudit.of(
            self.catalog, names, features, index=index, edges=edges, embedding=embedding
        )

    def _edit_groups(self, pictures: pl.DataFrame, compared: Duplicates) -> Duplicates:
        """Apply manual decisions to the groups."""
        sound = _sound(pictures).select(_COMPARED)
        return edit_groups(sound, compared, self.edits, self.plan.keeper_order)

    def _context(
        self,
        pictures: pl.DataFrame,
        records: pl.DataFrame,
        duplicates: Duplicates,
        moments: ClonesAndBursts,
    ) -> DecisionContext:
        scores = frame(self.catalog, _QUALITY, (stage_id(self.stages.quality),))
        longest = pl.max_horizontal("width", "height").alias("longest_side")
        sides = pictures.select("asset_sha256", longest)
        return DecisionContext(
            self.plan,
            self.edits,
            records,
            self.inputs.labels,
            scores.join(sides, on="asset_sha256"),
            duplicates,
            moments.cloned,
        )

    def _scenes(
        self,
        pictures: pl.DataFrame,
        compared: Duplicates,
        duplicates: Duplicates,
        moments: ClonesAndBursts,
    ) -> dict[str, str]:
        """Name the scene of each picture; groups that people separated are still similar, so they stay one scene."""
        groups = compared.groups.select("asset_sha256", "group_id").iter_rows()
        return scenes(pictures["asset_sha256"].to_list(), duplicates, [*moments.bursts, *groups])


_HEALTH = (
    "SELECT asset_sha256, decode_status, detail, pixel_sha256, width, height, luma_mean, luma_std, sharpness, "
    "detail_energy, thumbnail_correlation, exif_blocks FROM health WHERE stage IN (SELECT unnest(?::VARCHAR[])) "
    "QUALIFY row_number() OVER (PARTITION BY asset_sha256 ORDER BY list_position(?::VARCHAR[], stage) DESC) = 1"
)
_QUALITY = "SELECT * FROM quality WHERE stage = ?"
_HASHES = "SELECT asset_sha256, value, quality FROM phashes WHERE algorithm = ?"
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


def _sound(pictures: pl.DataFrame) -> pl.DataFrame:
    """Give the pictures that decode cleanly."""
    return pictures.filter(pl.col("decode_status") == "ok")


def _pixel_loader(reader: AssetReader, pictures: pl.DataFrame) -> LoadPixels:
    """Make a function from SHA-256 to upright RGB pixels with the longest side at most 512 px."""
    columns = pictures.select("asset_sha256", "pack", "pack_offset", "pack_length")
    locations = {sha: (pack, offset, length) for sha, pack, offset, length in columns.iter_rows()}
    lock = threading.Lock()  # pairs are compared by several threads; the reader closes old packs

    def load(sha: str) -> npt.NDArray[np.uint8]:
        with lock:
            body = reader.read(*locations[sha])
        try:
            return decode_small(body, side_px=VERIFY_SIDE_PX)
        except DecodeError as error:  # the decode stage had its pixels
            raise CurationError(
                f"{sha} cannot be decoded again: {error.status}, {error.detail}. Start the run again"
            ) from error

    return load


class _StepTimer:
    """The seconds of each step, for the log."""

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
