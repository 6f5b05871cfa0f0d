"""A loader goes on exactly where it was: after any step, on other ranks and threads, and after a kill."""

import json
import multiprocessing
import random
import signal
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import safelight
from catalog import UsageError
from tests.training.data.conftest import Published
from tests.training.data.killed_loader import SEED, fingerprints, train
from training.data.loader import Loader

KILLS = 20


def open_loader(published: Published, **options: Any) -> Loader:
    given_options = {
        "size": 12,
        "batch_size": 8,
        "threads": 2,
        "workspace": published.home,
    } | options
    return safelight.loader("pets", **given_options)


@settings(max_examples=10)
@given(
    stop=st.integers(1, 9),
    before=st.tuples(st.integers(1, 3), st.integers(1, 4), st.sampled_from([3, 4, 8])),
    after=st.tuples(st.integers(1, 3), st.integers(1, 4), st.sampled_from([2, 5, 8])),
    sampler=st.sampled_from(["uniform", "sequential", "block:2", "balanced", "balanced:breed"]),
)
def test_after_any_step_the_rest_comes_on_any_ranks_and_threads(
    published: Published,
    stop: int,
    before: tuple[int, int, int],
    after: tuple[int, int, int],
    sampler: str,
) -> None:
    options = {"sampler": sampler, "crop": "random", "flip": True}
    with open_loader(published, **options) as loader:
        whole = [each for _ in range(2) for batch in loader for each in fingerprints(batch)]
    pictures, state = _steps(published, options, before, stop)
    rest, _ = _steps(published, options, after, 100, json.loads(json.dumps(state)))
    assert [*pictures, *rest] == whole


def _steps(
    published: Published,
    options: dict[str, Any],
    how: tuple[int, int, int],
    steps: int,
    state: dict[str, Any] | None = None,
) -> tuple[list[list[str]], dict[str, Any]]:
    """Go on for some steps of two epochs; return the pictures of all ranks, and the state."""
    ranks, threads, batch_size = how
    loaders = [
        open_loader(published, rank=rank, world_size=ranks, threads=threads, batch_size=batch_size, **options)
        for rank in range(ranks)
    ]  # fmt: skip
    for loader in loaders if state else ():
        loader.load_state_dict(state or {})
    pictures: list[list[str]] = []
    for _ in range(loaders[0].epoch, 2):
        for step in zip(*loaders, strict=True):
            pictures += [each for batch in step for each in fingerprints(batch)]
            steps -= 1
            if not steps:
                return pictures, loaders[-1].state_dict()
    return pictures, loaders[-1].state_dict()


def test_a_state_fits_only_its_own_pictures_and_order(published: Published) -> None:
    with open_loader(published) as loader:
        next(iter(loader))
        state = loader.state_dict()
        assert (state["epoch"], state["position"]) == (0, 8)
    for options, text in [
        ({"seed": 1}, "seed 0, and this loader has 1"),
        ({"where": "iso > 200"}, "where ''"),
        ({"split": "train"}, "split None"),
        ({"sampler": "block"}, "sampler 'uniform'"),
        ({"epoch_size": 20}, "epoch_size None"),
    ]:
        with open_loader(published, **options) as other, pytest.raises(UsageError, match=text):
            other.load_state_dict(state)
    with open_loader(published) as loader, pytest.raises(UsageError, match="not a state"):
        loader.load_state_dict({"epoch": 1})


def test_buckets_go_on_with_batches_of_the_same_size_only(published: Published) -> None:
    with open_loader(published, sampler="buckets") as loader:
        batches = [fingerprints(batch) for batch in loader]
        next(iter(loader))
        loader.set_epoch(0)
        next(iter(loader))
        state = loader.state_dict()
    with open_loader(published, sampler="buckets", threads=1) as loader:
        loader.load_state_dict(state)
        assert [fingerprints(batch) for batch in loader] == batches[1:]
    with (
        open_loader(published, sampler="buckets", batch_size=4) as loader,
        pytest.raises(UsageError, match="batch_size 8, and this loader has 4"),
    ):
        loader.load_state_dict(state)


def test_a_state_saved_after_the_last_step_begins_the_next_epoch(published: Published) -> None:
    with open_loader(published) as loader:
        for _batch in loader:
            state = loader.state_dict()
        assert (state["epoch"], state["position"]) == (1, 0)
        assert loader.state_dict() == state
        second = [fingerprints(batch) for batch in loader]
        loader.load_state_dict(state)
        assert [fingerprints(batch) for batch in loader] == second


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_that_is_killed_again_and_again_sees_what_an_uninterrupted_one_sees(
    published: Published, tmp_path: Path
) -> None:
    rng = random.Random(20)
    for _ in range(KILLS):
        ranks, threads, batch_size = rng.randint(1, 3), rng.randint(1, 4), rng.choice([1, 2, 3])
        _run_and_kill(published.home, tmp_path, (ranks, threads, batch_size), rng.uniform(0, 0.15))
    pictures, whole = _pictures(tmp_path), []
    with open_loader(published, crop="random", flip=True, seed=SEED) as loader:
        while len(whole) < len(pictures):
            whole += [each for batch in loader for each in fingerprints(batch)]
    assert len(pictures) >= KILLS
    assert pictures == whole[: len(pictures)]


def _run_and_kill(home: str, folder: Path, how: tuple[int, int, int], wait_s: float) -> None:
    """Go on in a new process and kill it, some time after its first step."""
    log = folder / "steps.jsonl"
    before = log.stat().st_size if log.exists() else 0
    process = _server().Process(target=train, args=(home, folder, *how))
    process.start()
    while process.is_alive() and (not log.exists() or log.stat().st_size == before):
        time.sleep(0.01)
    time.sleep(wait_s)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _server() -> ForkServerContext:
    """Start processes from one that has loaded torch."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.data.killed_loader"])
    return context


def _pictures(folder: Path) -> list[list[str]]:
    """List what was seen, in order; a step that was repeated after a kill counts once, and must be equal."""
    pictures: list[list[str]] = []
    epochs: list[int] = []
    for line in (folder / "steps.jsonl").read_text().splitlines():
        step = json.loads(line)
        repeated = _overlap(pictures, step["pictures"]) if epochs[-1:] == [step["epoch"]] else 0
        pictures += step["pictures"][repeated:]
        epochs.append(step["epoch"])
    return pictures


def _overlap(pictures: list[list[str]], step: list[list[str]]) -> int:
    """Return how many pictures of a step were the last ones already: a kill came before its state was saved."""
    if step[0] not in pictures[-len(step) - 12 :]:
        return 0
    at = len(pictures) - 1 - pictures[::-1].index(step[0])
    assert pictures[at:] == step[: len(pictures) - at]
    return len(pictures) - at
