"""Parse requests into msgspec structs. The constraints of a struct's fields are also the schemas of `openapi.json`.

An error names the field and what it must be, for example: "max_rows must be a whole number from 1 to 1000 or null".
"""

import asyncio
import re
from collections.abc import Mapping
from functools import cache
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct, inspect

from catalog.errors import SafelightError
from catalog.web.http.app_keys import SETTINGS

Request = TypeVar("Request", bound=Struct)

_FIELD_OF_ERROR = re.compile(r"(?:required field `|`\$\.)(\w+)")
_SIMPLE_TYPES = {inspect.NoneType: "null", inspect.BoolType: "true or false"}
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class BadRequestError(SafelightError):
    """The request does not match the API."""


async def parse_body(request: web.Request, kind: type[Request]) -> Request:
    """Parse the JSON object of the body; raises `BadRequestError`."""
    if request.content_type != "application/json":
        raise BadRequestError("send the body as application/json")
    try:
        async with asyncio.timeout(request.app[SETTINGS].body_timeout_s):
            content = await request.text()
        body = msgspec.json.decode(content)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    except (ValueError, LookupError, RecursionError) as error:
        raise BadRequestError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object")
    return check(body, kind)


def parse_query(request: web.Request, kind: type[Request]) -> Request:
    """Parse the query string; parameters that `kind` does not name are ignored. Raises `BadRequestError`."""
    values = {
        name: _from_text(request.query[name], field)
        for name, field in _fields(kind).items()
        if name in request.query
    }
    return check(values, kind)


def check(values: Mapping[str, object], kind: type[Request]) -> Request:
    """Make a struct of decoded values; raises `BadRequestError`."""
    whole = {name: _without_fraction(value) for name, value in values.items()}
    try:
        return msgspec.convert(whole, kind)
    except msgspec.ValidationError as error:
        raise BadRequestError(_explanation(str(error), kind)) from error


def _explanation(message: str, kind: type[Struct]) -> str:
    fields = _fields(kind)
    match = _FIELD_OF_ERROR.search(message)
    if match is None:  # a field that the struct does not have
        return f"{message}; known: {', '.join(sorted(fields))}"[:500]
    return f"{match[1]} must be {_expectation(fields[match[1]])}"


@cache
def _fields(kind: type[Struct]) -> dict[str, inspect.Type]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: field.type for field in info.fields}


def _without_fraction(value: object) -> object:
    """Make 3.0 an int: JSON does not distinguish the two."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _from_text(text: str, field: inspect.Type) -> object:
    """Convert a query parameter to its type; a text of another form stays a text, which no number or flag allows."""
    match field:
        case inspect.Metadata():
            return _from_text(text, field.type)
        case inspect.BoolType():
            return {"true": True, "false": False}.get(text, text)
        case inspect.IntType():
            return int(text) if _WHOLE.fullmatch(text) else text
        case inspect.FloatType():
            try:
                return float(text)
            except ValueError:
                return text
    return text


def _expectation(field: inspect.Type) -> str:
    """Describe the values of a type; `Meta(extra={"expects": ...})` replaces the description.

    >>> _expectation(inspect.IntType(ge=1, le=50)), _expectation(inspect.FloatType(gt=0, le=300.0))
    ('a whole number from 1 to 50', 'a number above 0 and up to 300')
    """
    match field:
        case inspect.Metadata():
            return (field.extra or {}).get("expects") or _expectation(field.type)
        case inspect.UnionType():
            return " or ".join(map(_expectation, field.types))
        case inspect.IntType():
            return f"a whole number {_range(field)}"
        case inspect.FloatType():
            return f"a number {_range(field)}"
        case inspect.StrType(max_length=int(length)):
            return f"a text of 1 to {length} characters that is not blank"
    return _SIMPLE_TYPES.get(type(field), "a text")


def _range(field: inspect.IntType | inspect.FloatType) -> str:
    """Describe the bounds of a number; every number of the API has both."""
    if field.ge is None:
        return f"above {_plain(field.gt)} and up to {_plain(field.le)}"
    return f"from {_plain(field.ge)} to {_plain(field.le)}"


def _plain(number: float | None) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)
