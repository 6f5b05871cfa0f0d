import doctest

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from curation.exif.bin_edges import BINS, SETTINGS
from curation.exif.bins import to_bin
from training.data.arrays import MISSING
from training.fit.recipe import Labels
from training.heads import OrdinalHead
from training.models.layers import count_parameters
from training.recipes import RECIPES, exif
from training.recipes.exif import DEFAULT, FINE, RECIPE, SMOKE, fine_edges

stops = (
    st.none()
    | st.floats(-20, 20, allow_nan=False)
    | st.sampled_from([e for b in BINS.values() for e in b])
)


def index(values: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({f"{s}_stops": pl.Series(values, dtype=pl.Float64) for s in SETTINGS})


def heads() -> tuple[OrdinalHead, ...]:
    labels = Labels(pl.DataFrame(), {"bins": {name: list(edges) for name, edges in BINS.items()}})
    return RECIPE.heads(labels, SMOKE)  # type: ignore[return-value]  # all of them are


@given(st.lists(stops, min_size=1, max_size=20))
def test_every_value_falls_in_one_class_also_on_an_edge(values: list[float | None]) -> None:
    for head in heads():
        expected = to_bin(head.name, [float("nan") if v is None else v for v in values])
        assert head.truth(index(values)).tolist() == expected.tolist()


@given(st.lists(stops, min_size=1, max_size=20))
def test_a_fine_bin_lies_in_the_class_of_its_value(values: list[float | None]) -> None:
    for head in heads():
        fine, coarse = head.targets(index(values)), head.truth(index(values))
        has_label = coarse != MISSING
        assert (fine[~has_label] == MISSING).all()
        assert (head.merging()[fine[has_label]].argmax(1) == coarse[has_label]).all()


def test_there_are_twelve_fine_bins_and_class_edges_are_among_their_edges() -> None:
    for head in heads():
        assert head.fine == FINE
        assert head.merging().shape == (FINE, 3)
        assert head.merging().sum(0).tolist() == [5, 3, 4]
    for low, high in BINS.values():
        edges = fine_edges(low, high)
        assert len(edges) == FINE - 1
        assert np.isclose(edges, low).any()
        assert np.isclose(edges, high).any()


def test_networks_stay_small() -> None:
    assert count_parameters(RECIPE.network(SMOKE, heads())) < 200_000
    assert 100_000 < count_parameters(RECIPE.network(DEFAULT, heads())) < 1_000_000


def test_recipes_are_named_by_their_key() -> None:
    assert all(
        recipe.name == name and "smoke" in recipe.presets for name, recipe in RECIPES.items()
    )
    assert doctest.testmod(exif).failed == 0
