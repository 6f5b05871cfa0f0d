"""The operations of the HTTP API: summaries, parameters, bodies and responses, for `openapi.json`."""

from catalog.web.openapi.model_paths import MODEL_PATHS
from catalog.web.openapi.operation import (
    FORM_BODY,
    NDJSON,
    PICTURE_BODY,
    SHA256,
    describe_content,
    describe_file,
    describe_json,
    describe_operation,
    describe_path_parameter,
)
from catalog.web.openapi.request_types import (
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
from catalog.web.openapi.schemas import Schema, array_of, ref_to
from catalog.web.openapi.search_paths import SEARCH_PATHS
from catalog.web.review.queues import QUEUES

_QUERY_ID = describe_path_parameter("query_id", type="string", pattern="^[A-Za-z0-9_-]{22}$")
_NAME = describe_path_parameter("name", type="string", pattern="^[a-z0-9][a-z0-9_-]{0,63}$")
_QUEUE = describe_path_parameter("queue", enum=list(QUEUES))
_TASK = describe_path_parameter("task", type="string", pattern="^[a-z][a-z0-9_]{0,39}$")
_DECISION_ID = describe_path_parameter(
    "decision_id", type="string", pattern="^manual:[0-9a-f]{12}$"
)

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

_STARTED = describe_json("the statement is running", ref_to("Started"), "201")
_STARTED["201"]["links"] = _LINKS
_ROWS = describe_json("the rows", array_of({"type": "object"}))


PATHS: dict[str, Schema] = (
    SEARCH_PATHS
    | MODEL_PATHS
    | {
        "/api/queries": {
            "post": describe_operation(
                "startQuery", "Start a statement in the sandbox", _STARTED, body="Statement"
            )
        },
        "/api/queries/{query_id}": {
            "get": describe_operation(
                "getQuery",
                "Return the state of a statement",
                describe_json("the state", ref_to("Query")),
                _QUERY_ID,
                query=WaitQuery,
            ),
            "delete": describe_operation(
                "cancelQuery",
                "Cancel a statement",
                describe_json("the state", ref_to("Query")),
                _QUERY_ID,
            ),
        },
        "/api/queries/{query_id}/rows": {
            "get": describe_operation(
                "getRows",
                "Page through the rows of a result",
                describe_json("a page", ref_to("Rows")),
                _QUERY_ID,
                query=RowsQuery,
            )
        },
        "/api/queries/{query_id}/facets": {
            "get": describe_operation(
                "getFacets",
                "Count the values of each column of a result that has few",
                describe_json("the facets", ref_to("Facets")),
                _QUERY_ID,
            )
        },
        "/api/queries/{query_id}/summary": {
            "get": describe_operation(
                "getSummary",
                "Summarize every column of a result",
                describe_json("SUMMARIZE", ref_to("Summary")),
                _QUERY_ID,
            )
        },
        **{
            f"/api/queries/{{query_id}}/result.{style}": {
                "get": describe_operation(
                    f"download_{style}",
                    f"Download a result as {style}",
                    _ROWS if style == "json" else describe_file("the file", kind),
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
            "get": describe_operation(
                "getSchema",
                "List tables and views",
                describe_json("tables and views", array_of(ref_to("Table"))),
            )
        },
        "/api/snapshots": {
            "get": describe_operation(
                "getSnapshots",
                "List snapshots",
                describe_json("newest first", array_of(ref_to("Snapshot"))),
            )
        },
        "/api/limits": {
            "get": describe_operation(
                "getLimits",
                "Return the limits of a statement",
                describe_json("limits", ref_to("Bounds")),
            )
        },
        "/api/openapi.json": {
            "get": describe_operation(
                "getOpenapi", "This description", describe_json("OpenAPI 3.1", {"type": "object"})
            )
        },
        "/api/questions": {
            "get": describe_operation(
                "getQuestions",
                "List saved questions",
                describe_json("questions", array_of(ref_to("Question"))),
            )
        },
        "/api/questions/{name}": {
            "put": describe_operation(
                "putQuestion",
                "Save a question",
                describe_json("the saved question", ref_to("Question")),
                _NAME,
                body="NewQuestion",
            ),
            "delete": describe_operation(
                "deleteQuestion",
                "Delete a saved question",
                {"204": {"description": "deleted"}},
                _NAME,
            ),
        },
        "/api/review": {
            "get": describe_operation(
                "getReview",
                "Count the open items of each queue",
                describe_json("the queues", ref_to("Review")),
            )
        },
        "/api/review/queues/{queue}": {
            "get": describe_operation(
                "getReviewItems",
                "Return the next items of a queue with their evidence",
                describe_json("items", ref_to("ReviewPage")),
                _QUEUE,
                query=QueuePageQuery,
            )
        },
        "/api/review/decisions": {
            "post": describe_operation(
                "decide",
                "Record a decision",
                describe_json("the progress of the queue", ref_to("ReviewPage"), "201"),
                body="NewDecision",
            )
        },
        "/api/review/queues/{queue}/decisions/{decision_id}": {
            "delete": describe_operation(
                "undoDecision",
                "Undo a decision",
                describe_json("the progress of the queue", ref_to("ReviewPage")),
                _QUEUE,
                _DECISION_ID,
                query=QueueQuery,
            )
        },
        "/api/labels": {
            "get": describe_operation(
                "getLabelTasks",
                "List what people label",
                describe_json("the tasks", ref_to("LabelTasks")),
            )
        },
        "/api/labels/{task}": {
            "get": describe_operation(
                "getLabels",
                "Return the pictures that a person labels next",
                describe_json("pictures and progress", ref_to("LabelPage")),
                _TASK,
                query=LabelQuery,
            ),
            "post": describe_operation(
                "label",
                "Record a label",
                describe_json("pictures and progress", ref_to("LabelPage"), "201"),
                _TASK,
                query=LabelQuery,
                body="NewLabel",
            ),
        },
        "/api/labels/{task}/last": {
            "delete": describe_operation(
                "undoLabel",
                "Take back the last label of a person",
                describe_json("pictures and progress", ref_to("LabelPage")),
                _TASK,
                query=LabelQuery,
            )
        },
        "/api/labels/{task}/releases": {
            "post": describe_operation(
                "publishLabels",
                "Publish the labels of a task as the next version of a dataset",
                describe_json("the release", ref_to("PublishedLabels"), "201"),
                _TASK,
                body="NewLabelRelease",
            )
        },
        "/api/v1/models": {
            "get": describe_operation(
                "getModels",
                "List the models that predict pictures",
                describe_json("the newest first", ref_to("PredictionModels")),
            )
        },
        "/api/v1/predict": {
            "post": describe_operation(
                "predict",
                "Predict one picture; nothing of it is stored",
                describe_json("the answers", ref_to("PicturePrediction")),
                query=PredictQuery,
            )
            | {"requestBody": PICTURE_BODY}
        },
        "/api/v1/predict/batch": {
            "post": describe_operation(
                "predictBatch",
                "Predict several pictures; nothing of them is stored",
                {
                    "200": describe_content(
                        "a line of JSON for each file", ref_to("BatchLine"), NDJSON
                    )
                },
                query=PredictQuery,
            )
            | {"requestBody": FORM_BODY}
        },
        "/api/v1/explain": {
            "post": describe_operation(
                "explain",
                "Say what of a picture counted for one answer",
                describe_json(
                    "how much less the model says where a cell is covered", ref_to("HeatMap")
                ),
                query=ExplainQuery,
            )
            | {"requestBody": PICTURE_BODY}
        },
        "/api/v1/samples": {
            "get": describe_operation(
                "getSamples",
                "Name test pictures of the release that a model was trained on",
                describe_json("SHA-256 of each", ref_to("Samples")),
                query=PredictQuery,
            )
        },
        "/api/assets/{sha256}": {
            "get": describe_operation(
                "getAsset",
                "Original bytes of a picture",
                describe_file(
                    "the bytes",
                    "image/jpeg",
                    "image/png",
                    "image/webp",
                    "image/*",
                    "application/octet-stream",
                ),
                SHA256,
            )
        },
        "/api/assets/{sha256}/thumbnail": {
            "get": describe_operation(
                "getThumbnail",
                "A small WebP of a picture, or of the waveform and spectrogram of a sound",
                describe_file("the thumbnail", "image/webp"),
                SHA256,
                query=ThumbnailQuery,
            )
        },
        "/api/assets/{sha256}/plot": {
            "get": describe_operation(
                "getSoundPlot",
                "Waveform and log-mel spectrogram of a sound",
                describe_file("a WebP of 1100 x 560 px", "image/webp"),
                SHA256,
            )
        },
    }
)
