"""The description of the HTTP API (OpenAPI 3.1), beside the routes that it describes; a test compares the two."""

from copy import deepcopy
from typing import Any

from catalog.lake.manual import KINDS
from catalog.version import __version__
from catalog.web.api.review import MAX_PICTURES, MAX_REASON, MAX_SEED, MAX_SIZE
from catalog.web.http.request_parsing import MAX_SQL, MAX_TITLE
from catalog.web.review.queues import QUEUES

Schema = dict[str, Any]

_BIGGEST = 2**63 - 1


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
_SEED: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_SEED}
_SIZE: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_SIZE}
_SCALAR: Schema = {
    "anyOf": [
        {
            "type": ["string", "number", "boolean", "null"],
            "minimum": -_BIGGEST,
            "maximum": _BIGGEST,
        },
    ]
}

# What Python calls space is more than what the patterns of JSON Schema call so.
_SOMETHING = r"[^\s\x1c-\x1f\x85]"

_SCHEMAS: dict[str, Schema] = {
    "Problem": _object(
        "error kind",
        error=TEXT | {"description": "a sentence"},
        kind=TEXT | {"description": "a snake_case word"},
    ),
    "Statement": _object(
        "sql",
        sql={
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_SQL,
            "pattern": _SOMETHING,
            "description": "one SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN statement",
            "examples": ["SELECT count(*) FROM photos"],
        },
        parameters={
            "type": ["object", "null"],
            "description": "values of $name in the statement",
            "propertyNames": {"pattern": r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"},
            "additionalProperties": {"anyOf": [_SCALAR, _list(_SCALAR)]},
        },
        as_of={
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": _BIGGEST,
            "description": "snapshot to read",
        },
        timeout_s={
            "type": ["number", "null"],
            "exclusiveMinimum": 0,
            "description": "deadline; bounded by /api/limits",
        },
        max_rows={
            "type": ["integer", "null"],
            "minimum": 1,
            "description": "bounded by /api/limits",
        },
    )
    | {"additionalProperties": False},
    "Started": _object("query_id state", query_id=TEXT, state=TEXT),
    "Column": _object("name type", name=TEXT, type=TEXT),
    "Limits": _object(
        "timeout_s max_rows max_bytes memory_mb threads",
        timeout_s={"type": "number"},
        max_rows=COUNT,
        max_bytes=COUNT,
        memory_mb=COUNT,
        threads=COUNT,
    ),
    "Query": _object(
        "query_id state sql parameters as_of snapshot_id columns n_rows truncated duration_ms error kind limits",
        query_id=TEXT,
        state={"enum": ["running", "done", "failed", "cancelled", "timed_out"]},
        sql=TEXT,
        parameters={"type": "object"},
        as_of=_or_null("integer"),
        snapshot_id=_or_null("integer"),
        columns=_list(_ref("Column")),
        n_rows=COUNT,
        truncated={"type": "boolean", "description": "rows are missing because of a limit"},
        duration_ms=_or_null("number"),
        error=_or_null("string"),
        kind=_or_null("string"),
        limits=_ref("Limits"),
    ),
    "Rows": _object(
        "columns offset n_rows rows",
        columns=_list(_ref("Column")),
        offset=COUNT,
        n_rows=COUNT,
        rows=_list(_list({}))
        | {
            "description": "integers above 2^53, decimals and times are texts; infinities and NaN too"
        },
    ),
    "Summary": _object("columns rows", columns=_list(TEXT), rows=_list(_list({}))),
    "Table": _object(
        "name kind comment columns",
        name=TEXT,
        kind={"enum": ["table", "view"]},
        comment=TEXT,
        columns=_list(_object("name type comment", name=TEXT, type=TEXT, comment=TEXT)),
    ),
    "Snapshot": _object(
        "snapshot_id at author message changes",
        snapshot_id=COUNT,
        at=TEXT,
        author=TEXT,
        message=TEXT,
        changes=TEXT,
    ),
    "Bounds": _object(
        "limits max_timeout_s max_running max_waiting result_age_s sandbox",
        limits=_ref("Limits"),
        max_timeout_s={"type": "number"},
        max_running=COUNT,
        max_waiting=COUNT,
        result_age_s={"type": "number"},
        sandbox={
            "type": "object",
            "additionalProperties": {"type": "boolean"},
            "description": "what a statement's process cannot do, as tried on this machine when the server started",
        },
    ),
    "Question": _object(
        "name title sql parameters answer own",
        name=TEXT,
        title=TEXT,
        sql=TEXT,
        answer=TEXT,
        own={"type": "boolean", "description": "saved by people here"},
        parameters=_list(_object("name about default", name=TEXT, about=TEXT, default={})),
    ),
    "NewQuestion": _object(
        "title sql",
        title={"type": "string", "minLength": 1, "maxLength": MAX_TITLE, "pattern": _SOMETHING},
        sql={"type": "string", "minLength": 1, "maxLength": MAX_SQL, "pattern": _SOMETHING},
    )
    | {"additionalProperties": False},
    "Review": _object("run_id queues", run_id=_or_null("string"), queues=_list({"type": "object"})),
    "ReviewPage": _object(
        "queue run_id total open last",
        queue=TEXT,
        run_id=_or_null("string"),
        total=COUNT,
        open=COUNT,
        last={
            "type": ["object", "null"],
            "description": "the caller's newest decision in this queue",
        },
        estimate={"type": "object", "description": "of a sample: right, wrong, share, low, high"},
        items=_list({"type": "object"}),
        is_end={"type": "boolean"},
    ),
    "NewDecision": _object(
        "queue item kind",
        queue={"enum": list(QUEUES)},
        only={"type": "string", "pattern": "^[a-z0-9_]{0,100}$"},
        item={"type": "string", "minLength": 1, "maxLength": 100, "pattern": _SOMETHING},
        kind={"enum": list(KINDS)},
        pictures={
            "type": ["array", "null"],
            "items": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "maxItems": MAX_PICTURES,
        },
        reason={"type": ["string", "null"], "maxLength": MAX_REASON, "pattern": r"^$|\S"},
        seed=_SEED,
        size=_SIZE,
    )
    | {"additionalProperties": False},
}


def _json(about: str, schema: Schema) -> Schema:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _file(about: str, *types: str) -> Schema:
    return {
        "description": about,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in types},
    }


def _operation(
    about: str, answers: dict[str, Schema], *parameters: Schema, body: str = "", name: str
) -> Schema:
    problems = ("400", "401", "403", "404", "408", "409", "413", "415", "421", "422", "429", "503")
    errors = {status: _json("what is wrong", _ref("Problem")) for status in problems}
    operation: Schema = {"operationId": name, "summary": about, "responses": answers | errors}
    if parameters:
        operation["parameters"] = list(parameters)
    if body:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(body)}},
        }
    return operation


def _path(name: str, pattern: str) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": pattern},
    }


def _query(name: str, schema: Schema, about: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": about}


_QUERY_ID = _path("query_id", "^[A-Za-z0-9_-]{22}$")
_SHA256 = _path("sha256", "^[0-9a-f]{64}$")
_NAME = _path("name", "^[a-z0-9][a-z0-9_-]{0,63}$")
_FLAG: Schema = {"type": "boolean", "default": False}
_EXACT = _query(
    "exact", _FLAG, "csv: leave texts that a spreadsheet takes for formulas as they are"
)

_QUEUE: Schema = {"name": "queue", "in": "path", "required": True, "schema": {"enum": list(QUEUES)}}
_FILTER = (
    _query("only", {"type": "string", "pattern": "^[a-z0-9_]{0,100}$"}, "items with this reason"),
    _query("seed", _SEED, "of the sample"),
    _query("size", _SIZE, "of the sample"),
)

_OF_A_QUERY = (
    "getQuery",
    "cancelQuery",
    "getRows",
    "getSummary",
    "download_json",
    "download_csv",
    "download_arrow",
    "download_parquet",
)
_LINKS = {
    name: {"operationId": name, "parameters": {"query_id": "$response.body#/query_id"}}
    for name in _OF_A_QUERY
}

_ROWS = _json("the rows", _list({"type": "object"}))


_PATHS: dict[str, Schema] = {
    "/api/queries": {
        "post": _operation(
            "Start a statement in the sandbox",
            {"201": _json("it runs", _ref("Started")) | {"links": _LINKS}},
            body="Statement",
            name="startQuery",
        )
    },
    "/api/queries/{query_id}": {
        "get": _operation(
            "Say how a statement stands",
            {"200": _json("its state", _ref("Query"))},
            _QUERY_ID,
            _query(
                "wait_s",
                {"type": "number", "minimum": 0, "maximum": 60},
                "wait for the end, at most so long",
            ),
            name="getQuery",
        ),
        "delete": _operation(
            "Cancel a statement",
            {"200": _json("its state", _ref("Query"))},
            _QUERY_ID,
            name="cancelQuery",
        ),
    },
    "/api/queries/{query_id}/rows": {
        "get": _operation(
            "Page through the rows of a result",
            {"200": _json("a page", _ref("Rows"))},
            _QUERY_ID,
            _query("offset", COUNT | {"maximum": 10**9}, "first row"),
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "rows of the page"),
            _query("order_by", TEXT, "column to sort by"),
            _query("descending", _FLAG, "largest first"),
            name="getRows",
        )
    },
    "/api/queries/{query_id}/summary": {
        "get": _operation(
            "Summarize every column of a result",
            {"200": _json("SUMMARIZE", _ref("Summary"))},
            _QUERY_ID,
            name="getSummary",
        )
    },
    **{
        f"/api/queries/{{query_id}}/result.{style}": {
            "get": _operation(
                f"Download a result as {style}",
                {"200": _ROWS if style == "json" else _file("the file", kind)},
                _QUERY_ID,
                *([_EXACT] if style == "csv" else []),
                name=f"download_{style}",
            )
        }
        for style, kind in {
            "json": "application/json",
            "csv": "text/csv",
            "arrow": "application/vnd.apache.arrow.file",
            "parquet": "application/vnd.apache.parquet",
        }.items()
    },
    "/api/schema": {
        "get": _operation(
            "List tables and views", {"200": _json("all", _list(_ref("Table")))}, name="getSchema"
        )
    },
    "/api/snapshots": {
        "get": _operation(
            "List snapshots",
            {"200": _json("newest first", _list(_ref("Snapshot")))},
            name="getSnapshots",
        )
    },
    "/api/limits": {
        "get": _operation(
            "Say what a statement may use",
            {"200": _json("limits", _ref("Bounds"))},
            name="getLimits",
        )
    },
    "/api/openapi.json": {
        "get": _operation(
            "This description", {"200": _json("OpenAPI 3.1", {"type": "object"})}, name="getOpenapi"
        )
    },
    "/api/questions": {
        "get": _operation(
            "List saved questions",
            {"200": _json("all", _list(_ref("Question")))},
            name="getQuestions",
        )
    },
    "/api/questions/{name}": {
        "put": _operation(
            "Save a question",
            {"200": _json("as saved", _ref("Question"))},
            _NAME,
            body="NewQuestion",
            name="putQuestion",
        ),
        "delete": _operation(
            "Delete a question of people",
            {"204": {"description": "deleted"}},
            _NAME,
            name="deleteQuestion",
        ),
    },
    "/api/review": {
        "get": _operation(
            "Count what waits for people in each queue",
            {"200": _json("the queues", _ref("Review"))},
            name="getReview",
        )
    },
    "/api/review/queues/{queue}": {
        "get": _operation(
            "Give the next items of a queue with their evidence",
            {"200": _json("items", _ref("ReviewPage"))},
            _QUEUE,
            *_FILTER,
            _query("after", TEXT, "the item that the page begins after"),
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 50}, "items of the page"),
            _query("everything", _FLAG, "those that are decided, too"),
            name="getReviewItems",
        )
    },
    "/api/review/decisions": {
        "post": _operation(
            "Write a decision down",
            {"201": _json("how far the work is", _ref("ReviewPage"))},
            body="NewDecision",
            name="decide",
        )
    },
    "/api/review/queues/{queue}/decisions/{decision_id}": {
        "delete": _operation(
            "Take a decision back",
            {"200": _json("how far the work is", _ref("ReviewPage"))},
            _QUEUE,
            _path("decision_id", "^manual:[0-9a-f]{12}$"),
            *_FILTER,
            name="undoDecision",
        )
    },
    "/api/assets/{sha256}": {
        "get": _operation(
            "Original bytes of a picture",
            {
                "200": _file(
                    "the bytes",
                    "image/jpeg",
                    "image/png",
                    "image/webp",
                    "image/*",
                    "application/octet-stream",
                )
            },
            _SHA256,
            name="getAsset",
        )
    },
    "/api/assets/{sha256}/thumbnail": {
        "get": _operation(
            "A small WebP of a picture",
            {"200": _file("the thumbnail", "image/webp")},
            _SHA256,
            _query("side", {"type": "integer", "minimum": 16, "maximum": 1024}, "longest side, px"),
            name="getThumbnail",
        )
    },
}

OPENAPI: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "Safelight",
        "version": __version__,
        "description": "SQL over the catalog, run in a sandbox; results as JSON, CSV, Arrow and Parquet.",
    },
    "paths": _PATHS,
    "components": {
        "schemas": _SCHEMAS,
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": "safelight_session"},
        },
    },
    "security": [{}, {"token": []}, {"session": []}],
}


def openapi_document(*, max_timeout_s: float, max_rows: int) -> Schema:
    """Describe the API of a server with these limits of a statement."""
    document = deepcopy(OPENAPI)
    limited = document["components"]["schemas"]["Statement"]["properties"]
    limited["timeout_s"]["maximum"] = max_timeout_s
    limited["max_rows"]["maximum"] = max_rows
    return document
