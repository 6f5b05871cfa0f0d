"""`train series`: what can be forecast, what cannot, and what is refused."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

import safelight
from catalog import Workspace, open_catalog, rows, write_segment
from training.errors import SeriesError
from training.studies.series import (
    PAST,
    STEP,
    Floats,
    forecast_series,
    linear,
    walk_forward,
    windows,
)

START = datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def changes(days: int, memory: float, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    steps = np.zeros(days)
    for day in range(1, days):
        steps[day] = memory * steps[day - 1] + rng.normal(0, 0.01)
    return steps


def add_prices(workspace: Workspace, **series: Floats) -> None:
    prices = [
        {"series": name, "day": START + timedelta(days=day), "close": price, "crawl_id": "c"}
        for name, steps in series.items()
        for day, price in enumerate(100 * np.exp(steps.cumsum()))
    ]
    write_segment(workspace, {"prices": rows("prices", prices)}, job="table")
    with open_catalog(workspace) as catalog:
        catalog.commit()


def test_memory_is_used_and_a_walk_is_beaten_by_nothing(workspace: Workspace) -> None:
    add_prices(workspace, memory=changes(1200, 0.4, 1), walk=changes(1200, 0, 2))
    memory, walk = forecast_series(workspace)
    assert (memory.series, memory.n_days, memory.n_tested) == ("memory", 1200, 597)
    assert "linear" in memory.better
    assert "drift" not in memory.better
    assert walk.better == ()
    printed = CliRunner().invoke(
        safelight.cli, ["--home", str(workspace.home), "train", "series", "walk"]
    )
    assert printed.exit_code == 0, printed.output
    assert "nothing beats yesterday's price" in printed.output
    assert "linear_all" in printed.output


def test_a_series_that_leads_another_helps_it(workspace: Workspace) -> None:
    leader = changes(900, 0, 3)
    follower = np.concatenate([[0.0], 0.6 * leader[:-1]]) + changes(900, 0, 4) / 2
    add_prices(workspace, follower=follower, leader=leader)
    [result] = forecast_series(workspace, ["follower"])
    assert result.better == ("linear_all",)


def test_walks_rarely_have_a_winner(workspace: Workspace) -> None:
    add_prices(workspace, **{f"walk{seed}": changes(400, 0, seed) for seed in range(10)})
    assert sum(bool(result.better) for result in forecast_series(workspace)) <= 1


def test_a_forecast_knows_only_the_days_before() -> None:
    steps = changes(300, 0.4, 5)
    inputs, targets = windows(steps[:, None]), steps[PAST:]
    assert inputs.shape == (300 - PAST, PAST)
    assert inputs[1, -1] == targets[0]
    before = walk_forward(linear, inputs, targets)
    changed = targets.copy()
    changed[len(targets) // 2 + STEP :] = 1.0  # from the second piece of predicted days on
    after = walk_forward(linear, inputs, changed)
    assert np.array_equal(before[: 2 * STEP], after[: 2 * STEP])
    assert not np.array_equal(before[2 * STEP :], after[2 * STEP :])


@pytest.mark.parametrize(
    ("days", "names", "message"),
    [
        (0, [], "there are no prices; import some"),
        (300, ["gold"], "no series gold; known: made"),
        (100, [], "made has 100 days with a price; a verdict needs 250"),
    ],
)
def test_what_is_missing_is_named(
    workspace: Workspace, days: int, names: list[str], message: str
) -> None:
    if days:
        add_prices(workspace, made=changes(days, 0, 1))
    with pytest.raises(SeriesError, match=message):
        forecast_series(workspace, names)
