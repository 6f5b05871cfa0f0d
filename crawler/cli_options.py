"""Options that many commands of `safelight crawl` share."""

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]

BASIS = click.option(
    "--training-basis", metavar="TEXT", help="Your right to train models on these pictures."
)
LIMIT = click.option("--limit", type=click.IntRange(min=1), help="List at most so many photos.")
PRIVATE = click.option(
    "--allow-private", is_flag=True, help="Also fetch from private and loopback addresses."
)


def options(*listed: Command) -> Callable[[Command], Command]:
    """Make one decorator of several options, shown in their order."""

    def add(command: Command) -> Command:
        for option in reversed(listed):
            command = option(command)
        return command

    return add


def work_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a session works; `session_options` reads them."""
    options = [
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Processes; each asks hosts of its own.",
        ),
        click.option(
            "--cluster", metavar="ADDRESS", help="Workers are Ray actors there (local, auto ...)."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def recrawl_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --recrawl, for sources whose pictures have an address that can be asked again."""
    return click.option(
        "--recrawl",
        metavar="AGE",
        help="Also ask again for pictures that came in longer ago: 30d, 12h, 0d. Unchanged ones cost no bytes.",
    )(command)
