"""Labels of a release: a column of its index, or an SQL expression over its columns."""

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
