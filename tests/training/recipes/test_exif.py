import doctest

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, strategies as st

from curation.rules.bin_edges import BINS, SETTINGS
from curation.rules.bins import to_bin, to_stops
from training.data.arrays import MISSING
from training.fit.recipe import Labels
from training.fit.task import Task
from training.heads import AdversaryHead, OrdinalHead
from training.models import head_layers, patch_statistics, picture_and_patch_vectors
from training.models.encoders import load_encoder, open_encoders
from training.models.layers import count_parameters
from training.models.patch_statistics import PatchStatistics
from training.models.picture_and_patch_vectors import PictureAndPatchVectors
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


def settings_index(n: int = 24) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    columns = {f"{s}_stops": rng.uniform(-2, 6, n) for s in SETTINGS}
    return pl.DataFrame(columns | {"camera": ["a", "b", "c"] * (n // 3)}).with_columns(
        iso_stops=pl.when(pl.int_range(pl.len()) > 1).then("iso_stops")
    )


def labels_of(index: pl.DataFrame) -> Labels:
    return Labels(index, {"bins": {name: list(edges) for name, edges in BINS.items()}})


def test_scene_ev_is_the_fourth_head_where_all_three_settings_are_known() -> None:
    index = settings_index()
    *three, light = RECIPE.heads(labels_of(index), DEFAULT)
    assert [head.name for head in three] == list(SETTINGS)
    assert (light.name, light.in_panel) == ("scene_ev", False)
    truth = light.truth(index)
    assert np.isnan(truth[:2]).all()
    row = index.row(5, named=True)
    expected = row["f_number_stops"] - row["exposure_time_stops"] - row["iso_stops"]
    assert truth[5] == pytest.approx(expected)
    assert to_scene_ev(8.0, 100, 1 / 125) == pytest.approx(12.97, abs=0.01)
    nothing = index.with_columns(iso_stops=pl.lit(None, pl.Float64))
    assert len(RECIPE.heads(labels_of(nothing), DEFAULT)) == 3
    assert len(RECIPE.heads(labels_of(index), SMOKE)) == 3


def to_scene_ev(n: float, iso: float, seconds: float) -> float:
    """f/8, ISO 100 and 1/125 s suit 13 EV, as tables of exposure say."""
    stops = {"f_number": n, "iso": iso, "exposure_time": seconds}
    index = pl.DataFrame(
        {f"{name}_stops": to_stops(name, [each] * 5) for name, each in stops.items()}
    )
    *_, light = RECIPE.heads(labels_of(index), DEFAULT)
    return float(light.truth(index)[0])


def test_an_adversary_sees_common_cameras_only_and_leaves_the_finished_model() -> None:
    index = settings_index().with_columns(
        camera=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("rare")).otherwise("camera")
    )
    config = SMOKE.changed(["adversary=0.5"])
    *_, adversary = RECIPE.heads(labels_of(index), config)
    assert isinstance(adversary, AdversaryHead)
    assert (adversary.classes, adversary.is_auxiliary) == (("a", "b", "c"), True)
    task = Task.on(RECIPE, config, labels_of(index))
    kept, network = task.without_auxiliary(task.build())
    assert [head.name for head in kept.heads] == list(SETTINGS)
    assert set(network.heads) == set(SETTINGS)  # type: ignore[arg-type]  # a ModuleDict
    assert len(RECIPE.heads(labels_of(index.drop("camera")), config)) == 3


@pytest.mark.parametrize("size", [(1, 1), (7, 900), (480, 640)])
def test_the_encoder_sees_pictures_of_any_size(size: tuple[int, int]) -> None:
    config = DEFAULT.changed(["side=64"])
    view = RECIPE.view(config)
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    arrays = view.plain([view.prepare(pixels)])
    assert arrays["pictures"].shape == (1, 2, 3, 64, 64)
    [encoder] = open_encoders("lite0_patches")
    vectors = encoder.encode(arrays, torch.device("cpu"))
    assert vectors.shape == (1, 2, load_encoder("lite0_patches").dim)
    assert np.isfinite(vectors.astype(np.float16)).all()


def test_a_hidden_part_of_the_vector_does_not_matter() -> None:
    torch.manual_seed(0)
    backbone = PictureAndPatchVectors(dim=12, patch_dim=4, hidden=8).eval()
    one, other = torch.randn(3, 12), torch.randn(3, 12)
    for part, inside in (("thumbnail_only", slice(0, 8)), ("patches_only", slice(8, 12))):
        changed = other.clone()
        changed[:, inside] = one[:, inside]
        same = backbone({"vectors": changed}, part), backbone({"vectors": one}, part)
        assert torch.equal(*same)
        assert not torch.equal(backbone({"vectors": other}, part), same[1])


@pytest.mark.parametrize("module", [patch_statistics, picture_and_patch_vectors, head_layers])
def test_examples_of_the_layers_run(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module


def test_statistics_tell_noise_from_blur() -> None:
    rng = np.random.default_rng(1)
    clean = np.full((1, 4, 3, 64, 64), 120.0)
    noisy = (clean + rng.normal(0, 12, clean.shape)).clip(0, 255)
    flat, loud = (
        PatchStatistics()(torch.from_numpy(each.astype(np.uint8))) for each in (clean, noisy)
    )
    assert flat.shape == loud.shape == (1, PatchStatistics.dim)
    assert float(loud[0, 0] - flat[0, 0]) > 2  # log of the residual of luma in flat patches
