"""Which statements may run: the first of the walls, and the one that explains itself.

It judges the syntax tree that DuckDB's own parser makes, and gives back the text to run, which is the text that was
judged. What cannot be had as a tree is refused. What it lets through by mistake meets the walls behind it (DuckDB's
settings, the kernel's limits), which do not understand SQL and cannot be talked round.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from catalog.errors import QueryError
from catalog.sandbox.sql.allowed import SHOWN, Allowed, lower, words
from catalog.sandbox.sql.explain import split_explain, tokens, without_semicolons
from catalog.sandbox.sql.pivots import enum_sql, with_value_lists
from catalog.tables.reading import is_pivot
from catalog.workspace.error_lines import first_paragraph

DuckDB = duckdb.DuckDBPyConnection
Node = Mapping[str, Any]

_ONE = "give exactly one SELECT (or WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN) statement"
_BEGINNINGS = words(
    "( DESC DESCRIBE FROM PIVOT PIVOT_LONGER PIVOT_WIDER SELECT SHOW SUMMARIZE TABLE UNPIVOT VALUES WITH"
)

MAX_DEPTH = 500
"""Levels of the syntax tree that are looked at; nobody writes deeper ones by hand."""

_EXPRESSIONS = words(
    "BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT DEFAULT FUNCTION LAMBDA LAMBDA_REF OPERATOR "
    "PARAMETER POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW"
)
_PARTS = words(
    "BASE_TABLE CTE_NODE DISTINCT_MODIFIER EMPTY EXPRESSION_LIST JOIN LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER "
    "ORDER_MODIFIER PIVOT RECURSIVE_CTE_NODE SELECT_NODE SET_OPERATION_NODE SHOW_REF SUBQUERY TABLE_FUNCTION "
    "ASCENDING DESCENDING ORDER_DEFAULT"
)
"""Kinds of expressions, and of relations, queries and their clauses; DuckDB may learn others, which are refused."""


@dataclass(frozen=True)
class Checked:
    """A statement that may run: `sql`, and what must run before it."""

    sql: str
    before: tuple[str, ...] = ()


def check_statement(connection: DuckDB, sql: str, allowed: Allowed) -> Checked:
    """Refuse all but one statement that reads tables, and say what to run for it.

    Raises `QueryError`, which says what is wrong with the statement.
    """
    if "\0" in sql:
        raise QueryError("the statement holds a null character")
    tree = _tree(connection, sql)
    if not tree.get("error"):
        _check_tree(tree, allowed)
        return Checked(sql)
    if tree.get("error_type") == "parser":
        raise QueryError(f"Parser Error: {tree.get('error_message')}")
    if explain := split_explain(sql):
        how, explained = explain
        checked = check_statement(connection, explained, allowed)
        return replace(checked, sql=f"{how} {checked.sql}")
    sql = without_semicolons(sql)
    if is_pivot(parsed(connection, sql)):
        return _check_pivot(connection, sql, allowed)
    raise QueryError(_ONE)


def parsed(connection: DuckDB, sql: str) -> Sequence[duckdb.Statement]:
    """Parse one text that begins like a query; raises `QueryError` with what the parser says.

    DuckDB reads files when it parses IMPORT DATABASE and some PRAGMA, so a text that could hold these is not parsed,
    and `connection` must be one that may open no file.
    """
    words = [word.upper() for _, word in tokens(sql)]
    if not words or words[0] not in _BEGINNINGS or ";" in words:
        raise QueryError(_ONE)
    try:
        return connection.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(first_paragraph(error)) from error


def _check_pivot(connection: DuckDB, sql: str, allowed: Allowed) -> Checked:
    """Check a PIVOT that takes its columns from the data, which DuckDB's parser gives no tree of.

    It runs in the form that has one: with a type that lists the values.
    """
    rewritten = with_value_lists(sql, lambda text: len(parsed(connection, text)))
    tree = _tree(connection, rewritten)
    _check_tree(tree, allowed)
    types = tuple(enum_sql(connection, tree))
    for _, values in types:
        _check_tree(_tree(connection, values), allowed)
    before = tuple(f"CREATE TEMP TYPE {name} AS ENUM ({values})" for name, values in types)
    return Checked(rewritten, before)


def _tree(connection: DuckDB, sql: str) -> Node:
    """Parse a text and give its syntax tree, or a mapping with `error`; does nothing else."""
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    try:
        tree: Node = json.loads(row[0]) if row else {"error": True}
    except RecursionError as error:
        raise QueryError("the statement is nested too deeply") from error
    return tree


def _check_tree(tree: Node, allowed: Allowed) -> None:
    if tree.get("error") or len(tree["statements"]) != 1:
        raise QueryError(_ONE)
    nodes = list(_nodes(tree["statements"]))
    allowed = _with_expressions(nodes, allowed)
    for node in nodes:
        _check_node(node, allowed)


def _nodes(tree: Any) -> Iterator[Node]:
    """Give every object of the tree, without recursion: the depth is the sender's choice."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise QueryError("the statement is nested too deeply")
        if isinstance(node, dict):
            yield node
            waiting += [(value, depth + 1) for value in node.values()]
        elif isinstance(node, list):
            waiting += [(value, depth + 1) for value in node]


def _with_expressions(nodes: Sequence[Node], allowed: Allowed) -> Allowed:
    """Add the names of common table expressions to the relations.

    Where each of them can be seen does not matter: elsewhere such a name is that of nothing.
    """
    maps = [node["cte_map"]["map"] for node in nodes if "cte_map" in node]
    names = {str(entry["key"]) for entries in maps for entry in entries}
    names |= {str(node["cte_name"]) for node in nodes if "cte_name" in node}
    names |= {str(node["ctename"]) for node in nodes if "ctename" in node}
    for name in sorted(names):
        if not allowed.allows_expression_name(name):
            raise QueryError(f"{name[:80]!r} cannot name a part of a statement here")
    return replace(allowed, relations=allowed.relations | set(map(lower, names)))


def _check_node(node: Node, allowed: Allowed) -> None:
    if "class" in node:
        _check_expression(node, allowed)
    elif isinstance(kind := node.get("type"), str):
        if kind not in _PARTS and not kind.endswith("_TYPE_INFO"):
            raise QueryError(f"{kind.lower().replace('_', ' ')} is not allowed here")
        if kind in _CHECKS:
            _CHECKS[kind](node, allowed)


def _check_expression(node: Node, allowed: Allowed) -> None:
    if node["class"] not in _EXPRESSIONS:
        raise QueryError(f"{str(node['class']).lower()} is not allowed here")
    name = str(node.get("function_name", ""))
    schema, catalog = str(node.get("schema", "")), str(node.get("catalog", ""))
    # The function of a TABLE_FUNCTION is such a node, too: only `_check_table_function` lets it be one for tables only.
    either = allowed.allows_function, allowed.allows_table_function
    if name and not any(allows(name, schema, catalog) for allows in either):
        raise _no_function(name)


def _check_table_function(node: Node, allowed: Allowed) -> None:
    function = node.get("function") or {}
    name = str(function.get("function_name", ""))
    schema, catalog = str(function.get("schema", "")), str(function.get("catalog", ""))
    if not allowed.allows_table_function(name, schema, catalog):
        raise _no_function(name)


def _check_relation(node: Node, allowed: Allowed) -> None:
    parts = [str(node.get(f"{part}_name", "")) for part in ("catalog", "schema", "table")]
    if not allowed.allows_relation(*parts):
        name = ".".join(part for part in parts if part)
        raise QueryError(f"{name[:200]} is not a table of the catalog; list them with SHOW TABLES")


def _check_shown(node: Node, allowed: Allowed) -> None:  # noqa: ARG001 - one signature for all
    place = lower(str(node.get("catalog_name", ""))), lower(str(node.get("schema_name", "")))
    if str(node.get("table_name", "")) not in SHOWN or not set(place) <= {"", "lake", "main"}:
        raise QueryError("SHOW lists TABLES and ALL TABLES here, nothing else")


_CHECKS: dict[str, Callable[[Node, Allowed], None]] = {
    "BASE_TABLE": _check_relation,
    "TABLE_FUNCTION": _check_table_function,
    "SHOW_REF": _check_shown,
}


def _no_function(name: str) -> QueryError:
    return QueryError(
        f"{name[:80]} is not allowed here: statements read the tables of the catalog, no files and no settings"
    )
