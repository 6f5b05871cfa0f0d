"""Hashes of keys: what makes a row of a table the same row again, in 128 bits."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.tables.table_type import Table

Keys = npt.NDArray[np.uint64]
"""Hashes of keys, shape (2, n): upper and lower half of an MD5."""


def no_keys() -> Keys:
    """Give an empty list of keys."""
    return np.empty((2, 0), np.uint64)


def hash_keys(table: Table, source: pa.Table) -> Keys | None:
    """Hash keys as `read_keys` does, without SQL; None when a column of the key is no text."""
    parts: list[pa.ChunkedArray] = []
    for name in table.key:
        column = source[name] if name in source.column_names else _nulls(len(source))
        if not pa.types.is_string(column.type):
            return None
        length = pc.binary_length(column).cast(pa.string())
        parts.append(pc.fill_null(pc.binary_join_element_wise(length, column, ":"), ":"))
    texts = pc.binary_join_element_wise(f"{table.name},", *parts, "").cast(pa.binary())
    digests = [hashlib.md5(text, usedforsecurity=False).digest() for text in texts.to_pylist()]
    return np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2).T.astype(np.uint64, order="C")


def _nulls(count: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(count, pa.string())])


def first_ones(keys: Keys) -> npt.NDArray[np.bool_]:
    """Say for each key whether it stands there for the first time."""
    is_first = np.ones(keys.shape[1], bool)
    upper = np.sort(keys[0])
    if not (upper[1:] == upper[:-1]).any():  # the common case: one half tells them apart
        return is_first
    order = np.lexsort((keys[1], keys[0]))  # stable: of equal keys the first comes first
    sorted_keys = keys[:, order]
    is_first[order[1:]] = (sorted_keys[:, 1:] != sorted_keys[:, :-1]).any(axis=0)
    return is_first
