"""Look at a workspace: its settings, its catalog, its files, what waits in the spool."""

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from catalog.errors import SafelightError
from catalog.packs.spool import waiting_segments
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.setup.check import Check
from catalog.workspace.settings import load_settings, sections_of
from catalog.workspace.workspace import Workspace

MORE_PROBLEMS = 3


def exists(workspace: Workspace) -> bool:
    """Say whether the folder is a workspace already, or names tables that are elsewhere."""
    shared = bool(os.environ.get("SAFELIGHT_CATALOG_STORE"))
    return shared or workspace.lake.is_dir() or (workspace.home / "safelight.toml").is_file()


def settings_checks(workspace: Workspace, kinds: Mapping[str, str]) -> Iterator[Check]:
    """Read each section of the settings; `kinds` are section -> `module:class` of its dataclass."""
    problems = []
    try:
        problems += [
            f"there is no section [{name}]" for name in sections_of(workspace) if name not in kinds
        ]
        for section in kinds:
            load_settings(_kind(kinds[section]), section, workspace)
    except SafelightError as error:
        problems.append(str(error))
    for problem in problems:
        yield Check("settings", "problem", problem, f"correct {workspace.home / 'safelight.toml'}")
    if not problems:
        there = (workspace.home / "safelight.toml").is_file()
        yield Check(
            "settings", "ok", "safelight.toml is sound" if there else "defaults, no safelight.toml"
        )


def catalog_checks(workspace: Workspace) -> Iterator[Check]:
    """Verify a workspace without hashing its bytes, and count what waits to be committed."""
    from catalog.maintenance.verify import verify_workspace

    try:
        result = verify_workspace(workspace, rehash=False)
    except SafelightError as error:
        yield Check("catalog", "problem", str(error))
        return
    advice = f"{command_name()} catalog verify"
    for problem in result.problems[:MORE_PROBLEMS]:
        yield Check("catalog", "problem", problem, advice)
    if not result.problems:
        checked = ", ".join(counted(n, noun) for noun, n in result.checked.items() if n)
        yield Check(
            "catalog", "ok", f"{checked or 'empty'}; sizes and places only, no byte was hashed"
        )
    if waiting := len(list(waiting_segments(workspace))):
        value = counted(waiting, "segment", "waits")
        yield Check("spool", "note", f"{value} to be committed", f"{command_name()} catalog commit")


def _kind(where: str) -> type[Any]:
    module, name = where.split(":")
    kind: type[Any] = getattr(import_module(module), name)
    return kind
