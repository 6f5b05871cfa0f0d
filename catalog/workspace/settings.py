"""Settings: frozen dataclasses, overridden by `safelight.toml`, overridden by `SAFELIGHT_*`.

Each room declares its own dataclass and loads it by section:
`[crawl] timeout_s = 20` and `SAFELIGHT_CRAWL_TIMEOUT_S=20` set `CrawlSettings.timeout_s`.
"""

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from catalog.errors import UsageError
from catalog.workspace.workspace import Workspace

Settings = TypeVar("Settings")


def load_settings(
    kind: type[Settings],
    section: str,
    workspace: Workspace,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Build `kind` from its defaults, `safelight.toml` [section] and `SAFELIGHT_<SECTION>_<NAME>`.

    Raises `UsageError` on an unknown name in the file (with a suggestion) or a value of the wrong type.
    """
    hints = {f.name: get_type_hints(kind)[f.name] for f in dataclasses.fields(kind)}  # type: ignore[arg-type]  # checked by callers: a dataclass
    values = {
        name: _typed(f"{section}.{name}", value, hints[_known(name, hints, section)])
        for name, value in _from_file(workspace, section).items()
    }
    for name, hint in hints.items():
        variable = f"SAFELIGHT_{section}_{name}".upper()
        if variable in environment:
            values[name] = _typed(variable, environment[variable], hint)
    return kind(**values)


def sections_of(workspace: Workspace) -> dict[str, Any]:
    """Read `safelight.toml`, section by section; empty where there is none. Raises `UsageError`."""
    path = workspace.home / "safelight.toml"
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"safelight.toml cannot be read: {error}") from error


def _from_file(workspace: Workspace, section: str) -> dict[str, Any]:
    values = sections_of(workspace).get(section, {})
    if not isinstance(values, dict):
        raise UsageError(f"safelight.toml: [{section}] must be a table")
    return values


def _known(name: str, hints: Mapping[str, object], section: str) -> str:
    if name in hints:
        return name
    near = difflib.get_close_matches(name, hints, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(hints))}"
    raise UsageError(f"safelight.toml: [{section}] has no setting {name!r}; {advice}")


def _typed(where: str, value: object, hint: Any) -> Any:
    """Convert text or a TOML value to the type of the setting."""
    expected = next(kind for kind in (get_args(hint) or (hint,)) if kind is not type(None))
    if isinstance(value, str) and expected is bool and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    plain = isinstance(value, str) or (expected is float and type(value) is int)
    if type(value) is expected:
        return value
    if plain and expected in (int, float, str):
        try:
            return expected(value)
        except ValueError:
            pass
    raise UsageError(f"{where} must be of type {expected.__name__}, not {value!r}")
