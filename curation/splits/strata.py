"""Strata of a split: classes of the camera settings, or of the labels of the plan."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from curation.rules.bin_edges import BIN_NAMES, SETTINGS

MAX_CLASSES: Final = 20  # of a text label; the rarest together are one more
FEW_NUMBERS: Final = 10  # up to so many different numbers, each is a class
PARTS: Final = 5  # into which a scale of more numbers is divided


@dataclass(frozen=True)
class Stratum:
    """One setting or label: its name, the integer column with class numbers (null: unknown), names of classes."""

    name: str
    column: str
    classes: tuple[str, ...]


SETTING_STRATA: Final = tuple(Stratum(name, f"{name}_bin", BIN_NAMES) for name in SETTINGS)


def with_label_classes(
    items: pl.DataFrame, tasks: Sequence[str]
) -> tuple[pl.DataFrame, tuple[Stratum, ...]]:
    """Add a column `class:<task>` for each task, from the text column `label:<task>`, and describe them."""
    strata = []
    for task in tasks:
        numbers, names = classes_of(items[f"label:{task}"])
        items = items.with_columns(numbers.alias(f"class:{task}"))
        if names:  # a task without a label has no classes
            strata.append(Stratum(task, f"class:{task}", names))
    return items, tuple(strata)


def strata_of(labelled: tuple[Stratum, ...], *, only_labels: bool) -> tuple[Stratum, ...]:
    """Give the strata of a run: its labels where it is curated for labels, else the settings and the labels."""
    return labelled if only_labels and labelled else (*SETTING_STRATA, *labelled)


def label_parts(items: pl.DataFrame, strata: Sequence[Stratum]) -> dict[str, dict[str, object]]:
    """Give edges and names of the parts of each label that is a scale; a release counts by them."""
    return {
        each.name: {"edges": edges, "names": each.classes}
        for each in strata
        if f"label:{each.name}" in items.columns
        and (edges := part_edges(items[f"label:{each.name}"])) is not None
    }


def classes_of(values: pl.Series) -> tuple[pl.Series, tuple[str, ...]]:
    """Give the class number of each label (null stays null) and the names of the classes.

    Many different numbers are divided into five parts of equal size; rare text labels become one class `others`.

    >>> classes_of(pl.Series(["cat", "dog", None, "cat"]))[1]
    ('cat', 'dog')
    """
    if (edges := part_edges(values)) is not None:
        return _cut(values.cast(pl.Float64, strict=False), edges)
    counts = (
        values.drop_nulls()
        .value_counts(name="n")
        .sort(["n", values.name], descending=[True, False])
    )
    names = counts[values.name].to_list()
    frequent = names if len(names) <= MAX_CLASSES else names[:MAX_CLASSES]
    number_of = {name: number for number, name in enumerate(frequent)}
    numbers = [None if value is None else number_of.get(value, len(frequent)) for value in values]
    return pl.Series(numbers, dtype=pl.Int32), (
        *frequent,
        *(["others"] if len(frequent) < len(names) else []),
    )


def numbers_of(values: pl.Series) -> pl.Series | None:
    """Read labels as numbers; None when they are text, or too few different numbers to be a scale."""
    values_present = values.drop_nulls()
    numbers = values.cast(pl.Float64, strict=False)
    is_number = values_present.len() == numbers.drop_nulls().is_finite().sum()
    return numbers if is_number and values_present.n_unique() > FEW_NUMBERS else None


def part_edges(values: pl.Series) -> list[float] | None:
    """Give the inner edges of the parts into which a scale is divided, None for other labels.

    A value that equals an edge is in the part below it.
    """
    numbers = numbers_of(values)
    if numbers is None:
        return None
    inner = np.quantile(numbers.drop_nulls().to_numpy(), np.arange(1, PARTS) / PARTS)
    return sorted(set(inner.tolist()))


def _cut(numbers: pl.Series, edges: list[float]) -> tuple[pl.Series, tuple[str, ...]]:
    numbers_of_parts = np.searchsorted(edges, numbers.fill_null(0.0).to_numpy(), side="left")
    classes = pl.Series(numbers_of_parts, dtype=pl.Int32).set(numbers.is_null(), None)
    spans = itertools.pairwise(edges)
    names = [f"up to {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in spans), f"above {edges[-1]:g}"]
    return classes, tuple(names)
