"""Give a PIVOT without a list of values a form that has a syntax tree.

DuckDB's parser makes two statements of `PIVOT photos ON source USING count(*)`: one that makes a type of the values of
`source`, and a SELECT; neither can be had as a tree or as text. `PIVOT photos ON source IN a_type USING count(*)` is
one SELECT with a tree. So the name of a type is put in, and the statement that makes the type is built from the tree.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import duckdb

from catalog.errors import QueryError
from catalog.sandbox.sql.explain import tokens

PREFIX = "__safelight_pivot_"
_ENDS = frozenset(
    ["USING", "GROUP", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT", ",", ")", ";"]
)
"""Before these (and at the end) the list of values of a PIVOT may stand."""
_MOST_TRIES = 2_000
_VALUES = 'SELECT DISTINCT CAST("pivoted" AS VARCHAR) AS v FROM "source" WHERE "pivoted" IS NOT NULL ORDER BY v'
_SAY_THEM = "write the values of this PIVOT out: PIVOT ... ON column IN ('a', 'b')"


def with_value_lists(sql: str, count: Callable[[str], int]) -> str:
    """Put the name of a type after each PIVOT's column that lacks values; raises `QueryError` when that fails.

    `count` tells how many statements the parser makes of a text: one less for each list that is in its right place.
    """
    if PREFIX in sql:
        raise QueryError(f"{PREFIX} is a reserved name")
    left, tries = count(sql) - 1, 0
    for number in range(left):
        for place in _candidates(sql):
            tries += 1
            if tries > _MOST_TRIES:
                raise QueryError(_SAY_THEM)
            tried = f"{sql[:place]}\n IN {PREFIX}{number} {sql[place:]}"
            if _count(tried, count) == left - number:
                sql = tried
                break
        else:
            raise QueryError(_SAY_THEM)
    return sql


def _candidates(sql: str) -> Iterator[int]:
    after_on = False
    for place, word in tokens(sql):
        if after_on and word.upper() in _ENDS:
            yield place
        after_on = after_on or word.upper() == "ON"
    if after_on:
        yield len(sql)


def _count(sql: str, count: Callable[[str], int]) -> int:
    try:
        return count(sql)
    except QueryError:
        return -1


def enum_sql(
    connection: duckdb.DuckDBPyConnection, tree: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Give the types that the tree of a statement needs: name, and the SELECT of its values."""
    row = connection.execute("SELECT json_serialize_sql(?)", [_VALUES]).fetchone()
    template = json.loads(row[0]) if row else {}
    for expressions, pivot, column in _pivots(tree["statements"], []):
        if len(column["pivot_expressions"]) != 1:
            raise QueryError(_SAY_THEM)
        made = _filled(template, pivot["source"], column["pivot_expressions"][0])
        made["statements"][0]["node"]["cte_map"] = {"map": expressions}
        written = connection.execute(
            "SELECT json_deserialize_sql(?::JSON)", [json.dumps(made)]
        ).fetchone()
        yield column["pivot_enum"], written[0] if written else ""


def _pivots(tree: Any, expressions: list[Any]) -> Iterator[tuple[list[Any], Any, Any]]:
    """Find columns that lack values: with the common table expressions that they can see, and their PIVOT."""
    if isinstance(tree, dict):
        for entry in tree.get("cte_map", {}).get("map", []):
            kept = [known for known in expressions if known["key"] != entry["key"]]
            yield from _pivots(entry, list(expressions))
            expressions = [*kept, entry]
        if tree.get("type") == "PIVOT":
            for column in tree["pivots"]:
                if str(column["pivot_enum"]).startswith(PREFIX):
                    yield expressions, tree, column
        for name, value in tree.items():
            if name != "cte_map":
                yield from _pivots(value, expressions)
    elif isinstance(tree, list):
        for value in tree:
            yield from _pivots(value, expressions)


def _filled(tree: Any, source: Any, pivoted: Any) -> Any:
    """Copy the template with the source and the column in their places."""
    if isinstance(tree, Sequence) and not isinstance(tree, str):
        return [_filled(value, source, pivoted) for value in tree]
    if not isinstance(tree, Mapping):
        return tree
    if tree.get("type") == "BASE_TABLE":
        return source
    if tree.get("class") == "COLUMN_REF" and tree["column_names"] == ["pivoted"]:
        return pivoted
    return {name: _filled(value, source, pivoted) for name, value in tree.items()}
