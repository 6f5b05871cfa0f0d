"""`--json`: a command writes one JSON document to stdout, for programs, in place of its text.

With the option everything else that is printed goes to stderr, so a library that prints cannot break the document.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Set as AbstractSet
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePath
from typing import Any, TextIO

import click

Command = Callable[..., Any]

_META = "safelight.json"


@dataclass(frozen=True)
class _JsonStream:
    """Where documents go, and how they are indented: None writes each on one line."""

    file: TextIO
    indent: int | None


def json_option(command: Command) -> Command:
    """Add `--json` to a command, which hands its result to `emit_json`."""
    return _option("Write one JSON document to stdout.", 1)(command)


def json_lines_option(command: Command) -> Command:
    """Add `--json` to a command that reports while it works: one call of `emit_json` is one line."""
    return _option("Write JSON to stdout, one object a line.", None)(command)


def json_format_option(command: Command) -> Command:
    """Add `--json` to a command that has `--format` with the choice json, as the parameter `style`."""
    return click.option("--json", "style", flag_value="json", help="Short for --format json.")(
        command
    )


def writes_json() -> bool:
    """Say whether the running command was started with `--json`."""
    return _stream() is not None


def emit_json(value: object) -> bool:
    """Write a value to stdout as JSON if the command was started with `--json`; return whether it was.

    `value` consists of what `plain_json` takes.
    """
    stream = _stream()
    if stream is None:
        return False
    text = json.dumps(plain_json(value), ensure_ascii=False, allow_nan=False, indent=stream.indent)
    # Half a surrogate pair (of a file name that is not UTF-8) becomes the escape that JSON has for it.
    click.echo(text.encode("utf-8", "backslashreplace"), file=stream.file)
    return True


def plain_json(value: object) -> Any:
    """Turn a value into what JSON has, at any depth.

    Dataclasses and mappings become objects, frames and tables lists of rows, sets sorted lists, other iterables lists,
    paths texts, durations seconds; times become ISO 8601 in UTC (one without a zone is UTC), NaN and infinities null.

    >>> plain_json({"at": datetime(2026, 5, 2), "loss": float("nan"), 3: timedelta(minutes=1)})
    {'at': '2026-05-02T00:00:00+00:00', 'loss': None, '3': 60.0}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain_json(each) for name, each in value.items()}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain_json(getattr(value, name)) for name in names}
    items = _items(value)
    return _scalar(value) if items is None else [plain_json(each) for each in items]


def _items(value: Any) -> Iterable[object] | None:
    """Return the rows or elements of a value; None if it has none. No library of frames is imported for this."""
    if isinstance(value, AbstractSet):
        return sorted(value)
    for method in ("to_dicts", "to_pylist"):  # polars, Arrow
        if hasattr(value, method):
            rows: list[object] = getattr(value, method)()
            return rows
    return value if isinstance(value, Iterable) and not isinstance(value, bytes) else None


def _scalar(value: Any) -> str | float | None:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "item"):  # a number of NumPy
        return plain_json(value.item())  # type: ignore[no-any-return]  # one of the above
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _stream() -> _JsonStream | None:
    context = click.get_current_context(silent=True)
    stream: _JsonStream | None = context.meta.get(_META) if context else None
    return stream


def _option(about: str, indent: int | None) -> Callable[[Command], Command]:
    def begin(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            context.meta[_META] = _JsonStream(sys.stdout, indent)
            context.with_resource(redirect_stdout(sys.stderr))

    return click.option(
        "--json", is_flag=True, is_eager=True, expose_value=False, callback=begin, help=about
    )
