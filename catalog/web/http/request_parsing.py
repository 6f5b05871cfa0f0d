"""Parse requests; an error names in a sentence what is wrong."""

import asyncio
import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from catalog.errors import SafelightError
from catalog.sandbox import Limits
from catalog.web.http.app_keys import SETTINGS
from catalog.web.http.settings import ServeSettings

MAX_SQL = 64_000
"""Characters of a statement."""
MAX_TITLE = 200
_MAX_INT64 = 2**63 - 1
_NAME = re.compile(r"[A-Za-z_]\w{0,63}")
_STATEMENT_FIELDS = frozenset(["sql", "parameters", "as_of", "timeout_s", "max_rows"])


class BadRequestError(SafelightError):
    """The request does not match the API."""


async def json_body(request: web.Request) -> dict[str, Any]:
    """Read a JSON object; raises `BadRequestError`."""
    if request.content_type != "application/json":
        raise BadRequestError("send the body as application/json")
    try:
        async with asyncio.timeout(request.app[SETTINGS].body_timeout_s):
            content = await request.text()
        body = json.loads(content, parse_constant=_no_constant)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    except (ValueError, LookupError, RecursionError) as error:
        raise BadRequestError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object")
    return body


def _no_constant(word: str) -> object:
    raise ValueError(word)


def check_names(body: Mapping[str, object], names: frozenset[str]) -> None:
    """Refuse fields with other names."""
    if unknown := sorted(set(body) - names):
        raise BadRequestError(
            f"unknown: {', '.join(unknown)[:200]}; known: {', '.join(sorted(names))}"
        )


def text(body: Mapping[str, object], name: str, most: int) -> str:
    """Return a text that is not empty and has no lone surrogates."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadRequestError(f"{name} must be a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRequestError(f"{name} holds half of a character") from error
    if len(value) > most:
        raise BadRequestError(f"{name} is longer than {most} characters")
    return value


def statement(
    body: Mapping[str, object], settings: ServeSettings, usual: Limits
) -> tuple[str, dict[str, object], int | None, Limits]:
    """Return the statement, its parameters, the snapshot to read and the limits."""
    check_names(body, _STATEMENT_FIELDS)
    timeout = _number(body, "timeout_s", usual.timeout_s, settings.max_timeout_s)
    rows = _whole(body, "max_rows", usual.max_rows)
    if rows is None or not 1 <= rows <= usual.max_rows:
        raise BadRequestError(f"max_rows must be from 1 to {usual.max_rows}")
    as_of = _whole(body, "as_of", None)
    if as_of is not None and not 0 <= as_of <= _MAX_INT64:
        raise BadRequestError("as_of must be the number of a snapshot")
    limits = replace(usual, timeout_s=timeout, max_rows=rows)
    return text(body, "sql", MAX_SQL), _parameters(body.get("parameters")), as_of, limits


def _parameters(value: object) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequestError("parameters must be an object of names and values")
    for name, parameter in value.items():
        if not _NAME.fullmatch(name):
            raise BadRequestError(f"{name[:80]!r} is not a name of a parameter")
        members = parameter if isinstance(parameter, list) else [parameter]
        if not all(_is_plain(member) for member in members):
            raise BadRequestError(
                f"parameter {name} must be a text, number, flag, null or a list of those"
            )
    return dict(value)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() or value.encode("utf-8", "replace").decode() == value
    if isinstance(value, int):
        return abs(value) <= _MAX_INT64
    return value is None or (isinstance(value, float) and math.isfinite(value))


def _number(body: Mapping[str, object], name: str, usual: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return usual
    fine = isinstance(value, int | float) and not isinstance(value, bool)
    if not fine or not 0 < float(str(value)) <= most:
        raise BadRequestError(f"{name} must be a number above 0 and up to {most:g}")
    return float(str(value))


def _whole(body: Mapping[str, object], name: str, usual: int | None) -> int | None:
    value = body.get(name)
    if value is None:
        return usual
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 3.0 is a whole number in JSON
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequestError(f"{name} must be a whole number")
    return value


def query_number(request: web.Request, name: str, usual: float, least: float, most: float) -> float:
    """Read a number from the query string."""
    text = request.query.get(name)
    if text is None:
        return usual
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise BadRequestError(f"{name} must be from {least:g} to {most:g}")
    return value


def query_whole(request: web.Request, name: str, usual: int, least: int, most: int) -> int:
    """Read a whole number from the query string."""
    text = request.query.get(name)
    if text is None:
        return usual
    if not re.fullmatch(r"-?[0-9]{1,18}", text) or not least <= int(text) <= most:
        raise BadRequestError(f"{name} must be a whole number from {least} to {most}")
    return int(text)


def query_flag(request: web.Request, name: str) -> bool:
    """Read `true` or `false` from the query string; false when absent."""
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise BadRequestError(f"{name} must be true or false")
    return text == "true"
