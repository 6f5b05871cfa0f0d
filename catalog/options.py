"""The `--home` option that every command shares."""

from collections.abc import Callable
from typing import Any

import click

from catalog.workspace import Workspace

DEFAULT_HOME = "workspace"


def _open(context: click.Context, _parameter: click.Parameter, value: str | None) -> Workspace:
    """Take the command's own --home, else the one given to `safelight`, else the default."""
    return Workspace.at(value or context.find_root().params.get("home") or DEFAULT_HOME)


def workspace_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--home DIR` (or SAFELIGHT_HOME) to a command and hand it the open `workspace`."""
    option = click.option(
        "--home",
        "workspace",
        metavar="DIR",
        envvar="SAFELIGHT_HOME",
        callback=_open,
        help=f"Workspace folder (default: ./{DEFAULT_HOME}).",
    )
    return option(command)
