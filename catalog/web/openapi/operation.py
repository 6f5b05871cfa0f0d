"""One operation of the HTTP API as OpenAPI describes it: parameters, bodies, responses."""

import msgspec
from msgspec import Struct

from catalog.web.openapi.schemas import Schema, ref_to


def describe_content(description: str, schema: Schema, *types: str) -> Schema:
    """Describe a body of these media types."""
    return {"description": description, "content": {kind: {"schema": schema} for kind in types}}


def describe_json(description: str, schema: Schema, status: str = "200") -> dict[str, Schema]:
    """Return the response with a JSON body, by its status."""
    return {status: describe_content(description, schema, "application/json")}


def describe_file(description: str, *types: str) -> dict[str, Schema]:
    """Describe a response with a file as its body."""
    return {"200": describe_content(description, {"type": "string", "format": "binary"}, *types)}


_ERRORS = {
    f"{status}": describe_content("the error", ref_to("Problem"), "application/json")
    for status in (400, 401, 403, 404, 408, 409, 413, 415, 421, 422, 429, 501, 503)
}


def describe_operation(
    name: str,
    summary: str,
    responses: dict[str, Schema],
    *path: Schema,
    query: type[Struct] | None = None,
    body: str | None = None,
) -> Schema:
    """Describe an operation; `body` names the schema of its request's body."""
    operation: Schema = {"operationId": name, "summary": summary, "responses": responses | _ERRORS}
    if parameters := [*path, *(_query_parameters(query) if query else ())]:
        operation["parameters"] = parameters
    if body:
        content = {"application/json": {"schema": ref_to(body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _query_parameters(query: type[Struct]) -> list[Schema]:
    _, components = msgspec.json.schema_components([query])
    fields = components[query.__name__]["properties"]
    required = components[query.__name__].get("required", ())
    return [
        {"name": name, "in": "query", "schema": schema, "description": schema.pop("description")}
        | ({"required": True} if name in required else {})
        for name, schema in fields.items()
    ]


def describe_path_parameter(name: str, **schema: object) -> Schema:
    """Describe a part of the path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


SHA256 = describe_path_parameter("sha256", type="string", pattern="^[0-9a-f]{64}$")
NDJSON = "application/x-ndjson"
BYTES: Schema = {"type": "string", "format": "binary"}
PICTURE_BODY: Schema = {
    "required": True,
    "description": "the bytes of one picture; its format is told by its content",
    "content": {kind: {"schema": BYTES} for kind in ("application/octet-stream", "image/*")},
}
FORM_BODY: Schema = {
    "required": True,
    "description": "a form of at most 100 files, each a picture",
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "additionalProperties": {"type": "array", "items": BYTES}}
        }
    },
}
