"""What the footer of a Parquet file says of its columns, in the words of a DuckLake's statistics."""

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

Value = str | int | float | bool | datetime


@dataclass(frozen=True)
class ColumnStatistics:
    """One column of a file: compressed bytes, values and nulls, and the bounds where the writer noted them."""

    bytes: int
    values: int
    nulls: int
    low: Value | None
    high: Value | None


@dataclass(frozen=True)
class Footer:
    """A file's rows, bytes and bytes of its footer, its top-level columns in order, and each one's statistics."""

    rows: int
    bytes: int
    length: int
    names: tuple[str, ...]
    columns: dict[str, ColumnStatistics]


def read_footer(path: Path, found: pq.FileMetaData | None = None) -> Footer | None:
    """Read the footer of a file, `found` if it was read before.

    None when the nulls of a column were not counted, or a column holds columns.
    """
    found = found or pq.read_metadata(path)
    listed: dict[str, ColumnStatistics] = {}
    for place in range(found.num_columns):
        name = found.schema.column(place).path.partition(".")[0]
        statistics = _of_column(
            [found.row_group(n).column(place) for n in range(found.num_row_groups)]
        )
        if statistics is None or name in listed:
            return None
        listed[name] = statistics
    size = path.stat().st_size
    with path.open("rb") as raw:
        raw.seek(size - 8)
        length = int.from_bytes(raw.read(4), "little")
    return Footer(found.num_rows, size, length, tuple(listed), listed)


def text_of(value: Value | None, kind: str) -> str | None:
    """Write a bound as DuckDB writes the value as text; None when it is no bound that could be compared."""
    match value:
        case bool():
            return str(value).lower()
        case float() if not math.isfinite(value):
            return None
        case str() if (
            "\0" in value
        ):  # SQLite would end the text there, and the bound be another one
            return None
        case float() if kind == "float32":
            return str(np.float32(value))
        case datetime():
            return value.isoformat(" ", "microseconds").rstrip("0").rstrip(".")
    return None if value is None else str(value)


def value_of(text: str, kind: str) -> Any:
    """Read a bound of `kind`, a type of DuckLake; text is given as it is and compares as DuckDB compares it."""
    if kind.startswith(("int", "uint")):
        return int(text)
    if kind.startswith("float"):
        return float(text)
    return datetime.fromisoformat(text) if kind == "timestamp" else text


def _of_column(chunks: list[Any]) -> ColumnStatistics | None:
    """Join the statistics of a column over its row groups."""
    kept = [(chunk, chunk.statistics) for chunk in chunks]
    if any(s is None or not s.has_null_count for _, s in kept):
        return None
    nulls = sum(s.null_count for _, s in kept)
    filled = [s for chunk, s in kept if chunk.num_values > s.null_count]
    bounded = all(s.has_min_max for s in filled)
    return ColumnStatistics(
        bytes=sum(chunk.total_compressed_size for chunk, _ in kept),
        values=sum(chunk.num_values for chunk, _ in kept) - nulls,
        nulls=nulls,
        low=min((s.min for s in filled), default=None) if bounded else None,
        high=max((s.max for s in filled), default=None) if bounded else None,
    )
