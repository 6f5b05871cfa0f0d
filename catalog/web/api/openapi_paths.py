"""The operations of the HTTP API: summaries, parameters, bodies and responses, for `openapi.json`."""

import msgspec
from msgspec import Struct

from catalog.web.api.request_types import (
    DownloadQuery,
    ExplainQuery,
    LabelQuery,
    PredictQuery,
    QueuePageQuery,
    QueueQuery,
    RowsQuery,
    ThumbnailQuery,
    WaitQuery,
)
from catalog.web.api.response_schemas import Schema, array_of, ref_to
from catalog.web.review.queues import QUEUES


def _content(description: str, schema: Schema, *types: str) -> Schema:
    return {"description": description, "content": {kind: {"schema": schema} for kind in types}}


def _json(description: str, schema: Schema, status: str = "200") -> dict[str, Schema]:
    """Return the response with a JSON body, by its status."""
    return {status: _content(description, schema, "application/json")}


def _file(description: str, *types: str) -> dict[str, Schema]:
    return {"200": _content(description, {"type": "string", "format": "binary"}, *types)}


_ERRORS = {
    f"{status}": _content("the error", ref_to("Problem"), "application/json")
    for status in (400, 401, 403, 404, 408, 409, 413, 415, 421, 422, 429, 501, 503)
}


def _operation(
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


def _path(name: str, **schema: object) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


_QUERY_ID = _path("query_id", type="string", pattern="^[A-Za-z0-9_-]{22}$")
_SHA256 = _path("sha256", type="string", pattern="^[0-9a-f]{64}$")
_NAME = _path("name", type="string", pattern="^[a-z0-9][a-z0-9_-]{0,63}$")
_QUEUE = _path("queue", enum=list(QUEUES))
_TASK = _path("task", type="string", pattern="^[a-z][a-z0-9_]{0,39}$")
_DECISION_ID = _path("decision_id", type="string", pattern="^manual:[0-9a-f]{12}$")

_QUERY_OPERATIONS = (
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
    for name in _QUERY_OPERATIONS
}

_NDJSON = "application/x-ndjson"
_BYTES: Schema = {"type": "string", "format": "binary"}
_PICTURE_BODY: Schema = {
    "required": True,
    "description": "the bytes of one picture; its format is told by its content",
    "content": {kind: {"schema": _BYTES} for kind in ("application/octet-stream", "image/*")},
}
_FORM_BODY: Schema = {
    "required": True,
    "description": "a form of at most 100 files, each a picture",
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "additionalProperties": {"type": "array", "items": _BYTES}}
        }
    },
}
_STARTED = _json("the statement is running", ref_to("Started"), "201")
_STARTED["201"]["links"] = _LINKS
_ROWS = _json("the rows", array_of({"type": "object"}))


PATHS: dict[str, Schema] = {
    "/api/queries": {
        "post": _operation(
            "startQuery", "Start a statement in the sandbox", _STARTED, body="Statement"
        )
    },
    "/api/queries/{query_id}": {
        "get": _operation(
            "getQuery",
            "Return the state of a statement",
            _json("the state", ref_to("Query")),
            _QUERY_ID,
            query=WaitQuery,
        ),
        "delete": _operation(
            "cancelQuery", "Cancel a statement", _json("the state", ref_to("Query")), _QUERY_ID
        ),
    },
    "/api/queries/{query_id}/rows": {
        "get": _operation(
            "getRows",
            "Page through the rows of a result",
            _json("a page", ref_to("Rows")),
            _QUERY_ID,
            query=RowsQuery,
        )
    },
    "/api/queries/{query_id}/summary": {
        "get": _operation(
            "getSummary",
            "Summarize every column of a result",
            _json("SUMMARIZE", ref_to("Summary")),
            _QUERY_ID,
        )
    },
    **{
        f"/api/queries/{{query_id}}/result.{style}": {
            "get": _operation(
                f"download_{style}",
                f"Download a result as {style}",
                _ROWS if style == "json" else _file("the file", kind),
                _QUERY_ID,
                query=DownloadQuery if style == "csv" else None,
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
            "getSchema",
            "List tables and views",
            _json("tables and views", array_of(ref_to("Table"))),
        )
    },
    "/api/snapshots": {
        "get": _operation(
            "getSnapshots", "List snapshots", _json("newest first", array_of(ref_to("Snapshot")))
        )
    },
    "/api/limits": {
        "get": _operation(
            "getLimits", "Return the limits of a statement", _json("limits", ref_to("Bounds"))
        )
    },
    "/api/openapi.json": {
        "get": _operation(
            "getOpenapi", "This description", _json("OpenAPI 3.1", {"type": "object"})
        )
    },
    "/api/questions": {
        "get": _operation(
            "getQuestions", "List saved questions", _json("questions", array_of(ref_to("Question")))
        )
    },
    "/api/questions/{name}": {
        "put": _operation(
            "putQuestion",
            "Save a question",
            _json("the saved question", ref_to("Question")),
            _NAME,
            body="NewQuestion",
        ),
        "delete": _operation(
            "deleteQuestion", "Delete a saved question", {"204": {"description": "deleted"}}, _NAME
        ),
    },
    "/api/review": {
        "get": _operation(
            "getReview", "Count the open items of each queue", _json("the queues", ref_to("Review"))
        )
    },
    "/api/review/queues/{queue}": {
        "get": _operation(
            "getReviewItems",
            "Return the next items of a queue with their evidence",
            _json("items", ref_to("ReviewPage")),
            _QUEUE,
            query=QueuePageQuery,
        )
    },
    "/api/review/decisions": {
        "post": _operation(
            "decide",
            "Record a decision",
            _json("the progress of the queue", ref_to("ReviewPage"), "201"),
            body="NewDecision",
        )
    },
    "/api/review/queues/{queue}/decisions/{decision_id}": {
        "delete": _operation(
            "undoDecision",
            "Undo a decision",
            _json("the progress of the queue", ref_to("ReviewPage")),
            _QUEUE,
            _DECISION_ID,
            query=QueueQuery,
        )
    },
    "/api/labels": {
        "get": _operation(
            "getLabelTasks", "List what people label", _json("the tasks", ref_to("LabelTasks"))
        )
    },
    "/api/labels/{task}": {
        "get": _operation(
            "getLabels",
            "Return the pictures that a person labels next",
            _json("pictures and progress", ref_to("LabelPage")),
            _TASK,
            query=LabelQuery,
        ),
        "post": _operation(
            "label",
            "Record a label",
            _json("pictures and progress", ref_to("LabelPage"), "201"),
            _TASK,
            query=LabelQuery,
            body="NewLabel",
        ),
    },
    "/api/labels/{task}/last": {
        "delete": _operation(
            "undoLabel",
            "Take back the last label of a person",
            _json("pictures and progress", ref_to("LabelPage")),
            _TASK,
            query=LabelQuery,
        )
    },
    "/api/labels/{task}/releases": {
        "post": _operation(
            "publishLabels",
            "Publish the labels of a task as the next version of a dataset",
            _json("the release", ref_to("PublishedLabels"), "201"),
            _TASK,
            body="NewLabelRelease",
        )
    },
    "/api/models": {
        "get": _operation(
            "listModels",
            "List all trained models with their main figures, and the leaderboards of equal data",
            _json("models and leaderboards", ref_to("ModelList")),
        )
    },
    "/api/models/{model_id}": {
        "get": _operation(
            "getModel",
            "Return a model: card, configuration, curves, metrics, confusion, calibration, worst errors",
            _json("the model", ref_to("ModelPage")),
            _path("model_id", type="string"),
        )
    },
    "/api/models/{model_id}/compare/{other}": {
        "get": _operation(
            "compareModels",
            "Compare two models of equal data, paired on the same test pictures",
            _json("the comparison", ref_to("ModelComparison")),
            _path("model_id", type="string"),
            _path("other", type="string"),
        )
    },
    "/api/v1/models": {
        "get": _operation(
            "getModels",
            "List the models that predict pictures",
            _json("the newest first", ref_to("PredictionModels")),
        )
    },
    "/api/v1/predict": {
        "post": _operation(
            "predict",
            "Predict one picture; nothing of it is stored",
            _json("the answers", ref_to("PicturePrediction")),
            query=PredictQuery,
        )
        | {"requestBody": _PICTURE_BODY}
    },
    "/api/v1/predict/batch": {
        "post": _operation(
            "predictBatch",
            "Predict several pictures; nothing of them is stored",
            {"200": _content("a line of JSON for each file", ref_to("BatchLine"), _NDJSON)},
            query=PredictQuery,
        )
        | {"requestBody": _FORM_BODY}
    },
    "/api/v1/explain": {
        "post": _operation(
            "explain",
            "Say what of a picture counted for one answer",
            _json("how much less the model says where a cell is covered", ref_to("HeatMap")),
            query=ExplainQuery,
        )
        | {"requestBody": _PICTURE_BODY}
    },
    "/api/v1/samples": {
        "get": _operation(
            "getSamples",
            "Name test pictures of the release that a model was trained on",
            _json("SHA-256 of each", ref_to("Samples")),
            query=PredictQuery,
        )
    },
    "/api/assets/{sha256}": {
        "get": _operation(
            "getAsset",
            "Original bytes of a picture",
            _file(
                "the bytes",
                "image/jpeg",
                "image/png",
                "image/webp",
                "image/*",
                "application/octet-stream",
            ),
            _SHA256,
        )
    },
    "/api/assets/{sha256}/thumbnail": {
        "get": _operation(
            "getThumbnail",
            "A small WebP of a picture",
            _file("the thumbnail", "image/webp"),
            _SHA256,
            query=ThumbnailQuery,
        )
    },
}
