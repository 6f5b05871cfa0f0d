"""What is known of each picture for the search for copies, and the nearest of each; kept between runs.

The index is derived: it can be made again from `phashes` and `embeddings` at any time, and is when it is missing or
damaged. It saves a run the comparison of all old pictures with each other: only new ones are
compared with all. Lists come out as if all pictures had been there at once (`neighbours.py`).

On disk: one Arrow file, `derived/similarity/<key>-<first 16 hex digits of its SHA-256>.arrow`, where the key names what
the vectors and hashes were made by. One row a picture, sorted by name: name (text), vector (256 int8), hash (32 uint8),
quality (int8), and for both kinds of closeness K rows of the nearest (int32, -1 for none) and their closeness (int32).
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

from curation.duplicates.limits import Reach
from curation.similarity.close_hashes import close_hashes
from curation.similarity.close_vectors import Heads
from curation.similarity.neighbours import (
    DIM,
    MISSING,
    Compact,
    Hashes,
    Ids,
    Nearest,
    best_distance,
    closeness_of,
    cosines,
    is_bulk,
    nearest_vectors,
)

log = logging.getLogger(__name__)

RICH, BLANK = 50, 10  # quality: below the first hashes say little, below the second nothing
COUNTED = 32_768  # pairs whose bits are counted at once
LAID = 65_536  # rows that are moved or compared at once


@dataclass(frozen=True)
class Described:
    """Pictures by name, sorted: compact vectors (N, 256), hashes (N, 32), quality (N,) from 0 to 100."""

    names: list[str]
    vectors: Compact
    hashes: Hashes
    quality: NDArray[np.int8]

    @classmethod
    def none(cls) -> "Described":
        """Describe no picture."""
        empty = np.zeros(0, np.int8)
        return cls([], empty.reshape(0, DIM), np.zeros((0, 32), np.uint8), empty)

    def take(self, rows: NDArray[np.integer]) -> "Described":
        """Give some pictures, in this order."""
        names = [self.names[row] for row in rows.tolist()]
        return Described(names, self.vectors[rows], self.hashes[rows], self.quality[rows])

    def changed(self, more: "Described", gone: Collection[str] = ()) -> tuple["Described", Ids]:
        """Put pictures in and take some out; say where each picture of before is now (-1: gone)."""
        absent = set(gone)
        stays = np.flatnonzero([name not in absent for name in self.names])
        names = [self.names[row] for row in stays.tolist()] + more.names
        order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int32)
        place = np.empty_like(order)
        place[order] = np.arange(len(order), dtype=np.int32)
        moved = np.full(len(self.names), -1, np.int32)
        moved[stays] = place[: len(stays)]

        def laid(mine: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
            out = np.empty((len(names), *mine.shape[1:]), mine.dtype)
            for start in range(0, len(stays), LAID):  # a copy of all rows would double the memory
                rows = stays[start : start + LAID]
                out[moved[rows]] = mine[rows]
            out[place[len(stays) :]] = others
            return out

        pictures = Described(
            [names[row] for row in order.tolist()],
            laid(self.vectors, more.vectors),
            laid(self.hashes, more.hashes),
            laid(self.quality, more.quality),
        )
        return pictures, moved


@dataclass(frozen=True)
class Pairs:
    """Candidate pairs, closest first: places (left < right), differing bits, cosine, whether hashes agree."""

    left: Ids
    right: Ids
    bits: NDArray[np.int32]
    cosine: NDArray[np.float64]
    by_hash: NDArray[np.bool_]


@dataclass(frozen=True)
class SimilarityIndex:
    """Pictures and their nearest by vector and by hash."""

    reach: Reach
    pictures: Described
    by_vector: Nearest
    by_hash: Nearest

    @classmethod
    def empty(cls, reach: Reach) -> "SimilarityIndex":
        """Start without pictures."""
        none = Nearest.none(0, reach.nearest)
        return cls(reach, Described.none(), none, none)

    def updated(self, added: Described, gone: Collection[str] = ()) -> "SimilarityIndex":
        """Take pictures in and out; the outcome is that of an index made at once of what is left.

        The work is that of comparing what is added, and the lists that lose an entry, with all.
        """
        if not added.names and not gone:
            return self
        pictures, moved = self.pictures.changed(added, gone)
        change = _Change(pictures, self.reach, moved)
        return SimilarityIndex(
            self.reach,
            pictures,
            change.lists(self.by_vector, change.let_in_by_vector),
            change.lists(self.by_hash, change.let_in_by_hash),
        )

    def pairs(self) -> Pairs:
        """Give every pair of which one is among the nearest of the other."""
        n = len(self.pictures.names)
        rows = [_pairs_of(near, n) for near in (self.by_vector, self.by_hash)]
        keys = np.unique(np.concatenate(rows))
        left, right = (keys // max(n, 1)).astype(np.int32), (keys % max(n, 1)).astype(np.int32)
        found = self.described(left, right)
        # Pairs close by hash come before all others; places settle ties.
        order = np.lexsort((right, left, -found.cosine, ~found.by_hash))
        return Pairs(*(getattr(found, name)[order] for name in Pairs.__dataclass_fields__))

    def described(self, left: Ids, right: Ids) -> Pairs:
        """Compare any pictures, given by place, pair by pair."""
        bits, close = np.zeros(len(left), np.int32), np.zeros(len(left), np.int32)
        hashes, vectors = self.pictures.hashes, self.pictures.vectors
        for start in range(0, len(left), COUNTED):
            part = slice(start, start + COUNTED)
            bits[part] = best_distance(hashes[left[part]], hashes[right[part]])
            one, two = (vectors[each[part]].astype(np.int32) for each in (left, right))
            close[part] = np.einsum("ij,ij->i", one, two)
        quality = self.pictures.quality
        plainest = np.minimum(quality[left], quality[right])
        reach = np.where(plainest >= RICH, self.reach.pdq, self.reach.plain_pdq)
        cosine = np.round(cosines(close), 4)
        return Pairs(left, right, bits, cosine, (bits <= reach) & (plainest >= BLANK))


@dataclass(frozen=True)
class _Change:
    """The pictures after a change, and where each row of before is now (-1: gone)."""

    pictures: Described
    reach: Reach
    moved: Ids

    def lists(self, before: Nearest, let_in: "_LetIn") -> Nearest:
        """Bring the lists of before up to date."""
        n = len(self.pictures.names)
        known = Nearest.none(n, self.reach.nearest)
        now, torn = np.append(self.moved, np.int32(-1)), [np.zeros(0, np.int32)]
        for start in range(0, len(self.moved), LAID):
            rows = start + np.flatnonzero(self.moved[start : start + LAID] >= 0)
            place, ids = self.moved[rows], before.ids[rows]
            is_gone = (ids >= 0) & (now[ids] < 0)
            known.ids[place] = now[ids]  # -1 stays -1
            known.closeness[place] = np.where(is_gone, MISSING, before.closeness[rows])
            holed = place[is_gone.any(axis=1)]
            closed_up = Nearest(known.ids[holed], known.closeness[holed]).best(self.reach.nearest)
            known.ids[holed], known.closeness[holed] = closed_up.ids, closed_up.closeness
            # A list that was full may have had to leave out what is now among the nearest.
            torn.append(place[is_gone.any(axis=1) & (ids >= 0).all(axis=1)])
        is_fresh = np.ones(n, np.bool_)
        is_fresh[self.moved[self.moved >= 0]] = False
        let_in(known, np.flatnonzero(is_fresh), np.concatenate(torn))
        return known

    def let_in_by_vector(
        self, known: Nearest, fresh: NDArray[np.int64], torn: NDArray[np.int64]
    ) -> None:
        """Fill the lists of fresh and torn rows, and let the fresh ones into all others, by vector."""
        vectors, least = self.pictures.vectors, closeness_of(self.reach.cosine)
        is_plain = not faiss.get_num_gpus() and not is_bulk(len(fresh), len(vectors))
        heads = Heads.of(vectors, least) if len(fresh) and is_plain else None
        if heads:
            for rows, others, close in heads.close(vectors, fresh, np.arange(len(vectors))):
                known.improve(rows, others, close)
                known.improve(others, rows, close)
        asked, among = np.union1d(fresh, torn), np.arange(len(vectors))
        self._seek(known, torn if heads else asked, among)
        if not heads and len(fresh):
            self._seek(known, np.setdiff1d(among, asked), fresh)

    def _seek(self, known: Nearest, rows: NDArray[np.int64], base: NDArray[np.int64]) -> None:
        """Compare rows with all of the base."""
        vectors, width = self.pictures.vectors, self.reach.nearest
        least = closeness_of(self.reach.cosine)
        among = vectors if len(base) == len(vectors) else vectors[base]
        step = len(rows) if is_bulk(len(rows), len(base)) else LAID
        for start in range(0, len(rows), step):
            asked = rows[start : start + step]
            near = nearest_vectors(vectors[asked], among, width + 1, least)
            row, column = np.nonzero(near.ids >= 0)
            rows_found, others = asked[row], base[near.ids[row, column]]
            is_other = rows_found != others
            known.improve(
                rows_found[is_other], others[is_other], near.closeness[row, column][is_other]
            )

    def let_in_by_hash(
        self, known: Nearest, fresh: NDArray[np.int64], torn: NDArray[np.int64]
    ) -> None:
        """Do the same by hash, which is as close one way as the other; plain pictures must be much closer."""
        quality, asked = self.pictures.quality, np.union1d(fresh, torn)
        rich, plain = (
            np.flatnonzero(each)
            for each in (quality >= RICH, (quality >= BLANK) & (quality < RICH))
        )
        rich_asked, plain_asked = np.intersect1d(asked, rich), np.intersect1d(asked, plain)
        self._let_in_by_hash(known, rich_asked, rich, self.reach.pdq)
        self._let_in_by_hash(known, rich_asked, plain, self.reach.plain_pdq)
        self._let_in_by_hash(known, plain_asked, np.union1d(rich, plain), self.reach.plain_pdq)

    def _let_in_by_hash(
        self, known: Nearest, asked: NDArray[np.int64], among: NDArray[np.int64], limit: int
    ) -> None:
        hashes = self.pictures.hashes
        for left, right, bits in close_hashes(hashes[asked], hashes[among], limit):
            rows, others = asked[left], among[right]
            is_other = rows != others
            rows, others, close = rows[is_other], others[is_other], -bits[is_other]
            known.improve(rows, others, close)
            known.improve(others, rows, close)


_LetIn = Callable[[Nearest, NDArray[np.int64], NDArray[np.int64]], None]


def _pairs_of(near: Nearest, n: int) -> NDArray[np.int64]:
    """Write each pair as one number, left * n + right."""
    rows, columns = np.nonzero(near.ids >= 0)
    others = near.ids[rows, columns].astype(np.int64)
    return np.minimum(rows, others) * n + np.maximum(rows, others)


class IndexFolder:
    """Where the index of a workspace lies: `derived/similarity` below its home."""

    def __init__(self, home: Path, key: str, reach: Reach) -> None:
        self.folder, self.key, self.reach = home / "derived" / "similarity", key, reach

    def load(self) -> SimilarityIndex:
        """Read the index; empty when there is none, or when its bytes are not those its name says."""
        for path in sorted(self.folder.glob(f"{self.key}-*.arrow")):
            if _digest(path) == path.stem.removeprefix(f"{self.key}-"):
                return _read(path, self.reach)
            log.warning("%s is damaged: the index is made again", path.name)
        return SimilarityIndex.empty(self.reach)

    def save(self, index: SimilarityIndex) -> Path:
        """Write the index and take older ones away; the new file is in place before the others go."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{uuid.uuid4().hex}"
        try:
            _write(index, aside)
            final = self.folder / f"{self.key}-{_digest(aside)}.arrow"
            aside.replace(final)
        finally:
            aside.unlink(missing_ok=True)
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


def _read(path: Path, reach: Reach) -> SimilarityIndex:
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all().combine_chunks()

        def matrix(name: str) -> NDArray[Any]:  # a view of the mapped file, not to be written to
            column = table[name].combine_chunks()
            flat: NDArray[Any] = column.flatten().to_numpy()
            return flat.reshape(table.num_rows, column.type.list_size)

        pictures = Described(
            table["name"].to_pylist(),
            matrix("vector"),
            matrix("hash"),
            np.array(table["quality"].to_numpy(), np.int8),
        )
        lists = (
            Nearest(matrix(f"{kind}_ids"), matrix(f"{kind}_closeness"))
            for kind in ("vector", "hash")
        )
        return SimilarityIndex(reach, pictures, *lists)
