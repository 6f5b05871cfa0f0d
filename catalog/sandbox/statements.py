"""Which statements may run: the first of the walls, and the one that explains itself.

It says no to what is no reading of the tables, by DuckDB's own parser. What it lets through by mistake meets the walls
behind it (DuckDB's settings, the kernel's limits), which do not understand SQL and cannot be talked round.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from catalog.errors import QueryError
from catalog.reading import is_pivot

_ONE = "give exactly one SELECT (or WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN) statement"
_READS = duckdb.StatementType.SELECT
_EXPLAIN = re.compile(
    r"\s*EXPLAIN\b(\s*ANALYZE\b)?(\s*\(\s*(ANALYZE|FORMAT\s+\w+|[\s,])*\))?", re.IGNORECASE
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TABLE_FUNCTIONS = _words(
    "duckdb_columns duckdb_functions duckdb_keywords duckdb_schemas duckdb_tables duckdb_types duckdb_views "
    "generate_series generate_subscripts histogram histogram_values icu_calendar_names json_each json_tree "
    "pg_timezone_names pragma_show pragma_table_info pragma_version range regexp_split_to_table repeat repeat_row "
    "summary unnest"
)
"""Table functions that make rows from nothing, from their arguments or from what the schema says."""

HIDDEN_FUNCTIONS = _words(
    "current_setting getenv getvariable write_log parse_duckdb_log_message json_execute_serialized_sql "
    "json_serialize_plan nextval currval"
)
"""Scalar functions that look at the process and not at the data."""

HIDDEN_TABLES = re.compile(
    r"ducklake_|__ducklake|pg_settings|pragma_(?!table_info|version|show)"
    r"|duckdb_(?!columns$|functions$|keywords$|schemas$|tables$|types$|views$)",
    re.IGNORECASE,
)
SCHEMAS = frozenset(["", "lake", "main", "memory", "system", "information_schema", "pg_catalog"])

MAX_DEPTH = 500
"""Levels of the syntax tree that are looked at; nobody writes deeper ones by hand."""


def check_statement(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse all but one statement that reads tables; raises `QueryError` which says what is wrong with it."""
    if "\0" in sql:
        raise QueryError("the statement holds a null character")
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(" ".join(str(error).split("\n\n")[0].split())) from error
    kinds = [statement.type for statement in statements]
    if is_pivot(statements):
        _check_words(connection, sql)
    elif kinds == [_READS]:
        _check_tree(connection, statements[0].query)
    elif kinds == [duckdb.StatementType.EXPLAIN] and (found := _EXPLAIN.match(sql)):
        check_statement(connection, sql[found.end() :])
    else:
        raise QueryError(_ONE)


def _check_words(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Look for forbidden names in a text that cannot be had as a tree; comments may stand before a parenthesis."""
    if re.search(r"\bU&", sql, re.IGNORECASE):
        raise QueryError("write names without U& escapes")
    known = connection.execute(_NAMED).fetchall()
    refused = {name for (name,) in known} - TABLE_FUNCTIONS
    gap = r"\"?(?:\s|/\*.*?\*/|--[^\n]*\n)*"
    for word in set(re.findall(rf"(\w+)(?={gap}\()", sql, re.DOTALL)):
        if word.lower() in refused | HIDDEN_FUNCTIONS:
            raise _no_function(word)
    for word in set(re.findall(r"\w+", sql)):
        if HIDDEN_TABLES.match(word):
            raise _no_function(word)


_NAMED = (
    "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
    "WHERE function_type IN ('table', 'table_macro', 'pragma')"
)


def _check_tree(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    try:
        tree = json.loads(row[0]) if row else {"error": True}
    except RecursionError as error:
        raise QueryError("the statement is nested too deeply") from error
    if tree.get("error"):
        raise QueryError(f"{_ONE}; {tree.get('error_message', '')}")
    for node in _nodes(tree["statements"]):
        _check_node(node)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Give every object of the tree, without recursion: the depth is the sender's choice."""
    waiting = [(tree, 0)]
    while waiting:
        found, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise QueryError("the statement is nested too deeply")
        if isinstance(found, dict):
            yield found
            waiting += [(value, depth + 1) for value in found.values()]
        elif isinstance(found, list):
            waiting += [(value, depth + 1) for value in found]


def _check_node(node: dict[str, Any]) -> None:
    kind = node.get("type")
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", ""))
        if name.lower() not in TABLE_FUNCTIONS:
            raise _no_function(name)
    elif node.get("class") == "FUNCTION":
        name = str(node.get("function_name", ""))
        if name.lower() in HIDDEN_FUNCTIONS:
            raise _no_function(name)
    elif kind in ("BASE_TABLE", "SHOW_REF"):
        _check_table(
            *(str(node.get(f"{part}_name", "")) for part in ("catalog", "schema", "table"))
        )


def _check_table(catalog: str, schema: str, table: str) -> None:
    if HIDDEN_TABLES.match(table) or not {catalog.lower(), schema.lower()} <= SCHEMAS:
        name = ".".join(part for part in (catalog, schema, table) if part)
        raise QueryError(f"{name} is no table of the catalog; list them with SHOW TABLES")


def _no_function(name: str) -> QueryError:
    return QueryError(
        f"{name} is not allowed here: statements read the tables of the catalog, no files and no settings"
    )
