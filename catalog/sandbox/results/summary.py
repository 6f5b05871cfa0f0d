"""The SUMMARIZE of a result, also where a value of it is out of range."""

import json

import duckdb
import pyarrow as pa

from catalog.sandbox.results.formats import Sink, quoted_name, values


def write_summary(connection: duckdb.DuckDBPyConnection, result: pa.Table, sink: Sink) -> None:
    """Write minimum, maximum, quartiles and more of each column as JSON."""
    connection.register("result", result)
    try:
        summary = connection.sql("SUMMARIZE result").to_arrow_table()
    except duckdb.OutOfRangeException:  # of one column: an infinite value, or too large a deviation
        parts = [_column_summary(connection, name) for name in result.column_names]
        summary = pa.concat_tables(part.cast(_SUMMARY) for part in parts)
    connection.register("summary", summary)
    payload = {"columns": summary.column_names, "rows": values(connection, "summary")}
    sink.write(json.dumps(payload, ensure_ascii=False).encode())


_SUMMARY = pa.schema(
    [
        *((name, pa.string()) for name in ("column_name", "column_type", "min", "max")),
        ("approx_unique", pa.int64()),
        *((name, pa.string()) for name in ("avg", "std", "q25", "q50", "q75")),
        ("count", pa.int64()),
        ("null_percentage", pa.decimal128(9, 2)),
    ]
)
"""What SUMMARIZE gives."""


def _column_summary(connection: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    """Summarise one column; mean and deviation are left out where they are out of range."""
    column = quoted_name(name)
    try:
        return connection.sql(f"SUMMARIZE SELECT {column} FROM result").to_arrow_table()
    except duckdb.OutOfRangeException:
        parts = ", ".join(
            f"CAST(quantile_disc({column}, {share}) AS VARCHAR) AS q{share * 100:.0f}"
            for share in (0.25, 0.5, 0.75)
        )
        return connection.execute(
            f"SELECT ? AS column_name, any_value(typeof({column})) AS column_type, "
            f"CAST(min({column}) AS VARCHAR) AS min, CAST(max({column}) AS VARCHAR) AS max, "
            f"approx_count_distinct({column}) AS approx_unique, NULL::VARCHAR AS avg, NULL::VARCHAR AS std, {parts}, "
            "count(*) AS count, "
            f"CAST(100 * (count(*) - count({column})) / count(*) AS DECIMAL(9, 2)) AS null_percentage "
            "FROM result",
            [name],
        ).to_arrow_table()
