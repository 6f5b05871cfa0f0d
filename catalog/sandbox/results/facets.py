"""Facets of a result: how often values and ranges of numbers occur, each with the SQL that selects it.

A column with more values than half of the rows names rows and is left out; so are lists, structures and many times.
"""

import json
from itertools import pairwise
from typing import Any

import duckdb
import pyarrow as pa

from catalog.sandbox.results.formats import Sink, quoted_name

MOST_COLUMNS = 60
RANGES = 4
LONGEST = 200
"""Characters of a value; longer ones are texts to read, and are left out."""
_MEASURES = "count(DISTINCT {0}) AS n_distinct, count(*) - count({0}) AS n_missing, max(length(CAST({0} AS VARCHAR)))"


def write_facets(
    connection: duckdb.DuckDBPyConnection, result: pa.Table, most: int, sink: Sink
) -> None:
    """Write the facets of a result as JSON: of each column at most `most` values, the most frequent first."""
    connection.register("result", result)
    listed = [field for field in result.schema if not _is_left_out(field.type)]
    facets = [_facet(connection, field, result.num_rows, most) for field in listed[:MOST_COLUMNS]]
    payload = {"n_rows": result.num_rows, "facets": [each for each in facets if each is not None]}
    sink.write(json.dumps(payload, ensure_ascii=False).encode())


def _is_left_out(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    )


def _facet(
    connection: duckdb.DuckDBPyConnection, field: pa.Field, n_rows: int, most: int
) -> dict[str, Any] | None:
    column = quoted_name(field.name)
    row = connection.execute(f"SELECT {_MEASURES.format(column)} FROM result").fetchone()
    n_distinct, n_missing, longest = row or (0, 0, 0)
    about = {"column": field.name, "n_distinct": n_distinct}
    is_number = (
        pa.types.is_integer(field.type)
        or pa.types.is_floating(field.type)
        or pa.types.is_decimal(field.type)
    )
    if is_number and n_distinct > most:
        return about | {"values": [*_ranges(connection, column), *_missing(column, n_missing)]}
    is_key = n_distinct > most and (n_distinct > n_rows / 2 or pa.types.is_temporal(field.type))
    if is_key or n_distinct + bool(n_missing) < 2 or (longest or 0) > LONGEST:
        return None
    return about | {"values": [*_values(connection, field, most), *_missing(column, n_missing)]}


def _values(
    connection: duckdb.DuckDBPyConnection, field: pa.Field, most: int
) -> list[dict[str, Any]]:
    column = quoted_name(field.name)
    is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    text = column if is_text else f"CAST({column} AS VARCHAR)"
    rows = connection.execute(
        f"SELECT {text} AS value, count(*) AS n FROM result WHERE {column} IS NOT NULL "
        f"GROUP BY value ORDER BY n DESC, value LIMIT {most:d}"
    ).fetchall()
    return [{"value": value, "n": n, "where": f"{text} = {_literal(value)}"} for value, n in rows]


def _ranges(connection: duckdb.DuckDBPyConnection, column: str) -> list[dict[str, Any]]:
    """Cut the finite numbers at their quartiles."""
    number = f"CAST({column} AS DOUBLE)"
    shares = [each / RANGES for each in range(RANGES + 1)]
    row = connection.execute(
        f"SELECT quantile_disc({number}, {shares}) FROM result WHERE isfinite({number})"
    ).fetchone()
    edges = sorted(set(row[0] or ())) if row else []
    ranges = []
    for low, high in pairwise(edges):
        end = "<=" if high == edges[-1] else "<"
        where = f"{number} >= {low!r} AND {number} {end} {high!r}"
        n = connection.execute(f"SELECT count(*) FROM result WHERE {where}").fetchone()
        ranges.append({"low": low, "high": high, "n": n[0] if n else 0, "where": where})
    return ranges


def _missing(column: str, n_missing: int) -> list[dict[str, Any]]:
    return [{"value": None, "n": n_missing, "where": f"{column} IS NULL"}] if n_missing else []


def _literal(text: str) -> str:
    """Write a text as SQL.

    >>> _literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
