"""The `--home` option that every command shares."""

import shlex
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

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


def home_words() -> str:
    """Give ` --home DIR` when this command was started with it: an advised command must find the workspace, too."""
    context = click.get_current_context(silent=True)
    while context is not None:
        for name in ("workspace", "home"):
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                given = context.params[name]
                return f" --home {shlex.quote(str(given.home if isinstance(given, Workspace) else given))}"
        context = context.parent
    return ""
