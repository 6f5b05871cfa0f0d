"""`safelight train series`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from catalog import (
    Workspace,
    aligned,
    emit_json,
    examples,
    existing_workspace_option,
    json_option,
    progress_task,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from training.studies.series import SeriesResult

HEADER = ("model", "error", "lead over yesterday's price")


@click.command("series", epilog=examples("train series"))
@click.argument("names", metavar="[SERIES]...", nargs=-1)
@json_option
@existing_workspace_option
def series(workspace: Workspace, names: tuple[str, ...]) -> None:
    """Say what beats yesterday's price.

    Forecasts the table `prices` (safelight crawl run table); without SERIES every series of it. Each model predicts the
    second half of the days by walk-forward. Errors are mean absolute changes in percent.
    """
    with progress_task("series"):
        from training.studies.series import forecast_series

        results = forecast_series(workspace, names)
    if emit_json({**vars(each), "better": each.better} for each in results):
        return
    for result in results:
        for line in series_lines(result):
            click.echo(line)


def series_lines(result: SeriesResult) -> Iterator[str]:
    """Yield the table and the verdict of one series; errors and leads in percent."""
    yield f"{result.series}: {result.n_days} days, {result.n_tested} of them predicted"
    rows = [("yesterday's price", f"{100 * result.naive_error:.3f}", "")]
    for each in result.forecasts:
        assert each.lead.low is not None
        assert each.lead.high is not None
        low, high = 100 * each.lead.low, 100 * each.lead.high
        lead = f"{100 * each.lead.value:+.3f} [{low:+.3f}, {high:+.3f}]"
        rows.append((each.model, f"{100 * each.error:.3f}", lead))
    yield from aligned(HEADER, rows, numbers=HEADER[1:])
    better = ", ".join(result.better)
    yield (
        f"better than yesterday's price: {better}" if better else "nothing beats yesterday's price"
    )
