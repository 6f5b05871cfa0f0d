"""The order in which a loader gives pictures: pure functions of release, selection, seed and epoch.

Threads and ranks have no part in it: every rank cuts its batches out of the same order.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog import UsageError, select_rows
from training.data.sampling.seeds import derive_seed
from training.data.selection import Selection

if TYPE_CHECKING:
    import polars as pl

Rows: TypeAlias = NDArray[np.int64]
OwnSampler: TypeAlias = Callable[["pl.DataFrame", np.random.Generator], Sequence[int] | Rows]
SamplerSpec: TypeAlias = str | Mapping[str, float] | OwnSampler
SAMPLERS = {
    "uniform": "every picture once, in random order",
    "sequential": "every picture once, in the order of the index",
    "block": "every picture once: shards in random order, pictures at random within one; block:4 mixes four shards",
    "balanced": "drawn by the release's weights; balanced:LABEL gives every class of a label the same share",
    "buckets": "every picture once, in batches of one shape each: pictures keep about their own",
}
ASPECTS = (1 / 2, 2 / 3, 3 / 4, 1.0, 4 / 3, 3 / 2, 2.0)
"""Width : height of the buckets."""
BUCKET_GRID_PX = 16


@dataclass(frozen=True)
class Epoch:
    """Pictures of one epoch in order: `rows` (n,) of the selection; `counts` (n,) is false for what only pads.

    With `shapes` every `batch_size` rows are of one shape: `shapes[i]` is (height, width) of batch i.
    """

    rows: Rows
    counts: NDArray[np.bool_]
    shapes: Sequence[tuple[int, int]] | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Sampler:
    """A sampler of one selection; `size` is the number of pictures of an epoch.

    `spec` is a name of `SAMPLERS`, shares by SQL predicate (a mixture), or a function of the index (a frame) and a
    random generator that returns row numbers.
    """

    selection: Selection
    spec: SamplerSpec
    seed: int
    size: int | None = None

    @property
    def name(self) -> str:
        """Text that stands for the sampler in seeds and saved states."""
        if isinstance(self.spec, str):
            return self.spec
        if isinstance(self.spec, Mapping):
            return "; ".join(f"{share:g} of {where}" for where, share in self.spec.items())
        return f"function {getattr(self.spec, '__qualname__', type(self.spec).__qualname__)}"

    @property
    def kind(self) -> str:
        """Name of the sampler without its argument; empty for mixtures and functions."""
        return self.spec.partition(":")[0] if isinstance(self.spec, str) else ""

    def rng(self, epoch: int) -> np.random.Generator:
        """Return the random generator of the order of one epoch."""
        chosen = self.selection
        parts = (chosen.release.digest, chosen.split or "", chosen.where, self.name)
        return np.random.default_rng(derive_seed("loader", *parts, self.seed, epoch))

    def order(self, epoch: int) -> Rows:
        """Return the rows of one epoch; raises `UsageError` for a sampler that does not fit the release."""
        rng, n = self.rng(epoch), len(self.selection)
        if isinstance(self.spec, Mapping):
            return _drawn(_mixture(self.selection, self.spec), self.size or n, rng)
        if not isinstance(self.spec, str):
            return _checked(self.spec(self.selection.frame(), rng), n)
        name, _, argument = self.spec.partition(":")
        if name == "balanced":
            return _balanced(self.selection, argument, self.size or n, rng)
        if name == "block":
            return _block(self.selection.places.codes, _shards_a_block(argument), rng)[: self.size]
        if argument or name not in SAMPLERS:
            raise UsageError(
                f"sampler {self.spec!r} does not exist; there are {', '.join(SAMPLERS)}"
            )
        return (np.arange(n) if name == "sequential" else rng.permutation(n))[: self.size]


def _shards_a_block(argument: str) -> int:
    if argument and not (argument.isdecimal() and int(argument)):
        raise UsageError(f"sampler block:{argument} needs a number of shards, such as block:4")
    return int(argument or 1)


def _block(codes: NDArray[np.int32], shards: int, rng: np.random.Generator) -> Rows:
    """Shuffle shards, then the rows of each `shards` of them together."""
    places = rng.permutation(codes.max() + 1)[codes] // shards
    shuffled = rng.permutation(len(codes))
    return shuffled[np.argsort(places[shuffled], kind="stable")]


def _balanced(selection: Selection, label: str, size: int, rng: np.random.Generator) -> Rows:
    if not label:
        return _by_weight(_weights(selection), size, rng)
    if label not in selection.release.manifest["schema"]:
        raise UsageError(f"{selection.name} has no column {label!r} to balance by")
    classes = selection.table([label])[label].combine_chunks().dictionary_encode()
    codes = classes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    present = np.unique(codes[codes >= 0])
    if not len(present):
        raise UsageError(f"no picture of {selection.name} has {label}, so it cannot be balanced")
    return _drawn([(np.flatnonzero(codes == code), 1.0) for code in present], size, rng)


def _weights(selection: Selection) -> NDArray[np.float64]:
    weights = selection.table(["weight"])["weight"].fill_null(0.0).to_numpy()
    if not weights.sum() > 0:
        raise UsageError(f"the chosen pictures of {selection.name} have no weights to draw by")
    return np.asarray(weights, np.float64)


def _by_weight(weights: NDArray[np.float64], size: int, rng: np.random.Generator) -> Rows:
    """Draw each row as often as its weight says, rounded up or down at random, in random order."""
    shuffled = rng.permutation(len(weights))
    ends = np.cumsum(weights[shuffled])
    points = (np.arange(size) + rng.random()) / size * ends[-1]
    drawn = shuffled[np.searchsorted(ends, points, side="right").clip(max=len(weights) - 1)]
    return rng.permutation(drawn)


def _mixture(selection: Selection, shares: Mapping[str, float]) -> list[tuple[Rows, float]]:
    """Choose the rows of each predicate among those of the selection."""
    parts = []
    for where, share in shares.items():
        if not share >= 0 or not math.isfinite(share):
            raise UsageError(f"the share of {where!r} in a mixture is a number from 0, not {share}")
        rows = select_rows(selection.release, selection.split, where)
        inside = np.flatnonzero(np.isin(selection.rows, rows, assume_unique=True))
        if share and not len(inside):
            raise UsageError(f"no chosen picture of {selection.name} fits {where!r}")
        parts.append((inside, share))
    if not sum(share for _, share in parts):
        raise UsageError("a mixture needs a share above 0")
    return parts


def _drawn(parts: Sequence[tuple[Rows, float]], size: int, rng: np.random.Generator) -> Rows:
    """Draw `size` rows: each part by its share, and within a part no row twice more often than another."""
    total = sum(share for _, share in parts)
    ends = np.rint(np.cumsum([share / total for _, share in parts]) * size).astype(int)
    counts = np.diff(ends, prepend=0)
    drawn = [_repeated(rows, count, rng) for (rows, _), count in zip(parts, counts, strict=True)]
    return rng.permutation(np.concatenate(drawn))


def _repeated(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Go through the rows in a new random order as often as `count` needs."""
    if not count:
        return rows[:0]
    passes = [rng.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate(passes)[:count]


def _checked(rows: Sequence[int] | Rows, n: int) -> Rows:
    """Check what a function of the user has returned."""
    order = np.asarray(rows)
    if order.ndim != 1 or not np.issubdtype(order.dtype, np.integer) or not len(order):
        raise UsageError("a sampler function returns row numbers: a sequence of integers")
    if order.min() < 0 or order.max() >= n:
        raise UsageError(f"a sampler function returned rows outside 0 to {n - 1}")
    return order.astype(np.int64)


def plan_epoch(sampler: Sampler, epoch: int, *, batch_size: int, side: int, pads: bool) -> Epoch:
    """Order the pictures of an epoch; with the sampler `buckets` in batches of one shape each.

    A bucket's last batch is padded, or left out without `pads`; `side` is that of a square of the area of a bucket.
    """
    rows = sampler.order(epoch)
    if sampler.kind != "buckets":
        return Epoch(rows, np.ones(len(rows), np.bool_))
    buckets = _bucket_of(sampler.selection)[rows]
    batches = [
        (int(bucket), *batch)
        for bucket in np.unique(buckets)
        for batch in _bucket_batches(rows[buckets == bucket], batch_size, pads=pads)
    ]
    if not batches:
        raise UsageError(f"no bucket has {batch_size} pictures; use a smaller batch_size")
    [rng] = sampler.rng(epoch).spawn(1)
    mixed = [batches[i] for i in rng.permutation(len(batches))]
    shapes = [bucket_shape(ASPECTS[bucket], side) for bucket, _, _ in mixed]
    rows, counts = (np.concatenate([batch[part] for batch in mixed]) for part in (1, 2))
    return Epoch(rows, counts, shapes)


def _bucket_batches(
    rows: Rows, batch_size: int, *, pads: bool
) -> Iterator[tuple[Rows, NDArray[np.bool_]]]:
    whole = len(rows) // batch_size * batch_size
    for start in range(0, whole, batch_size):
        yield rows[start : start + batch_size], np.ones(batch_size, np.bool_)
    if pads and whole < len(rows):
        rest = rows[whole:]
        yield np.resize(rest, batch_size), np.arange(batch_size) < len(rest)


def _bucket_of(selection: Selection) -> NDArray[np.intp]:
    """Return the number of the bucket nearest to the shape of each picture; a square where it is not in the index."""
    sizes = selection.table(["width", "height"])
    ratio = pc.divide(sizes["width"].cast("float64"), sizes["height"]).fill_null(1.0).to_numpy()
    distance = np.abs(np.log(ratio)[:, None] - np.log(ASPECTS)[None, :])
    return np.asarray(distance.argmin(axis=1))


def bucket_shape(aspect: float, side: int) -> tuple[int, int]:
    """Return (height, width) near the area of a square of `side`, in steps of 16 pixels.

    >>> bucket_shape(3 / 2, 224), bucket_shape(1.0, 224)
    ((176, 272), (224, 224))
    """
    height, width = side / math.sqrt(aspect), side * math.sqrt(aspect)
    grid = min(BUCKET_GRID_PX, side)
    return max(grid, round(height / grid) * grid), max(grid, round(width / grid) * grid)


@dataclass(frozen=True)
class BatchRows:
    """One batch of one rank: `rows` of the selection, at `positions` of the epoch; all ranks are at `end` then."""

    rows: Rows
    counts: NDArray[np.bool_]
    positions: Rows
    end: int


def cut_batches(
    epoch: Epoch, *, start: int, batch_size: int, rank: int, world_size: int, drop_last: bool
) -> Iterator[BatchRows]:
    """Cut the batches of one rank out of an epoch, from position `start` on.

    Step by step the ranks take the next `batch_size` rows each. What is left at the end is shared equally and padded
    with rows that do not count, or dropped.
    """
    n = len(epoch)
    while start < n:
        left = n - start
        share = batch_size
        if left < batch_size * world_size:
            if drop_last:
                return
            share = batch_size if epoch.shapes is not None else -(-left // world_size)
        at = start + rank * share + np.arange(share)
        inside = at < n
        within = np.minimum(at, n - 1)
        start = min(n, start + share * world_size)
        yield BatchRows(epoch.rows[within], epoch.counts[within] & inside, at, start)


def count_batches(n: int, *, batch_size: int, world_size: int, drop_last: bool) -> int:
    """Return how many batches a rank gets of `n` pictures.

    >>> count_batches(100, batch_size=16, world_size=2, drop_last=False)
    4
    """
    step = batch_size * world_size
    return n // step if drop_last else -(-n // step)
