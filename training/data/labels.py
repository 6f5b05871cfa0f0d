"""Labels of a release: a column of its index, or an SQL expression over its columns."""

from collections.abc import Mapping, Sequence

import polars as pl

from training.errors import LabelExpressionError


def label_values(index: pl.DataFrame, column: str) -> pl.Series:
    """Return the values of a label, (N,), named by the column or by the alias of the expression.

    Raises LabelExpressionError where neither a column has this name nor polars can compute it.

    >>> label_values(pl.DataFrame({"iso": [100, 800]}), "iso > 400 AS noisy").to_list()
    [False, True]
    """
    if column in index.columns:
        return index[column]
    try:
        return index.select(pl.sql_expr(column)).to_series()
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0].partition("; valid columns:")[0]
        raise LabelExpressionError(column, reason, index.columns) from error


def sql_of_kinds(column: str, kinds: Mapping[str, Sequence[str]], edges: str = "/") -> str:
    """Write the SQL cases that map values to kinds by their words, the first kind first; END is the caller's.

    A word counts where it stands alone between the ends of the value and the characters `edges`, in any case.

    >>> index = pl.DataFrame({"class": ["Good/rome", "bad", "goodbye"]})
    >>> label_values(index, sql_of_kinds("class", {"low": ["bad"], "high": ["good"]}) + " END").to_list()
    ['high', 'low', None]
    """
    form = "WHEN REGEXP_LIKE(LOWER(CAST({0} AS VARCHAR)), '(^|[{1}])({2})([{1}]|$)') THEN '{3}'"
    cases = (form.format(column, edges, "|".join(words), name) for name, words in kinds.items())
    return f"CASE {' '.join(cases)}"
