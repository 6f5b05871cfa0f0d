"""Build Arrow tables that fit the contract of a catalog table."""

from collections.abc import Iterable, Mapping

import pyarrow as pa

from catalog.errors import SegmentError
from catalog.tables.tables_by_name import TABLES


def rows(table: str, records: Iterable[Mapping[str, object]]) -> pa.Table:
    """Type records by the contract of `table`; a missing column becomes null.

    Raises `SegmentError` on an unknown table or column, or a value of the wrong type.
    """
    schema = contract(table)
    names = set(schema.names)
    listed = list(records)
    if strange := {name for record in listed for name in record} - names:
        raise SegmentError(f"{table} has no column {', '.join(sorted(strange))}")
    try:
        return pa.Table.from_pylist(listed, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise SegmentError(f"a row does not fit {table}: {error}") from error


def contract(table: str) -> pa.Schema:
    """Give the schema of `table`; raises `SegmentError` if there is none of this name."""
    if table not in TABLES:
        raise SegmentError(f"no table {table!r}; known: {', '.join(sorted(TABLES))}")
    return TABLES[table].schema


def fit(table: str, given: pa.Table) -> pa.Table:
    """Order and cast the columns of `given` to the contract; missing ones become null."""
    schema = contract(table)
    if strange := set(given.column_names) - set(schema.names):
        raise SegmentError(f"{table} has no column {', '.join(sorted(strange))}")
    columns = [
        given[field.name] if field.name in given.column_names else pa.nulls(len(given), field.type)
        for field in schema
    ]
    try:
        cast = [column.cast(field.type) for column, field in zip(columns, schema, strict=True)]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SegmentError(f"rows do not fit {table}: {error}") from error
    return pa.Table.from_arrays(cast, schema=schema)
