"""Labels of a release: a column of its index, or an SQL expression over its columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from training.data.arrays import Ints
from training.errors import LabelExpressionError, NoLabelError, RareClassesError

FEWEST_OF_CLASS = 5  # files; a rarer class is no class, and its files have no label


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


def only_class_label(manifest: Mapping[str, Any]) -> str:
    """Return the only label of a release with classes; numbers on a scale, such as an age, are left out.

    Raises NoLabelError where there are several or none.
    """
    from catalog import label_columns

    plan = manifest.get("plan", {})
    existing = label_columns(plan)
    classes = [name for name in existing if name not in plan.get("label_parts", {})]
    if len(classes) != 1:
        raise NoLabelError("", existing)
    return classes[0]


def frequent_classes(index: pl.DataFrame, column: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of a label and its classes that are common enough, numbers in their order.

    Raises RareClassesError for fewer than two of them, and LabelExpressionError.
    """
    values = label_values(index, column).drop_nulls()
    return values.name, common_classes(values)


def common_classes(values: pl.Series) -> tuple[str, ...]:
    """Name the values of at least five files, sorted; raises RareClassesError for fewer than two of them."""
    counts = values.value_counts()
    common = counts.filter(counts["count"] >= FEWEST_OF_CLASS)[values.name].sort()
    if len(common) < 2:
        raise RareClassesError(values.name, FEWEST_OF_CLASS)
    return tuple(common.cast(str).to_list())


def group_numbers(index: pl.DataFrame) -> Ints:
    """Return a number for the group of each row, (N,); a row without a group is one of its own."""
    keys = index.select(pl.coalesce("group_id", "asset_sha256")).to_series()
    return np.asarray(np.unique(keys.to_numpy().astype(str), return_inverse=True)[1], np.int64)
