"""Each lesson runs small once, whatever looks at it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch

from tests.lessons.pages import run_lesson

Lesson = Callable[..., tuple[dict[str, Any], Path]]


@pytest.fixture(scope="session")
def small_lessons() -> dict[int, tuple[dict[str, Any], Path]]:
    """The names and the folder of each lesson that has run."""
    return {}


@pytest.fixture
def small_lesson(
    small_lessons: dict[int, tuple[dict[str, Any], Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Lesson:
    """Give the names of a lesson and the folder it drew into."""

    def lesson(number: int) -> tuple[dict[str, Any], Path]:
        if number not in small_lessons:
            names = run_lesson(number, tmp_path, monkeypatch, LESSON="small")
            small_lessons[number] = names, tmp_path
        return small_lessons[number]

    return lesson


@pytest.fixture
def names_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run a lesson with variables of the environment; in full unless LESSON="small" is one of them."""
    return lambda number, **environment: run_lesson(number, tmp_path, monkeypatch, **environment)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Close the plots of a page; give its threads and its random state back."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    plt.close("all")
    torch.set_num_threads(threads)
    torch.set_rng_state(state)
