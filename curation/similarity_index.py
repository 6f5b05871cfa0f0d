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

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.neighbours import (
    DIM,
    MISSING,
    Compact,
    Hashes,
    Ids,
    Nearest,
    best_distance,
    closeness_of,
    cosines,
    nearest_hashes,
    nearest_vectors,
)

log = logging.getLogger(__name__)

VERSION = "1"
MIN_QUALITY = 50  # plainer pictures all match each other by hash
COUNTED = 262_144  # pairs whose bits are counted at once


@dataclass(frozen=True)
class Reach:
    """How far the nearest are looked for: up to `nearest` of each kind, within `pdq` bits or from `cosine` on."""

    nearest: int = 12
    cosine: float = 0.62
    pdq: int = 31

    def key(self, *made_by: str) -> str:
        """Name the index of vectors and hashes made by these stages."""
        text = "\n".join([VERSION, repr(self), *made_by])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


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

    def with_more(self, more: "Described") -> "Described":
        """Put two sets of pictures together, sorted."""
        both = Described(
            self.names + more.names,
            np.concatenate([self.vectors, more.vectors]),
            np.concatenate([self.hashes, more.hashes]),
            np.concatenate([self.quality, more.quality]),
        )
        return both.take(np.array(sorted(range(len(both.names)), key=both.names.__getitem__), int))


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
        absent = set(gone)
        stays = np.flatnonzero([name not in absent for name in self.pictures.names])
        pictures = self.pictures.take(stays).with_more(added)
        place = {name: row for row, name in enumerate(pictures.names)}
        moved = np.array([place.get(name, -1) for name in self.pictures.names], np.int32)
        change = _Change(pictures, self.reach, stays, moved)
        return SimilarityIndex(
            self.reach,
            pictures,
            change.lists(self.by_vector, change.near_vectors),
            change.lists(self.by_hash, change.near_hashes),
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
        rich = np.minimum(quality[left], quality[right]) >= MIN_QUALITY
        cosine = np.round(cosines(close), 4)
        return Pairs(left, right, bits, cosine, rich & (bits <= self.reach.pdq))


@dataclass(frozen=True)
class _Change:
    """The pictures after a change, which rows of before stay, and where each row of before is now (-1: gone)."""

    pictures: Described
    reach: Reach
    stays: NDArray[np.int64]
    moved: Ids

    def lists(self, before: Nearest, near: "_Near") -> Nearest:
        """Bring the lists of before up to date."""
        n, width = len(self.pictures.names), self.reach.nearest
        known = Nearest.none(n, width)
        place = self.moved[self.stays]
        ids = before.ids[self.stays]
        is_gone = (ids >= 0) & (np.append(self.moved, -1)[ids] < 0)
        known.ids[place] = np.where(is_gone | (ids < 0), -1, np.append(self.moved, -1)[ids])
        known.closeness[place] = np.where(is_gone, MISSING, before.closeness[self.stays])
        # A list that was full may have had to leave out what is now among the nearest.
        torn = place[is_gone.any(axis=1) & (ids >= 0).all(axis=1)]
        fresh = np.setdiff1d(np.arange(n), place)
        asked = np.union1d(fresh, torn)
        rest = np.setdiff1d(place, asked)
        _put(known, asked, near(asked, np.arange(n)))
        before_too = Nearest(known.ids[rest], known.closeness[rest])
        _put(known, rest, before_too.merged(near(rest, fresh), width))
        return known

    def near_vectors(self, rows: NDArray[np.int64], base: NDArray[np.int64]) -> Nearest:
        """Find the nearest of `rows` in `base` by vector."""
        vectors, width = self.pictures.vectors, self.reach.nearest
        least = closeness_of(self.reach.cosine)
        found = nearest_vectors(vectors[rows], vectors[base], width + 1, least)
        return _placed(found, rows, base, width)

    def near_hashes(self, rows: NDArray[np.int64], base: NDArray[np.int64]) -> Nearest:
        """Find the nearest of `rows` in `base` by hash; plain pictures are near to none."""
        rich, width = self.pictures.quality >= MIN_QUALITY, self.reach.nearest
        found, (asking,) = Nearest.none(len(rows), width), np.nonzero(rich[rows])
        hashes, base = self.pictures.hashes, base[rich[base]]
        near = nearest_hashes(hashes[rows[asking]], hashes[base], width + 1, self.reach.pdq)
        _put(found, asking, _placed(near, rows[asking], base, width))
        return found


_Near = Callable[[NDArray[np.int64], NDArray[np.int64]], Nearest]


def _put(lists: Nearest, rows: NDArray[np.int64], found: Nearest) -> None:
    lists.ids[rows], lists.closeness[rows] = found.ids, found.closeness


def _placed(
    found: Nearest, rows: NDArray[np.int64], base: NDArray[np.int64], width: int
) -> Nearest:
    """Say places among all pictures instead of among `base`, and leave out each picture itself."""
    if not len(base):
        return Nearest.none(len(rows), width)
    ids = np.where(found.ids < 0, -1, base[found.ids]).astype(np.int32)
    named = Nearest(ids, found.closeness)
    return named.without(ids == rows[:, None]).best(width)


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

        def matrix(name: str) -> NDArray[np.generic]:
            column = table[name].combine_chunks()
            flat = column.flatten().to_numpy(zero_copy_only=False)
            return np.array(flat.reshape(table.num_rows, column.type.list_size))

        pictures = Described(
            table["name"].to_pylist(),
            matrix("vector").astype(np.int8, copy=False),
            matrix("hash").astype(np.uint8, copy=False),
            np.array(table["quality"].to_numpy(), np.int8),
        )
        lists = (
            Nearest(
                matrix(f"{kind}_ids").astype(np.int32, copy=False),
                matrix(f"{kind}_closeness").astype(np.int32, copy=False),
            )
            for kind in ("vector", "hash")
        )
        return SimilarityIndex(reach, pictures, *lists)
