"""The pictures of a release that a data set or loader gives: places, ids and labels as arrays, no Python rows.

A million rows take some 200 MB and open within a second.
"""

import difflib
import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog import (
    Release,
    UsageError,
    Workspace,
    command_name,
    counted,
    from_numpy,
    open_release,
    rendition_names,
    select_rows,
    to_numpy,
)

if TYPE_CHECKING:
    import polars as pl

    from training.data.shards import ShardReader

RESERVED = ("image", "id", "mask")
"""Names that a sample has already."""
Column = NDArray[Any]
"""int64, float64, bool, or texts as objects."""


@dataclass(frozen=True)
class Label:
    """A label of n pictures: `values` (n,), 0 where `mask` (n,) is false; `classes` names the codes of a text label.

    Texts and whole numbers are int64, other numbers float32. The codes of a text number its values in the whole
    release in alphabetical order, so they are the same in every split.
    """

    values: NDArray[np.int64] | NDArray[np.float32]
    mask: NDArray[np.bool_]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Places:
    """Where n pictures are: `lengths[i]` bytes at `offsets[i]` of the shard `shards[codes[i]]`.

    `ids[i]` are the 32 bytes of the SHA-256 of picture i.
    """

    shards: tuple[str, ...]
    ids: NDArray[np.uint8]
    codes: NDArray[np.int32]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """Rows of a release, ascending: `rows` are their numbers in its index, all else has one value for each."""

    release: Release
    split: str | None
    where: str
    rows: NDArray[np.int64]
    places: Places
    labels: Mapping[str, Label]
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def name(self) -> str:
        """Name and version of the release."""
        return f"{self.release.name}@{self.release.version}"

    def id(self, i: int) -> str:
        """Return the SHA-256 of picture `i`, hex."""
        return str(self.places.ids[i].tobytes().hex())

    def shard(self, i: int) -> str:
        """Return the name of the shard of picture `i`."""
        return str(self.places.shards[self.places.codes[i]])

    def read(self, reader: "ShardReader", i: int) -> bytes:
        """Return the original bytes of picture `i`."""
        places = self.places
        return reader.read(self.shard(i), int(places.offsets[i]), int(places.lengths[i]))

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return columns of the index, by default all, for these rows."""
        return self.release.index(columns).take(from_numpy(self.rows))

    def frame(self) -> "pl.DataFrame":
        """Return the index of these rows."""
        import polars as pl

        frame = pl.from_arrow(self.table())
        assert isinstance(frame, pl.DataFrame)
        return frame


def open_here_or_remote(
    name: str, workspace: Workspace | str | Path | None, source: str | None, cache_bytes: int
) -> Release:
    """Open a release of the workspace, or with a `source` one that is elsewhere, see `open_remote`."""
    if source is None:
        return open_release(name, workspace)
    from catalog import open_remote  # its libraries take a tenth of the time to the first batch

    return open_remote(name, source, workspace=workspace, cache_bytes=cache_bytes)


def select(
    release: Release,
    *,
    split: str | None = None,
    where: str = "",
    labels: Sequence[str] = (),
    columns: Sequence[str] = (),
    image: str = "image",
) -> Selection:
    """Select pictures of a release, with labels (values and masks) and other columns of its index.

    `image` is the column that the pictures are read from, such as image_256. Raises `ReleaseError` for a split or
    predicate that does not fit the release, and `UsageError` for unknown columns or when no picture is left.
    """
    _check_columns(release, labels, columns)
    prefix = _place_prefix(release, image)
    rows = select_rows(release, split, where)
    if not len(rows):
        chosen = " and ".join(filter(None, (split and f"split {split}", where)))
        raise UsageError(f"no picture of {release.name}@{release.version} fits {chosen or 'it'}")
    # What comes from a bucket is in its folder by now; a connection to the bucket does not travel to other processes.
    release = replace(release, bucket=None)
    selection = Selection(
        release=release,
        split=split,
        where=where,
        rows=rows,
        places=_places(release, rows, prefix),
        labels=_labels(release, labels, rows),
        columns=_columns(release, columns, rows),
    )
    _warn_of_permission(selection)
    return selection


def _place_prefix(release: Release, image: str) -> str:
    """Return what the names of the columns of its places begin with; raises `UsageError` without such a column."""
    if image == "image":
        return ""
    if f"{image}_offset" in release.manifest["schema"]:
        return f"{image}_"
    columns = ("image", *rendition_names(release.manifest["plan"]))
    raise UsageError(
        f"{release.name}@{release.version} has no pictures {image!r}; it has {', '.join(columns)}. Smaller versions "
        f"are made by: {command_name()} dataset publish NAME --rendition 256"
    )


def _places(release: Release, rows: NDArray[np.int64], prefix: str) -> Places:
    """Read where the pictures of these rows are, piece by piece: an index may be larger than memory."""
    n, done, start = len(rows), 0, 0
    numbers: dict[str, int] = {}
    ids, codes = np.empty((n, 32), np.uint8), np.empty(n, np.int32)
    offsets, lengths = np.empty(n, np.int64), np.empty(n, np.int64)
    ranges = [f"{prefix}offset", f"{prefix}length"]
    for batch in release.index_batches(["asset_sha256", "shard", *ranges], ["shard"]):
        inside = rows[slice(*np.searchsorted(rows, (start, start + len(batch))))] - start
        start += len(batch)
        part = batch if len(inside) == len(batch) else batch.take(from_numpy(inside))
        names = part["shard"].dictionary.to_pylist()
        shards = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int32)
        here = slice(done, done + len(part))
        ids[here] = _from_hex(part["asset_sha256"])
        codes[here] = shards[to_numpy(part["shard"].indices)]
        offsets[here], lengths[here] = (to_numpy(part[name]) for name in ranges)
        done += len(part)
    return Places(tuple(numbers), ids, codes, offsets, lengths)


def _from_hex(column: pa.StringArray) -> NDArray[np.uint8]:
    """Return n hexadecimal SHA-256 as bytes (n, 32), a fourth of the memory of texts."""
    ends = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(column) + 1]
    text = column.buffers()[2][int(ends[0]) : int(ends[-1])].to_pybytes().decode()
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(len(column), 32)


def _check_columns(release: Release, labels: Sequence[str], columns: Sequence[str]) -> None:
    """Raise `UsageError` for a column that the release does not have, or whose name a sample needs."""
    existing = [*release.manifest["schema"]]
    for kind, names in (("labels", labels), ("columns", columns)):
        if isinstance(names, str):
            raise UsageError(f"{kind} is a list: {kind}=[{names!r}]")
        for name in names:
            if name in RESERVED:
                raise UsageError(
                    f"a sample has {', '.join(RESERVED)} already; {name} cannot be read"
                )
            if name not in existing:
                raise UsageError(_no_column(release, name, existing))
    if twice := {*labels} & {*columns}:
        raise UsageError(f"{min(twice)} is both a label and a column; give it once")


def _no_column(release: Release, name: str, existing: Collection[str]) -> str:
    near = difflib.get_close_matches(name, existing, n=1)
    advice = f"did you mean {near[0]}? " if near else ""
    return (
        f"{release.name}@{release.version} has no column {name!r}; {advice}"
        f"it has {', '.join(sorted(existing))}"
    )


def _labels(release: Release, names: Sequence[str], rows: NDArray[np.int64]) -> dict[str, Label]:
    return {name: _label(release, name, rows) for name in names}


def _label(release: Release, name: str, rows: NDArray[np.int64]) -> Label:
    """Make arrays of one column of the whole index, and cut the selected rows out of them."""
    classes: tuple[str, ...] = ()
    is_text = release.manifest["schema"][name] == "string"
    batches = release.index_batches([name], [name] if is_text else ())
    column = pa.chunked_array([batch[name] for batch in batches])
    if is_text:
        column, classes = _coded(column)
    chosen = column if len(rows) == len(column) else column.take(from_numpy(rows))
    mask = to_numpy(pc.and_kleene(pc.is_valid(chosen), _is_number(chosen)))
    kind = pa.int64() if _is_whole(column.type) else pa.float32()
    values = to_numpy(chosen.cast(kind))
    # The values below the mask are zeros, whatever stood there.
    return Label(np.where(mask, values, values.dtype.type(0)), mask, classes)


def _coded(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, tuple[str, ...]]:
    """Replace texts by the numbers of their classes, in alphabetical order."""
    texts = column.unify_dictionaries().combine_chunks()
    names = texts.dictionary.to_pylist()
    classes = {name: number for number, name in enumerate(sorted(names))}
    numbers = from_numpy(np.array([classes[name] for name in names], np.int64))
    return pa.chunked_array([numbers.take(texts.indices)]), tuple(classes)


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _is_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_finite(column) if pa.types.is_floating(column.type) else pc.is_valid(column)


def _columns(release: Release, names: Sequence[str], rows: NDArray[np.int64]) -> dict[str, Column]:
    table = release.index(names).take(from_numpy(rows)) if names else pa.table({})
    return {name: _plain(table[name]) for name in names}


def _plain(column: pa.ChunkedArray) -> Column:
    """Return a column without nulls: NaN stands for a missing number, "" for a missing text, false for a flag."""
    values = column.combine_chunks()
    if pa.types.is_boolean(column.type):
        values = values.fill_null(False)
    elif pa.types.is_floating(column.type) or (values.null_count and _is_whole(column.type)):
        values = values.cast(pa.float64()).fill_null(math.nan)
    elif _is_whole(column.type):
        values = values.cast(pa.int64())
    else:
        values = values.cast(pa.string()).fill_null("")
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _warn_of_permission(selection: Selection) -> None:
    """Warn in one line when pictures have no permission to train a model on them."""
    if "training_allowed" not in selection.release.manifest["schema"]:
        return
    batches = selection.release.index_batches(["training_allowed"])
    allowed = np.concatenate([to_numpy(batch["training_allowed"]) for batch in batches])
    missing = len(selection) - int(allowed[selection.rows].sum())
    if missing:
        warnings.warn(
            f"{counted(missing, 'picture', 'has')} no training permission of the {len(selection)} chosen from "
            f'{selection.name}; leave out with where="training_allowed"',
            stacklevel=4,
        )
