"""Options that the commands of several sources share."""

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]


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
