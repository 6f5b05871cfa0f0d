"""The `--home` option that every command shares."""

import os
import shlex
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from catalog.program_name import command_name
from catalog.workspace.workspace import DEFAULT_HOME, Workspace


def _name(context: click.Context, _parameter: click.Parameter, value: str | None) -> Workspace:
    """Take the command's own --home, else the one given to `safelight`, else SAFELIGHT_HOME, else the default."""
    return Workspace.named(_home(context, value))


def _open_existing(
    context: click.Context, _parameter: click.Parameter, value: str | None
) -> Workspace:
    """As `_name`, for commands that have nothing to do in a new workspace; raises `NoWorkspaceError`."""
    home = _home(context, value)
    # Tables in a database that several homes share need no home that somebody worked in before.
    shared = bool(os.environ.get("SAFELIGHT_CATALOG_STORE"))
    return Workspace.at(home) if shared else Workspace.existing(home)


def _home(context: click.Context, value: str | None) -> str:
    # Not an `envvar` of the option: it would come before the --home that was typed behind `safelight`.
    root: str | None = context.find_root().params.get("home")
    return value or root or os.environ.get("SAFELIGHT_HOME") or DEFAULT_HOME


def _option(
    callback: Callable[..., Workspace],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--home",
        "workspace",
        metavar="DIR",
        callback=callback,
        help=f"Workspace folder (default: SAFELIGHT_HOME, else ./{DEFAULT_HOME}).",
    )


def workspace_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--home DIR` (or SAFELIGHT_HOME) to a command and hand it the `workspace`, which may be a new one.

    Nothing is made on the disk: a command that is refused leaves nothing behind. One that begins calls `make`.
    """
    return _option(_name)(command)


def existing_workspace_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--home DIR` to a command that reads, checks or goes on with a workspace; another folder is refused."""
    return _option(_open_existing)(command)


def examples(*commands: str) -> str:
    """Write the end of a command's help: examples that can be typed, given without the name of the program."""
    lines = "\n".join(f"  {command_name()} {command}" for command in commands)
    return f"\b\nExamples:\n{lines}"


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
