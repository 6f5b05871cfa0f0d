"""Stage results in the catalog: compute the missing ones and commit them chunk by chunk.

Results belong to the bytes, not to a run: `health`, `quality`, `phashes`, `embeddings` and `faces` are keyed by asset
and stage version (or model), so every later run uses them. A killed run loses only its last chunk.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl
import pyarrow as pa

from catalog import Catalog, Workspace, progress_task, rows, write_segment
from curation.duplicates.limits import DuplicateLimits
from curation.reading import frame
from curation.settings import CurateSettings
from curation.stages.decode import Decode, DecodeSmall
from curation.stages.decode_sound import DecodeSound
from curation.stages.embeddings import Embedder, Embedding
from curation.stages.engine import apply
from curation.stages.faces import Faces, face_rows, weights
from curation.stages.onnx_embedder import OnnxEmbedder, run_name
from curation.stages.pdq import PerceptualHash
from curation.stages.quality import Quality
from curation.stages.stage import LoadBytes, Stage, stage_id

log = logging.getLogger(__name__)

TABLE_OF = {
    "decode": "health",
    "decode_small": "health",
    "decode_sound": "health",
    "quality": "quality",
    "pdq": "phashes",
    "embedding": "embeddings",
    "faces": "face_scans",
}
"""Stage name to the table of its results; `faces` has a second table with one row a face."""

_KEY_COLUMN = {
    "decode": "stage",
    "decode_small": "stage",
    "decode_sound": "stage",
    "quality": "stage",
    "pdq": "algorithm",
    "faces": "detector",
}


NAMES = {"asset_sha256": pl.String}


NO_FACES = "faces are not looked for; add the part with: pip install 'safelight[faces]'"


@dataclass(frozen=True)
class Stages:
    """The stages of a run; `faces` is None where faces are not detected.

    `small` decodes what `decode` finds too small, in a run for labels that has such pictures; elsewhere it is None.
    A run of sounds has the stage `sound` alone.
    """

    decode: Decode
    pdq: PerceptualHash
    embedding: Embedding
    quality: Quality = field(default_factory=Quality)
    faces: Faces | None = None
    small: DecodeSmall | None = None
    sound: DecodeSound | None = None

    @classmethod
    def with_embedder(cls, embedder: Embedder | None = None, faces: str = "auto") -> "Stages":
        """Make the default stages, with another embedder if one is given.

        `faces` is on, off or auto (on where the network is installed).
        """
        has_faces = faces == "on" or (faces == "auto" and weights() is not None)
        if faces == "auto" and not has_faces:
            log.info(NO_FACES)
        stage = Faces() if has_faces else None
        return cls(Decode(), PerceptualHash(), Embedding(embedder), faces=stage)

    def ids(self) -> list[str]:
        """Name the stages that determine a run, with their versions; the embedding with its embedder.

        Faces are not among them, because no decision uses them.
        """
        if self.sound:
            return [stage_id(self.sound)]
        return [
            stage_id(self.decode),
            stage_id(self.pdq),
            f"{stage_id(self.embedding)} {run_name(self.embedding.embedder)}",
            stage_id(self.quality),
            *([stage_id(self.small)] if self.small else []),
        ]

    def health_ids(self) -> list[str]:
        """Name the stages of table `health` that a run reads, those with priority last."""
        pictures = [stage_id(each) for each in (self.decode, self.small) if each]
        return [stage_id(self.sound)] if self.sound else pictures

    def after_decode(self) -> tuple[Stage, ...]:
        """Give the stages that follow decoding, in order."""
        stages: tuple[Stage, ...] = (self.quality, self.pdq, self.embedding)
        return (*stages, self.faces) if self.faces else stages

    def limits(self, keeper: tuple[str, ...]) -> DuplicateLimits:
        """Give the limits for copies, on the cosine scale of this embedder."""
        return limits_for(self.embedding.embedder, DuplicateLimits(keeper=keeper))

    def model_id(self) -> str:
        """Give the model id of the embedding, empty for sounds; loads the weights where the id depends on them."""
        if self.sound:
            return ""
        if not self.embedding.embedder.model_id:
            self.embedding.setup()
        return self.embedding.embedder.model_id


def limits_for(embedder: Embedder, limits: DuplicateLimits) -> DuplicateLimits:
    """Adapt limits to the cosine scale of an embedder, according to its card."""
    if not isinstance(embedder, OnnxEmbedder):
        return limits
    candidates = replace(limits.candidates, cosine=embedder.card.candidate_cosine)
    verification = replace(limits.verification, scene_cosine=embedder.card.scene_cosine)
    return replace(limits, candidates=candidates, verification=verification)


def compute_missing(
    catalog: Catalog, assets: pa.Table, stages: Stages, settings: CurateSettings, job: str
) -> int:
    """Run the stages for the assets (columns as of `Inputs.locations`) that lack results.

    Returns how many assets were computed. Decoding is repeated when only a later stage is missing, because thumbnails
    are never stored.
    """
    if stages.sound:
        return _compute_health(catalog, assets, stages.sound, settings, job)
    n_computed = 0
    for names, missing in _missing(catalog, assets, stages).items():
        started = time.perf_counter()
        chain: list[Stage] = [LoadBytes(catalog.workspace), stages.decode]
        chain += [stage for stage in stages.after_decode() if stage.name in names]
        batch_of_assets = assets.filter(pa.compute.is_in(assets["asset_sha256"], pa.array(missing)))
        _compute(catalog, chain, batch_of_assets, names, settings, job)
        log.info(
            "computed %s for %d pictures in %.1f s",
            ", ".join(names),
            batch_of_assets.num_rows,
            time.perf_counter() - started,
        )
        n_computed += batch_of_assets.num_rows
    if stages.small:
        n_computed += _compute_health(
            catalog, _too_small(catalog, assets, stages.decode), stages.small, settings, job
        )
    return n_computed


def _too_small(catalog: Catalog, assets: pa.Table, decode: Decode) -> pa.Table:
    """Give the assets that the decode stage found too small."""
    sql = "SELECT asset_sha256 FROM health WHERE stage = ? AND decode_status = 'too_small'"
    names = frame(catalog, sql, (stage_id(decode),))["asset_sha256"].to_list()
    return assets.filter(pa.compute.is_in(assets["asset_sha256"], pa.array(names, pa.string())))


def _compute_health(
    catalog: Catalog, assets: pa.Table, stage: Stage, settings: CurateSettings, job: str
) -> int:
    """Run one decode stage for the assets that lack its results; return how many were computed."""
    known = frame(catalog, "SELECT asset_sha256 FROM health WHERE stage = ?", (stage_id(stage),))
    is_known = pa.compute.is_in(
        assets["asset_sha256"], pa.array(known["asset_sha256"].to_list(), pa.string())
    )
    missing = assets.filter(pa.compute.invert(is_known))
    if missing.num_rows:
        chain: list[Stage] = [LoadBytes(catalog.workspace), stage]
        _compute(catalog, chain, missing, (stage.name,), settings, job)
    return int(missing.num_rows)


def _missing(
    catalog: Catalog, assets: pa.Table, stages: Stages
) -> dict[tuple[str, ...], list[str]]:
    """Group the assets by the stages whose results they lack."""
    result_tables = {
        "quality": ("quality", "stage", stage_id(stages.quality)),
        "pdq": ("phashes", "algorithm", stage_id(stages.pdq)),
        "embedding": ("embeddings", "model_id", stages.model_id()),
    }
    if stages.faces:
        result_tables["faces"] = ("face_scans", "detector", stage_id(stages.faces))
    decoded = frame(
        catalog,
        "SELECT asset_sha256, decode_status FROM health WHERE stage = ?",
        (stage_id(stages.decode),),
    )
    pictures = pl.DataFrame({"asset_sha256": assets["asset_sha256"].to_pylist()}, NAMES)
    pictures = pictures.join(decoded, on="asset_sha256", how="left").sort("asset_sha256")
    status = pl.col("decode_status")
    has_pixels = status.is_null() | status.is_in(["ok", "damaged"])
    pictures = pictures.with_columns(decode=status.is_null())
    for name, (table, column, value) in result_tables.items():
        sql = f"SELECT DISTINCT asset_sha256, false AS {name} FROM {table} WHERE {column} = ?"
        present = frame(catalog, sql, (value,))
        is_missing = pl.col(name).fill_null(value=True) & has_pixels
        pictures = pictures.join(present, on="asset_sha256", how="left", maintain_order="left")
        pictures = pictures.with_columns(is_missing)
    gaps = ("decode", *result_tables)
    missing: dict[tuple[str, ...], list[str]] = {}
    for row in pictures.filter(pl.any_horizontal(gaps)).iter_rows(named=True):
        missing.setdefault(tuple(name for name in gaps if row[name]), []).append(
            row["asset_sha256"]
        )
    return missing


def _compute(
    catalog: Catalog,
    chain: Sequence[Stage],
    assets: pa.Table,
    names: tuple[str, ...],
    settings: CurateSettings,
    job: str,
) -> None:
    pending: list[pa.RecordBatch] = []
    results = apply(
        chain,
        assets,
        runner=settings.runner,
        cluster=settings.cluster,
        workers=settings.workers or None,
    )
    with progress_task(", ".join(names), assets.num_rows, "pictures") as task:
        for batch in results:
            pending.append(batch)
            task.advance(batch.num_rows)
            if sum(part.num_rows for part in pending) >= settings.chunk:
                _write_results(catalog.workspace, pending, chain, names, job)
                catalog.commit()
                pending = []
        if pending:
            _write_results(catalog.workspace, pending, chain, names, job)
            catalog.commit()


def _write_results(
    workspace: Workspace,
    batches: Iterable[pa.RecordBatch],
    chain: Sequence[Stage],
    names: tuple[str, ...],
    job: str,
) -> None:
    """Write one segment with the results of the stages in `names`, sorted, without empty rows."""
    results = pa.Table.from_batches(batches).sort_by("asset_sha256")
    tables: dict[str, pa.Table] = {}
    for stage in chain:
        if stage.name in names:
            tables[TABLE_OF[stage.name]] = _table(stage, results)
        if stage.name == "faces" and "faces" in names:
            tables["faces"] = _faces(stage_id(stage), results)
    write_segment(workspace, tables, job=job)


def _table(stage: Stage, results: pa.Table) -> pa.Table:
    """Select from the results of the chain the columns of one stage that its table has."""
    columns_of_table = rows(TABLE_OF[stage.name], []).schema.names
    columns = [name for name in stage.outputs.names if name in columns_of_table]
    table = results.select(["asset_sha256", *columns])
    table = table.filter(pa.compute.is_valid(table[columns[0]]))
    own_key = _KEY_COLUMN.get(stage.name)
    if own_key:
        table = table.append_column(own_key, pa.array([stage_id(stage)] * len(table), pa.string()))
    return table


def _faces(detector: str, results: pa.Table) -> pa.Table:
    """Make one row for each face."""
    pictures = zip(results["asset_sha256"].to_pylist(), results["faces"].to_pylist(), strict=True)
    return rows(
        "faces", [row for sha, faces in pictures for row in face_rows(sha, detector, faces or [])]
    )
