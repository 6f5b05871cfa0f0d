"""The similarity index: hash, vector and nearest neighbours of each picture, kept between runs to find copies.

The index is derived data: it is rebuilt from `phashes` and `embeddings` when it is missing or damaged. With it a run
compares only new pictures with all others. The lists equal those of an index built from all pictures at once
(`neighbours.py`).

On disk: one Arrow file, `derived/similarity/<key>-<first 16 hex digits of its SHA-256>.arrow`, where the key depends on
the model of the vectors and the stage of the hashes. One row a picture, sorted by name: name (text), vector (256 int8),
hash (32 uint8), quality (int8), and for both kinds of closeness K rows of the nearest (int32, -1 for none) and their
closeness (int32).
"""

import hashlib
import logging
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.duplicates.limits import CandidateLimits
from curation.similarity.close_hashes import close_hashes
from curation.similarity.close_vectors import PrefixSearch
from curation.similarity.neighbours import (
    DIM,
    MISSING,
    Compact,
    Hashes,
    Ids,
    NeighbourLists,
    best_distance,
    closeness_of,
    cosines,
    nearest_vectors,
    uses_ivf,
)

log = logging.getLogger(__name__)

MIN_QUALITY = 50  # of a hash: below it the hash is weak evidence, and the picture counts as plain
MIN_PLAIN_QUALITY = 10  # below it the hash is no evidence
PAIRS_AT_ONCE = 32_768  # pairs whose bits are counted at once
ROWS_AT_ONCE = 65_536  # rows that are moved or compared at once


@dataclass(frozen=True)
class Descriptors:
    """Descriptors of pictures, sorted by name: compact vectors (N, 256), hashes (N, 32), quality (N,) from 0 to 100."""

    names: list[str]
    vectors: Compact
    hashes: Hashes
    quality: NDArray[np.int8]

    @classmethod
    def empty(cls) -> "Descriptors":
        """Make descriptors of no picture."""
        empty = np.zeros(0, np.int8)
        return cls([], empty.reshape(0, DIM), np.zeros((0, 32), np.uint8), empty)

    def take(self, rows: NDArray[np.integer]) -> "Descriptors":
        """Select rows, in this order."""
        names = [self.names[row] for row in rows.tolist()]
        return Descriptors(names, self.vectors[rows], self.hashes[rows], self.quality[rows])

    def changed(
        self, added: "Descriptors", removed: Collection[str] = ()
    ) -> tuple["Descriptors", Ids]:
        """Add and remove pictures; also give the new place of each old picture (-1: removed)."""
        removed_names = set(removed)
        kept_rows = np.flatnonzero([name not in removed_names for name in self.names])
        names = [self.names[row] for row in kept_rows.tolist()] + added.names
        order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int32)
        new_place = np.empty_like(order)
        new_place[order] = np.arange(len(order), dtype=np.int32)
        moved_to = np.full(len(self.names), -1, np.int32)
        moved_to[kept_rows] = new_place[: len(kept_rows)]

        def merge(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
            merged = np.empty((len(names), *old.shape[1:]), old.dtype)
            for start in range(
                0, len(kept_rows), ROWS_AT_ONCE
            ):  # a copy of all rows would double the memory
                rows = kept_rows[start : start + ROWS_AT_ONCE]
                merged[moved_to[rows]] = old[rows]
            merged[new_place[len(kept_rows) :]] = new
            return merged

        pictures = Descriptors(
            [names[row] for row in order.tolist()],
            merge(self.vectors, added.vectors),
            merge(self.hashes, added.hashes),
            merge(self.quality, added.quality),
        )
        return pictures, moved_to


@dataclass(frozen=True)
class CandidatePairs:
    """Candidate pairs, closest first: places (left < right), differing bits, cosine, whether hashes agree."""

    left: Ids
    right: Ids
    bits: NDArray[np.int32]
    cosine: NDArray[np.float64]
    by_hash: NDArray[np.bool_]


@dataclass(frozen=True)
class SimilarityIndex:
    """Pictures and their nearest neighbours by vector and by hash."""

    limits: CandidateLimits
    pictures: Descriptors
    by_vector: NeighbourLists
    by_hash: NeighbourLists

    @classmethod
    def empty(cls, limits: CandidateLimits) -> "SimilarityIndex":
        """Make an index without pictures."""
        none = NeighbourLists.empty(0, limits.nearest)
        return cls(limits, Descriptors.empty(), none, none)

    def updated(self, added: Descriptors, removed: Collection[str] = ()) -> "SimilarityIndex":
        """Add and remove pictures; the result equals an index built at once from the remaining pictures.

        Only added pictures, and lists that lose an entry, are compared with all others.
        """
        if not added.names and not removed:
            return self
        pictures, moved_to = self.pictures.changed(added, removed)
        update = _IndexUpdate(pictures, self.limits, moved_to)
        return SimilarityIndex(
            self.limits,
            pictures,
            update.updated_lists(self.by_vector, update.insert_by_vector),
            update.updated_lists(self.by_hash, update.insert_by_hash),
        )

    def pairs(self) -> CandidatePairs:
        """Give every pair of which one picture is among the nearest of the other."""
        n = len(self.pictures.names)
        keys_of_lists = [_pair_keys(lists, n) for lists in (self.by_vector, self.by_hash)]
        keys = np.unique(np.concatenate(keys_of_lists))
        left, right = (keys // max(n, 1)).astype(np.int32), (keys % max(n, 1)).astype(np.int32)
        pairs = self.compare(left, right)
        # Pairs close by hash come before all others; ties are broken by place.
        is_near = pairs.by_hash & (pairs.bits <= self.limits.pdq)
        order = np.lexsort((right, left, -pairs.cosine, ~is_near))
        return CandidatePairs(
            *(getattr(pairs, name)[order] for name in CandidatePairs.__dataclass_fields__)
        )

    def compare(self, left: Ids, right: Ids) -> CandidatePairs:
        """Compare pictures, given by place, pair by pair."""
        bits, products = np.zeros(len(left), np.int32), np.zeros(len(left), np.int32)
        hashes, vectors = self.pictures.hashes, self.pictures.vectors
        for start in range(0, len(left), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            bits[part] = best_distance(hashes[left[part]], hashes[right[part]])
            one, two = (vectors[each[part]].astype(np.int32) for each in (left, right))
            products[part] = np.einsum("ij,ij->i", one, two)
        quality = self.pictures.quality
        plainest = np.minimum(quality[left], quality[right])
        max_bits = np.where(plainest >= MIN_QUALITY, self.limits.far_pdq, self.limits.plain_pdq)
        cosine = np.round(cosines(products), 4)
        return CandidatePairs(
            left, right, bits, cosine, (bits <= max_bits) & (plainest >= MIN_PLAIN_QUALITY)
        )


@dataclass(frozen=True)
class _IndexUpdate:
    """The pictures after an update, and the new place of each old row (-1: removed)."""

    pictures: Descriptors
    limits: CandidateLimits
    moved_to: Ids

    def updated_lists(self, old: NeighbourLists, insert: "_Insert") -> NeighbourLists:
        """Move the old lists to their new places, and fill them by `insert`."""
        n = len(self.pictures.names)
        lists = NeighbourLists.empty(n, self.limits.nearest)
        moved_to, incomplete = np.append(self.moved_to, np.int32(-1)), [np.zeros(0, np.int32)]
        for start in range(0, len(self.moved_to), ROWS_AT_ONCE):
            rows = start + np.flatnonzero(self.moved_to[start : start + ROWS_AT_ONCE] >= 0)
            place, ids = self.moved_to[rows], old.ids[rows]
            is_removed = (ids >= 0) & (moved_to[ids] < 0)
            lists.ids[place] = moved_to[ids]  # -1 stays -1
            lists.closeness[place] = np.where(is_removed, MISSING, old.closeness[rows])
            with_gaps = place[is_removed.any(axis=1)]
            compacted = NeighbourLists(lists.ids[with_gaps], lists.closeness[with_gaps]).best(
                self.limits.nearest
            )
            lists.ids[with_gaps], lists.closeness[with_gaps] = compacted.ids, compacted.closeness
            # A full list may lack a picture that is among the nearest after the removal.
            incomplete.append(place[is_removed.any(axis=1) & (ids >= 0).all(axis=1)])
        is_added = np.ones(n, np.bool_)
        is_added[self.moved_to[self.moved_to >= 0]] = False
        insert(lists, np.flatnonzero(is_added), np.concatenate(incomplete))
        return lists

    def insert_by_vector(
        self, lists: NeighbourLists, added: NDArray[np.int64], incomplete: NDArray[np.int64]
    ) -> None:
        """Fill the lists of added and incomplete rows by vector, and insert the added rows into all other lists."""
        vectors, min_product = self.pictures.vectors, closeness_of(self.limits.cosine)
        on_cpu = not faiss.get_num_gpus() and not uses_ivf(len(added), len(vectors))
        search = PrefixSearch.of(vectors, min_product) if len(added) and on_cpu else None
        if search:
            for rows, others, products in search.pairs(vectors, added, np.arange(len(vectors))):
                lists.improve(rows, others, products)
                lists.improve(others, rows, products)
        queries, base = np.union1d(added, incomplete), np.arange(len(vectors))
        self._search_rows(lists, incomplete if search else queries, base)
        if not search and len(added):
            self._search_rows(lists, np.setdiff1d(base, queries), added)

    def _search_rows(
        self, lists: NeighbourLists, rows: NDArray[np.int64], base: NDArray[np.int64]
    ) -> None:
        """Insert the nearest of the base into the lists of `rows`."""
        vectors, width = self.pictures.vectors, self.limits.nearest
        min_product = closeness_of(self.limits.cosine)
        vectors_of_base = vectors if len(base) == len(vectors) else vectors[base]
        step = len(rows) if uses_ivf(len(rows), len(base)) else ROWS_AT_ONCE
        for start in range(0, len(rows), step):
            queries = rows[start : start + step]
            nearest = nearest_vectors(vectors[queries], vectors_of_base, width + 1, min_product)
            row, column = np.nonzero(nearest.ids >= 0)
            query_rows, others = queries[row], base[nearest.ids[row, column]]
            is_other = query_rows != others
            lists.improve(
                query_rows[is_other], others[is_other], nearest.closeness[row, column][is_other]
            )

    def insert_by_hash(
        self, lists: NeighbourLists, added: NDArray[np.int64], incomplete: NDArray[np.int64]
    ) -> None:
        """Do the same by hash, where distances are symmetric; plain pictures must be much closer."""
        quality, queries = self.pictures.quality, np.union1d(added, incomplete)
        rich, plain = (
            np.flatnonzero(each)
            for each in (
                quality >= MIN_QUALITY,
                (quality >= MIN_PLAIN_QUALITY) & (quality < MIN_QUALITY),
            )
        )
        rich_queries, plain_queries = np.intersect1d(queries, rich), np.intersect1d(queries, plain)
        self._insert_hash_pairs(lists, rich_queries, rich, self.limits.pdq, self.limits.far_pdq)
        self._insert_hash_pairs(lists, rich_queries, plain, self.limits.plain_pdq)
        self._insert_hash_pairs(
            lists, plain_queries, np.union1d(rich, plain), self.limits.plain_pdq
        )

    def _insert_hash_pairs(
        self,
        lists: NeighbourLists,
        queries: NDArray[np.int64],
        base: NDArray[np.int64],
        limit: int,
        far: int = 0,
    ) -> None:
        hashes = self.pictures.hashes
        for left, right, bits in close_hashes(hashes[queries], hashes[base], limit, far):
            rows, others = queries[left], base[right]
            is_other = rows != others
            rows, others, closeness = rows[is_other], others[is_other], -bits[is_other]
            lists.improve(rows, others, closeness)
            lists.improve(others, rows, closeness)


_Insert = Callable[[NeighbourLists, NDArray[np.int64], NDArray[np.int64]], None]


def _pair_keys(lists: NeighbourLists, n: int) -> NDArray[np.int64]:
    """Write each pair as one number, left * n + right."""
    rows, columns = np.nonzero(lists.ids >= 0)
    others = lists.ids[rows, columns].astype(np.int64)
    return np.minimum(rows, others) * n + np.maximum(rows, others)


class IndexFolder:
    """The folder of the index of a workspace: `derived/similarity` below its home."""

    def __init__(self, home: Path, key: str, limits: CandidateLimits) -> None:
        self.folder, self.key, self.limits = home / "derived" / "similarity", key, limits

    def load(self) -> SimilarityIndex:
        """Read the index; empty when there is none, or when its bytes do not match the hash in its name."""
        for path in sorted(self.folder.glob(f"{self.key}-*.arrow")):
            if _digest(path) == path.stem.removeprefix(f"{self.key}-"):
                return _read(path, self.limits)
            log.warning("%s is damaged: the index is rebuilt", path.name)
        return SimilarityIndex.empty(self.limits)

    def save(self, index: SimilarityIndex) -> Path:
        """Write the index, then delete older ones; the new file is in place before the others are deleted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{uuid.uuid4().hex}"
        try:
            _write(index, temporary)
            final = self.folder / f"{self.key}-{_digest(temporary)}.arrow"
            temporary.replace(final)
        finally:
            temporary.unlink(missing_ok=True)
        for path in self.folder.glob("*.arrow"):
            if path != final:
                path.unlink(missing_ok=True)
        return final


def _digest(path: Path) -> str:
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()[:16]


def _write(index: SimilarityIndex, path: Path) -> None:
    pictures = index.pictures
    columns = {
        "name": pa.array(pictures.names, pa.string()),
        "vector": _fixed(pictures.vectors, pa.int8()),
        "hash": _fixed(pictures.hashes, pa.uint8()),
        "quality": pa.array(pictures.quality),
        "vector_ids": _fixed(index.by_vector.ids, pa.int32()),
        "vector_closeness": _fixed(index.by_vector.closeness, pa.int32()),
        "hash_ids": _fixed(index.by_hash.ids, pa.int32()),
        "hash_closeness": _fixed(index.by_hash.closeness, pa.int32()),
    }
    table = pa.table(columns)
    with pa.ipc.new_file(str(path), table.schema) as sink:
        sink.write_table(table)


def _fixed(rows: NDArray[np.integer], kind: pa.DataType) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), kind), rows.shape[1])


def _read(path: Path, limits: CandidateLimits) -> SimilarityIndex:
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all().combine_chunks()

        def matrix(name: str) -> NDArray[Any]:  # a view of the mapped file, not to be written to
            column = table[name].combine_chunks()
            flat: NDArray[Any] = column.flatten().to_numpy()
            return flat.reshape(table.num_rows, column.type.list_size)

        pictures = Descriptors(
            table["name"].to_pylist(),
            matrix("vector"),
            matrix("hash"),
            np.array(table["quality"].to_numpy(), np.int8),
        )
        lists = (
            NeighbourLists(matrix(f"{kind}_ids"), matrix(f"{kind}_closeness"))
            for kind in ("vector", "hash")
        )
        return SimilarityIndex(limits, pictures, *lists)
