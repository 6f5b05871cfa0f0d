"""The description of the API agrees with its routes and with the checks of its requests."""

from collections.abc import Iterator

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from msgspec import Struct
from yarl import URL

from catalog import Workspace
from catalog.web.app import make_app
from catalog.web.http.request_parsing import BadRequestError, check, parse_query
from catalog.web.http.settings import ServeSettings
from catalog.web.openapi import request_types
from catalog.web.openapi.document import openapi_document
from catalog.web.openapi.paths import PATHS
from catalog.web.openapi.request_types import (
    NewDecision,
    NewQuestion,
    NewSelectionDecision,
    NewSelectionLabel,
    statement_type,
)

STATEMENT = statement_type(300.0, 1_000)
VALID = {
    STATEMENT: {"sql": "SELECT 1"},
    NewQuestion: {"title": "How many?", "sql": "SELECT 1"},
    NewDecision: {"queue": "quality", "item": "a", "kind": "drop"},
    NewSelectionDecision: {"pictures": ["0" * 64], "kind": "drop"},
    NewSelectionLabel: {"pictures": ["0" * 64], "task": "mood", "value": "calm"},
}
QUERIES = [
    kind
    for kind in vars(request_types).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and kind.__name__.endswith("Query")
]


def test_the_description_names_every_route_of_the_api(workspace: Workspace) -> None:
    app = make_app(workspace, ServeSettings())
    served = {
        (route.method.lower(), route.resource.canonical.replace("{style}", "*"))
        for route in app.router.routes()
        if route.resource is not None
        and route.resource.canonical.startswith("/api/")
        and route.method != "HEAD"
    }
    described = {
        (method, path.replace("result.json", "result.*"))
        for path, methods in PATHS.items()
        for method in methods
        if not path.endswith((".csv", ".arrow", ".parquet"))
    }
    assert served == described


def references(schema: object) -> Iterator[str]:
    """List the names of the component schemas that a description refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix("#/components/schemas/")
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from references(part)


def test_every_schema_is_described_once_and_used() -> None:
    document = openapi_document(max_timeout_s=7.5, max_rows=9)
    assert set(references(document)) == set(document["components"]["schemas"])


def bounded(kind: type[Struct], bound: str) -> Iterator[tuple[str, int]]:
    """List the fields of a request whose schema has this bound."""
    _, components = msgspec.json.schema_components([kind])
    for name, schema in components[kind.__name__]["properties"].items():
        for form in schema.get("anyOf", [schema]):
            if bound in form:
                yield name, form[bound]


@pytest.mark.parametrize("kind", VALID, ids=lambda kind: kind.__name__)
def test_a_body_is_checked_against_the_bounds_of_its_schema(kind: type[Struct]) -> None:
    for bound, step in (("minimum", -1), ("maximum", 1)):
        for name, value in bounded(kind, bound):
            check(VALID[kind] | {name: value}, kind)
            with pytest.raises(BadRequestError, match=f"^{name} must be a .*number"):
                check(VALID[kind] | {name: value + step}, kind)
    for name, length in bounded(kind, "maxLength"):
        with pytest.raises(BadRequestError, match=f"^{name} must be a text of .*{length}|^queue"):
            check(VALID[kind] | {name: "x" * (length + 1)}, kind)
    for name in VALID[kind]:
        for value in (" \t\x1c\x85\n", 1, None):
            with pytest.raises(BadRequestError, match=f"^{name} must be "):
                check(VALID[kind] | {name: value}, kind)
        with pytest.raises(BadRequestError, match=f"^{name} must be "):
            check({n: v for n, v in VALID[kind].items() if n != name}, kind)
    with pytest.raises(BadRequestError, match="unknown field `other`; known: "):
        check(VALID[kind] | {"other": 1}, kind)


@pytest.mark.parametrize("kind", QUERIES, ids=lambda kind: kind.__name__)
def test_a_query_string_is_checked_against_the_bounds_of_its_schema(kind: type[Struct]) -> None:
    for bound, step in (("minimum", -1), ("maximum", 1)):
        for name, value in bounded(kind, bound):
            request = make_mocked_request("GET", f"/?{name}={value}&unknown=1&model=m&task=t")
            assert getattr(parse_query(request, kind), name) == value
            for text in (f"{value + step}", "nan", "inf", "", "true"):
                request = make_mocked_request("GET", f"/?{name}={text}")
                with pytest.raises(BadRequestError, match=f"^{name} must be a .*number from"):
                    parse_query(request, kind)


def test_numbers_without_fraction_are_whole_and_flags_are_words() -> None:
    assert check({"sql": "x", "as_of": 3.0, "timeout_s": 2.0}, STATEMENT).as_of == 3
    with pytest.raises(BadRequestError, match="as_of must be a whole number"):
        check({"sql": "x", "as_of": 3.5}, STATEMENT)
    for text in ("1_0", "1.0", "+1", " 1"):
        request = make_mocked_request("GET", "/").clone(
            rel_url=URL.build(path="/", query={"limit": text})
        )
        with pytest.raises(BadRequestError, match="limit must be a whole number from 1 to 1000"):
            parse_query(request, request_types.RowsQuery)
    for text in ("1", "TRUE", "yes", ""):
        request = make_mocked_request("GET", f"/?exact={text}")
        with pytest.raises(BadRequestError, match="exact must be true or false"):
            parse_query(request, request_types.DownloadQuery)


def test_names_and_hashes_do_not_end_in_a_line_break() -> None:
    for kind, field, value in (
        (STATEMENT, "parameters", {"a\n": 1}),
        (NewDecision, "only", "blur\n"),
        (NewDecision, "kind", "drop\n"),
        (NewDecision, "pictures", ["a" * 64 + "\n"]),
        (NewDecision, "reason", "\n"),
    ):
        with pytest.raises(BadRequestError, match=f"^{field} must be "):
            check(VALID[kind] | {field: value}, kind)


def test_the_limits_of_the_server_are_in_its_description() -> None:
    document = openapi_document(max_timeout_s=7.5, max_rows=9)
    fields = document["components"]["schemas"]["Statement"]["properties"]
    assert fields["timeout_s"]["anyOf"][0]["maximum"] == 7.5
    assert fields["max_rows"]["anyOf"][0]["maximum"] == 9
