"""The recipe `fakes`: its labels, its averaged networks, and a whole training on made pictures."""

import numpy as np
import polars as pl
import pytest
import torch

from training.data.labels import label_values
from training.errors import NoLabelError
from training.fit.recipe import Labels
from training.heads import BinaryHead
from training.recipes.fakes import DEFAULT, RECIPE, SMOKE, expression, heads, network


def head(index: pl.DataFrame, *options: str) -> BinaryHead:
    [made] = heads(Labels(index, {}), SMOKE.changed(options))
    assert isinstance(made, BinaryHead)
    return made


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("class", ["fake", "real", "Fake", "REAL"]),
        ("folder", ["train/fake/gan", "real", "test/fake", "old/real/unsplash"]),
        ("real_or_fake", ["generated", "photo", "deepfake", "original"]),
        ("is_fake", [True, False, True, False]),
        ("synthetic", [1, 0, 1, 0]),
    ],
)
def test_the_label_is_found_in_any_spelling(column: str, values: list[object]) -> None:
    made = head(pl.DataFrame({"class": ["a", "b", "c", "d"]} | {column: values}))
    assert made.truth(pl.DataFrame({column: values})).tolist() == [1, 0, 1, 0]
    assert made.classes == ("real", "fake")


def test_pictures_of_sources_of_photographs_are_real_and_others_without_a_label_are_masked() -> (
    None
):
    index = pl.DataFrame(
        {"class": ["fake", None, None, "other"], "source": ["folder", "utkface", "folder", "folder"]}
    )  # fmt: skip
    assert head(index).truth(index).tolist() == [1, 0, -1, -1]


def test_a_label_that_is_no_such_label_is_refused() -> None:
    with pytest.raises(NoLabelError, match="real_or_fake"):
        heads(Labels(pl.DataFrame({"class": ["cat", "dog"]}), {}), SMOKE)
    with pytest.raises(NoLabelError, match="kind"):
        head(pl.DataFrame({"class": ["cat", "dog"]}), "label=kind")
    with pytest.raises(NoLabelError, match="real"):  # true of a column is_real does not mean fake
        head(pl.DataFrame({"is_real": [True, False]}), "label=is_real")


def test_the_networks_differ_and_their_probabilities_are_averaged() -> None:
    made = head(pl.DataFrame({"class": ["fake", "real"]}))
    both = network(SMOKE, (made,)).eval()
    vectors = {"vectors": torch.randn(8, both.backbones[0].mean.numel())}
    alone = [member(vectors)[made.name].exp() for member in both.members]
    assert len(alone) == SMOKE.networks
    assert not torch.allclose(alone[0], alone[1])
    torch.testing.assert_close(both(vectors)[made.name].exp(), torch.stack(alone).mean(0))


def test_degraded_copies_are_trained_on_and_not_predicted_on() -> None:
    view = RECIPE.view(DEFAULT)
    assert (view.variants, view.plain_variants) == (DEFAULT.variants, 2)


def test_the_expression_keeps_quotes_and_case() -> None:
    index = pl.DataFrame({"class": ["AI", "it's real", "aim"]})
    assert label_values(index, expression("class", index)).to_list() == ["fake", None, None]
    assert np.all(head(pl.DataFrame({"class": ["AI", "real"]})).truth(index) == [1, -1, -1])
