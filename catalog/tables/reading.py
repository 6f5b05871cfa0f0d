"""Know statements that only read, by DuckDB's parser."""

from collections.abc import Sequence

import duckdb

_CREATE, _SELECT = duckdb.StatementType.CREATE, duckdb.StatementType.SELECT


def is_one_select(statements: Sequence[duckdb.Statement]) -> bool:
    """Say whether this is one SELECT (FROM, WITH, VALUES, DESCRIBE, SUMMARIZE and SHOW are such, too)."""
    return [statement.type for statement in statements] == [_SELECT] or is_pivot(statements)


def is_pivot(statements: Sequence[duckdb.Statement]) -> bool:
    """Know PIVOT without a list of values: the parser makes types of it and then a SELECT, all without own text."""
    if len(statements) < 2:
        return False
    *types, last = statements
    made = all(statement.type == _CREATE and not statement.query for statement in types)
    return made and last.type == _SELECT and not last.query
