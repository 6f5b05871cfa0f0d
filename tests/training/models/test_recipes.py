import doctest

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from curation.exif.bin_edges import BINS, SETTINGS
from curation.exif.bins import to_bin
from training.models.losses import MISSING
from training.recipes import RECIPES, exif_targets
from training.recipes.exif_targets import FINE, coarse_targets, fine_edges, fine_targets, merging

stops = (
    st.none()
    | st.floats(-20, 20, allow_nan=False)
    | st.sampled_from([e for b in BINS.values() for e in b])
)


def index(values: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({f"{s}_stops": pl.Series(values, dtype=pl.Float64) for s in SETTINGS})


@given(st.lists(stops, min_size=1, max_size=20))
def test_every_value_falls_in_one_class_also_on_an_edge(values: list[float | None]) -> None:
    coarse = coarse_targets(index(values), BINS)
    for column, setting in enumerate(SETTINGS):
        expected = to_bin(setting, [float("nan") if v is None else v for v in values])
        assert coarse[:, column].tolist() == expected.tolist()


@given(st.lists(stops, min_size=1, max_size=20))
def test_a_fine_bin_lies_in_the_class_of_its_value(values: list[float | None]) -> None:
    fine, coarse = fine_targets(index(values), BINS), coarse_targets(index(values), BINS)
    has_label = coarse != MISSING
    assert (fine[~has_label] == MISSING).all()
    assert (merging().numpy()[fine[has_label]].argmax(1) == coarse[has_label]).all()


def test_there_are_twelve_fine_bins_and_class_edges_are_among_their_edges() -> None:
    for low, high in BINS.values():
        edges = fine_edges(low, high)
        assert len(edges) == FINE - 1
        assert np.isclose(edges, low).any()
        assert np.isclose(edges, high).any()


def test_recipes_are_named_by_their_key() -> None:
    assert all(
        recipe.name == name and "smoke" in recipe.presets for name, recipe in RECIPES.items()
    )
    assert doctest.testmod(exif_targets).failed == 0
