"""The lessons in full, and on real data where a developer has them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lessons.pages import PAGES
from tests.real_data import REAL, members, needs

Names = Callable[..., dict[str, Any]]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_lesson_runs_in_full(path: Path, names_of: Names) -> None:
    names_of(int(path.stem[:2]))


def test_five_folds_of_the_small_digits(names_of: Names) -> None:
    accuracy = names_of(1)["accuracy"]
    assert accuracy["linear_on_one_hot"] >= 0.93
    assert accuracy["softmax_regression"] >= 0.96
    assert accuracy["nearest_neighbour"] >= 0.96
    assert accuracy["svm_with_kernel"] >= 0.97
    assert names_of(4)["five_folds"] >= 0.96


@needs("digits")
def test_zero_against_one_of_mnist(names_of: Names) -> None:
    assert names_of(3, MNIST=str(REAL / "digits"))["accuracy"] >= 0.995


@needs("sounds/fsdd.tar")
def test_spoken_digits_by_speaker_and_at_random(names_of: Names, tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    for name, body in members("sounds/fsdd.tar"):
        (tmp_path / "recordings" / name).write_bytes(body)
    names = names_of(10, SOUNDS=str(tmp_path / "recordings"))
    assert names["right_random"].mean() > 0.9
    assert 0.5 < names["right_speaker"].mean() < names["right_random"].mean() - 0.1


@needs("digits")
def test_networks_of_mnist_and_of_moved_digits(names_of: Names) -> None:
    names = names_of(9, MNIST=str(REAL / "digits"))
    assert names["scores"]["CNN"] >= 0.97
    assert names["scores"]["CNN"] > names["scores"]["softmax"] + 0.03
    assert names["after_move"]["CNN, augmented"] > names["after_move"]["softmax"] + 0.05


@needs("digits")
def test_classifiers_of_mnist(names_of: Names) -> None:
    """Linear models of single pixels stay far below the figures of the small digits; see docs/log.md."""
    accuracy = names_of(1, MNIST=str(REAL / "digits"))["accuracy"]
    assert accuracy["nearest_neighbour"] > accuracy["softmax_regression"]
    assert accuracy["softmax_regression"] > accuracy["linear_on_one_hot"] > 0.75
    assert accuracy["svm_with_kernel"] >= 0.93
