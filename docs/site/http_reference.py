"""The page about the HTTP API, made from the document that the server gives as `openapi.json`."""

from collections.abc import Iterator
from typing import Any

from catalog.web.http.settings import ServeSettings
from catalog.web.openapi.document import openapi_document

INTRO = """# HTTP API

`safelight serve` describes its API as OpenAPI 3.1 at `/api/openapi.json`; this page is made from the same document.
Access needs a token on any address but 127.0.0.1: [access](../queries.md#access).

A refusal has a status and a JSON body `{"error": "a sentence", "kind": "a_word"}`.
"""


def page() -> str:
    """Write the page: each operation with its parameters and answers, then the schemas."""
    limits = ServeSettings()
    document = openapi_document(max_timeout_s=limits.max_timeout_s, max_rows=limits.max_rows)
    lines = [INTRO, "## Operations\n"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines += _operation(method, path, operation)
    lines.append("## Schemas\n")
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _schema(name, schema)
    return "\n".join(lines) + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method.upper()} `{path}`\n"
    yield f"{operation['summary']}.\n"
    if body := operation.get("requestBody"):
        kinds = ", ".join(
            f"`{kind}` {_type(media['schema'])}" for kind, media in body["content"].items()
        )
        yield f"Body: {kinds}.\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | type | meaning |\n| --- | --- | --- | --- |"
        for each in parameters:
            name = f"`{each['name']}`{' (required)' if each.get('required') else ''}"
            about = each.get("description", "")
            yield f"| {name} | {each['in']} | {_type(each['schema'])} | {_cell(about)} |"
        yield ""
    for status, response in operation["responses"].items():
        if status < "400":
            kinds = ", ".join(
                f"`{kind}` {_type(media['schema'])}"
                for kind, media in response.get("content", {}).items()
            )
            yield f"Answer {status}: {response['description']}{f'; {kinds}' if kinds else ''}.\n"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    if about := schema.get("description"):
        yield f"{_cell(about)}\n"
    properties = schema.get("properties")
    if not properties:
        yield f"{_type(schema)}\n"
        return
    required = schema.get("required", ())
    yield "| field | type | meaning |\n| --- | --- | --- |"
    for field, each in properties.items():
        star = "" if field in required else " (optional)"
        yield f"| `{field}`{star} | {_type(each)} | {_cell(each.get('description', ''))} |"
    yield ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_type(each) for each in schema[key])
    kind = schema.get("type", "any")
    if "prefixItems" in schema:  # a fixed number of values, each with its type; `items` is false
        return f"array of [{', '.join(_type(each) for each in schema['prefixItems'])}]"
    if kind == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
