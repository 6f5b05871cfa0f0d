"""The searcher of the server: nearest pictures and the map of a workspace, with the vectors held in memory.

Vectors are those of the similarity index. Of pictures with equal pixels the index holds one; the others share its
vector here. All of it is read again when pictures came or went, and after a takedown at once.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog import (
    MOST_POINTS,
    Catalog,
    DecoderLimits,
    DecoderPool,
    EmbeddingMap,
    EmbeddingMethod,
    MissingPartError,
    NearestPictures,
    Neighbour,
    NoVectorError,
    PictureRefusedError,
    Workspace,
    command_name,
    load_settings,
    map_folder,
    open_catalog,
    removal_mark,
)
from curation.decoding.decoding import examine
from curation.decoding.limits import THUMBNAIL_SIDE_PX
from curation.reading import frame
from curation.report.similar import stored_vectors
from curation.settings import CurateSettings
from curation.similarity.neighbours import Compact, compact, cosines
from curation.similarity.projection import project, projection_methods
from curation.stages.onnx_embedder import open_embedder

log = logging.getLogger(__name__)

MAP_VERSION = "1"
JOBS_MODULE = "curation.decoding.decoder_jobs"
LIMITS = DecoderLimits(timeout_s=15.0)
BLOCK = 65_536  # vectors that are multiplied at once
_SIZE = """
    SELECT (SELECT count(*) FROM assets) AS pictures, (SELECT count(*) FROM embeddings) AS vectors,
           (SELECT count(*) FROM health) AS decoded
"""
_TWINS = """
    SELECT pixel_sha256, list_sort(list(DISTINCT asset_sha256)) AS names
    FROM health JOIN assets ON sha256 = asset_sha256 WHERE pixel_sha256 IS NOT NULL
    GROUP BY pixel_sha256 HAVING count(DISTINCT asset_sha256) > 1
"""
_REFUSALS = {
    "not_an_image": "not_an_image",
    "unsupported": "not_an_image",
    "too_large": "too_large",
    "bomb": "bomb",
    "truncated": "truncated",
}
"""decode_status -> kind of refusal, where there is one of its own."""


@dataclass(frozen=True)
class StoredVectors:
    """Pictures of the catalog (N), sorted, the place of the vector of each, and compact vectors (M, 256).

    `twins` are the pictures of which others have the same pixels, each with all of these.
    """

    names: tuple[str, ...]
    place_of_vector: NDArray[np.int64]
    vectors: Compact
    twins: Mapping[str, frozenset[str]]

    @cached_property
    def place_of(self) -> dict[str, int]:
        """The place of each picture."""
        return {name: place for place, name in enumerate(self.names)}

    def closeness(self, query: Compact) -> NDArray[np.int32]:
        """Multiply the compact vector of a query (256,) with that of each picture: (N,)."""
        wide = query.astype(np.float32)
        products = [
            self.vectors[start : start + BLOCK].astype(np.float32) @ wide
            for start in range(0, len(self.vectors), BLOCK)
        ]
        by_vector = np.concatenate([np.zeros(0, np.float32), *products]).astype(np.int32)
        return np.asarray(by_vector[self.place_of_vector], np.int32)


class PictureSearcher:
    """Searches the stored vectors of one workspace; safe to use from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._settings = load_settings(CurateSettings, "curate", workspace)
        self._embedder = open_embedder(self._settings.embedder, workspace)
        self._decoders = DecoderPool(JOBS_MODULE, LIMITS)
        self._reading, self._embedding, self._projecting = (threading.Lock() for _ in range(3))
        self._is_loaded = False
        self._version: tuple[object, ...] = ()
        self._stored: StoredVectors | None = None

    def nearest(self, sha256: str, limit: int) -> NearestPictures:
        """Find the pictures nearest to one of the catalog; raises `NoVectorError`."""
        stored = self._read()
        place = stored.place_of.get(sha256)
        if place is None:
            raise NoVectorError(
                "this picture has no vector yet: it is new, no decoder can read it, or it is not a picture; "
                f"new ones get theirs from `{command_name()} curate run`"
            )
        return self._nearest(stored, stored.vectors[stored.place_of_vector[place]], sha256, limit)

    def nearest_to(self, picture: bytes, limit: int) -> NearestPictures:
        """Find the pictures nearest to an encoded picture.

        Raises `NoVectorError`, `MissingPartError` and `PictureRefusedError`.
        """
        stored = self._read()
        vector = self._embed(self._decode(picture))
        own = hashlib.sha256(picture).hexdigest()
        twins = stored.twins.get(own, frozenset({own}))
        nearest = self._nearest(stored, compact(vector[None])[0], "", limit)
        pictures = tuple(
            Neighbour(each.sha256, each.cosine, each.sha256 in twins) for each in nearest.pictures
        )
        return NearestPictures(nearest.model_id, nearest.searched, pictures)

    def methods(self) -> Sequence[EmbeddingMethod]:
        """Name the methods of projection that are installed here."""
        return projection_methods()

    def embedding_map(self, method: EmbeddingMethod) -> EmbeddingMap:
        """Project the vectors, or read the projection that was made before.

        Raises `NoVectorError` and `MissingPartError`.
        """
        if method not in projection_methods():
            raise MissingPartError("umap-learn", "map")
        stored = self._read()
        names = stored.names[:MOST_POINTS]
        model_id = self._embedder.model_id
        text = "\n".join([MAP_VERSION, method, model_id, f"{len(stored.names)}", *names])
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        path = map_folder(self._workspace) / f"{method}-{key}.arrow"
        with self._projecting:
            mark = removal_mark(self._workspace)
            table = _read_table(path)
            if table is None:
                table = _projected(stored.vectors[stored.place_of_vector[: len(names)]], method)
                if removal_mark(self._workspace) == mark:
                    _write_table(table, path, method)
        about = table.schema.metadata
        return EmbeddingMap(
            key,
            model_id,
            method,
            names,
            table["x"].to_numpy(),
            table["y"].to_numpy(),
            len(stored.names),
            tuple(float(share) for share in about[b"explained"].split()),
            float(about[b"seconds"]),
        )

    def close(self) -> None:
        """End the processes that decode."""
        self._decoders.close()

    def _nearest(
        self, stored: StoredVectors, query: Compact, own: str, limit: int
    ) -> NearestPictures:
        """Rank by the products of compact vectors; equal pixels come first, then ties are broken by name."""
        closeness = stored.closeness(query)
        twins = stored.twins.get(own, frozenset())
        is_equal = (
            np.array([name in twins for name in stored.names])
            if twins
            else np.zeros(len(closeness), np.bool_)
        )
        order = np.lexsort((-closeness, ~is_equal))[: limit + 1]
        shown = [place for place in order.tolist() if stored.names[place] != own][:limit]
        found = cosines(closeness[shown]).round(4).tolist()
        pictures = tuple(
            Neighbour(stored.names[place], cosine, bool(is_equal[place]))
            for place, cosine in zip(shown, found, strict=True)
        )
        return NearestPictures(self._embedder.model_id, len(stored.names), pictures)

    def _read(self) -> StoredVectors:
        """Return the vectors, read again when the catalog has changed; raises `NoVectorError` where there are none."""
        with self._reading, open_catalog(self._workspace) as catalog:
            mark = removal_mark(self._workspace)
            version = (mark, _index_files(self._workspace), *catalog.records(_SIZE)[0].values())
            if self._stored is None or version != self._version:
                self._stored = _with_twins(
                    catalog, *stored_vectors(catalog, self._workspace, self._embedder)
                )
                self._version = version
                log.info("read the vectors of %d pictures", len(self._stored.names))
            stored = self._stored
        if not stored.names:
            raise NoVectorError(
                f"no picture has a vector yet: run `{command_name()} curate run` first"
            )
        return stored

    def _decode(self, picture: bytes) -> NDArray[np.uint8]:
        """Decode an upload in the sandbox to the pixels that are embedded, (1, 288, 288, 3)."""
        health = examine(picture, decoders=self._decoders)
        if health.thumbnail is None:
            kind = _REFUSALS.get(health.decode_status, "undecodable")
            detail = f": {health.detail}" if health.detail else ""
            status = health.decode_status.replace("_", " ")
            raise PictureRefusedError(
                kind, f"the file cannot be searched for, it is {status}{detail}"
            )
        side = THUMBNAIL_SIDE_PX
        return np.frombuffer(health.thumbnail, np.uint8).reshape(1, side, side, 3).copy()

    def _embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed one picture; raises `MissingPartError` where the library of the network is not installed."""
        with self._embedding:
            if not self._is_loaded:
                try:
                    self._embedder.load()
                except ModuleNotFoundError as error:
                    raise MissingPartError(error.name or "torch", "curate") from error
                self._is_loaded = True
            return np.asarray(self._embedder.embed(pixels)[0], np.float32)


def _index_files(workspace: Workspace) -> tuple[str, ...]:
    return tuple(
        sorted(path.name for path in (workspace.home / "derived" / "similarity").glob("*.arrow"))
    )


def _with_twins(catalog: Catalog, names: Sequence[str], vectors: Compact) -> StoredVectors:
    """Leave out pictures that the catalog no longer has, and add those with equal pixels."""
    present = set(frame(catalog, "SELECT sha256 FROM assets", ())["sha256"].to_list())
    place_of = {name: place for place, name in enumerate(names)}
    twins: dict[str, frozenset[str]] = {}
    for row in catalog.records(_TWINS):
        group = frozenset(map(str, row["names"]))  # type: ignore[call-overload]  # a list of texts
        places = [place_of[name] for name in group if name in place_of]
        if places:
            place_of |= {name: places[0] for name in group if name not in place_of}
            twins |= dict.fromkeys(group, group)
    kept = sorted(present.intersection(place_of))
    places_of_vectors = np.array([place_of[name] for name in kept], np.int64)
    return StoredVectors(tuple(kept), places_of_vectors, vectors, twins)


def _projected(vectors: Compact, method: EmbeddingMethod) -> pa.Table:
    """Make the table of a map: x and y of each picture, and as metadata the shares of variance and the seconds."""
    started = time.perf_counter()
    places, explained = project(vectors, method)
    seconds = time.perf_counter() - started
    log.info("projected %d pictures by %s in %.1f s", len(places), method, seconds)
    table = pa.table({"x": places[:, 0], "y": places[:, 1]})
    shares = " ".join(f"{share:.6f}" for share in explained)
    return table.replace_schema_metadata({"explained": shares, "seconds": f"{seconds:.3f}"})


def _read_table(path: Path) -> pa.Table | None:
    """Read the table of a map; None when it was not made yet or is damaged."""
    try:
        with pa.OSFile(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    except (FileNotFoundError, pa.ArrowException):
        return None


def _write_table(table: pa.Table, path: Path, method: EmbeddingMethod) -> None:
    """Write the table of a map in place of the last one of the method."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{threading.get_ident()}")
    with pa.ipc.new_file(str(partial), table.schema) as sink:
        sink.write_table(table)
    partial.replace(path)
    for other in path.parent.glob(f"{method}-*.arrow"):
        if other != path:
            other.unlink(missing_ok=True)
