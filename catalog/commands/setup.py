"""`safelight init` and `safelight doctor`."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from catalog.commands.json_output import emit_json, json_option
from catalog.errors import SafelightError, UsageError
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.workspace.options import examples, workspace_option
from catalog.workspace.workspace import DEFAULT_HOME, Workspace

if TYPE_CHECKING:
    from catalog.setup.check import Check

SETTINGS = "safelight.settings"
"""Where the root command leaves section -> `module:class` of the settings of all rooms."""


@click.command(epilog=examples("init", "init ~/safelight-photos"))
@click.argument("folder", metavar="[DIR]", required=False)
@click.pass_context
def init(context: click.Context, folder: str | None) -> None:
    """Make a workspace in DIR with a safelight.toml. Asks where without DIR; changes nothing that is there.

    In the file each setting is a comment until you change it.
    """
    from catalog.setup.starter_settings import write_starter_settings

    given = folder or context.find_root().params.get("home") or _ask()
    workspace = Workspace.named(given)
    is_new = write_starter_settings(workspace)
    click.echo(
        f"{workspace.home}: {'made, with' if is_new else 'is there already, and so is'} safelight.toml"
    )
    click.echo(f"use it:    export SAFELIGHT_HOME={shlex.quote(str(workspace.home))}")
    click.echo(f"fill it:   {command_name()} crawl run folder ~/Pictures")
    click.echo(f"check it:  {command_name()} doctor")


def _ask() -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"name the folder: {command_name()} init DIR")
    default = os.environ.get("SAFELIGHT_HOME") or DEFAULT_HOME
    answer: str = click.prompt("Folder of the workspace", default=default)
    return answer


@click.command(epilog=examples("doctor", "doctor --json", "doctor --home ~/safelight-photos"))
@json_option
@workspace_option
@click.pass_context
def doctor(context: click.Context, workspace: Workspace) -> None:
    """Look at the installation, the machine and the workspace, and say what to do.

    It is Python, the libraries of each extra, DuckDB's extensions, GPU and FAISS, disk and memory, the sandbox, the
    port of the server, the settings, and the catalog (as `catalog verify --quick`). A new workspace gets its empty
    tables, nothing else is changed. The exit code is 1 when there is a problem; a note is none.
    """
    settings: Mapping[str, str] = context.find_root().meta.get(SETTINGS, {})
    checks = list(_checks(workspace, settings))
    problems = sum(each.state == "problem" for each in checks)
    if not emit_json({"ok": not problems, "checks": checks}):
        click.echo("\n".join(_lines(checks)))
    sys.stdout.flush()
    if problems:
        raise SafelightError(f"{counted(problems, 'problem')}; the lines above say what to do")


def _checks(workspace: Workspace, settings: Mapping[str, str]) -> Iterator["Check"]:
    from catalog.setup import installation, machine, workspace_health
    from catalog.setup.check import Check

    yield installation.python_check()
    yield from installation.extras_checks()
    yield from installation.extension_checks()
    yield machine.processor_check()
    yield from machine.gpu_checks()
    has_workspace = workspace_health.exists(workspace)
    sound = list(workspace_health.settings_checks(workspace, settings)) if has_workspace else []
    yield from sound
    is_sound = all(each.state == "ok" for each in sound)
    yield machine.disk_check(workspace, holds_sqlite=is_sound and _is_sqlite(workspace))
    yield machine.contact_check(os.environ)
    yield machine.port_check(*_address(workspace, is_sound=is_sound))
    if not has_workspace:
        yield Check(
            "catalog", "note", f"no workspace at {workspace.home}", f"{command_name()} init"
        )
    elif is_sound:
        yield from workspace_health.catalog_checks(workspace)
        yield machine.sandbox_check(workspace)


def _is_sqlite(workspace: Workspace) -> bool:
    from catalog.lake.choose_store import CatalogSettings
    from catalog.workspace.settings import load_settings

    chosen = load_settings(CatalogSettings, "catalog", workspace)
    return chosen.store == "sqlite" and not chosen.allow_network_disk


def _address(workspace: Workspace, *, is_sound: bool) -> tuple[str, int]:
    from catalog.web.http.settings import ServeSettings
    from catalog.workspace.settings import load_settings

    settings = load_settings(ServeSettings, "serve", workspace) if is_sound else ServeSettings()
    return settings.host, settings.port


def _lines(checks: list["Check"]) -> Iterator[str]:
    width = max(len(each.name) for each in checks)
    for each in checks:
        advice = f"; {each.advice}" if each.advice else ""
        yield f"{each.state:<8} {each.name:<{width}}  {each.value}{advice}"
