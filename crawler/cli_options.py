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
