"""JSON Schemas of the responses, for `openapi.json`. Those of the requests are in `request_types.py`."""

from typing import Any

Schema = dict[str, Any]


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


def array_of(of: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": of}


def ref_to(name: str) -> Schema:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
RESPONSES: dict[str, Schema] = {
    "Problem": _object(
        "error kind",
        error=TEXT | {"description": "a sentence"},
        kind=TEXT | {"description": "a snake_case word"},
    ),
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
        columns=array_of(ref_to("Column")),
        n_rows=COUNT,
        truncated={"type": "boolean", "description": "a limit cut the result"},
        duration_ms=_or_null("number"),
        error=_or_null("string"),
        kind=_or_null("string"),
        limits=ref_to("Limits"),
    ),
    "Rows": _object(
        "columns offset n_rows rows",
        columns=array_of(ref_to("Column")),
        offset=COUNT,
        n_rows=COUNT,
        rows=array_of(array_of({}))
        | {"description": "integers above 2^53, decimals, times, infinities and NaN are texts"},
    ),
    "Summary": _object("columns rows", columns=array_of(TEXT), rows=array_of(array_of({}))),
    "Table": _object(
        "name kind comment columns",
        name=TEXT,
        kind={"enum": ["table", "view"]},
        comment=TEXT,
        columns=array_of(_object("name type comment", name=TEXT, type=TEXT, comment=TEXT)),
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
        limits=ref_to("Limits"),
        max_timeout_s={"type": "number"},
        max_running=COUNT,
        max_waiting=COUNT,
        result_age_s={"type": "number"},
        sandbox={
            "type": "object",
            "additionalProperties": {"type": "boolean"},
            "description": "restrictions of a statement's process, and whether each held when the server started",
        },
    ),
    "Question": _object(
        "name title sql parameters answer own",
        name=TEXT,
        title=TEXT,
        sql=TEXT,
        answer=TEXT,
        own={"type": "boolean", "description": "saved in this workspace"},
        parameters=array_of(_object("name about default", name=TEXT, about=TEXT, default={})),
    ),
    "PredictionModels": _object("models", models=array_of(ref_to("PredictionModel"))),
    "LabelTasks": _object(
        "tasks",
        tasks=array_of(
            _object(
                "task classes labels people",
                task=TEXT,
                classes=array_of(TEXT),
                labels=COUNT,
                people=array_of(TEXT),
            )
        ),
    ),
    "LabelPage": _object(
        "pictures progress",
        pictures=array_of(
            _object(
                "picture why expected",
                picture=TEXT,
                why={"enum": ["first", "uncertain", "random", "again"]},
                expected={
                    "type": ["object", "null"],
                    "description": "probability of each class; null before a model",
                },
            )
        ),
        progress={"type": "object"},
        judgement_id=TEXT,
        taken_back=TEXT | {"description": "the picture whose label was taken back"},
    ),
    "PublishedLabels": _object(
        "dataset version pictures left_out splits command",
        dataset=TEXT,
        version=TEXT,
        pictures=COUNT,
        left_out=COUNT | {"description": "labelled, but not kept by the current curation run"},
        splits={"type": "object", "description": "pictures by split and class"},
        command=TEXT,
    ),
    "Samples": _object("pictures", pictures=array_of(TEXT)),
    "BatchLine": {
        "description": "a line has a prediction, or an error with the status that the file would have alone",
        "anyOf": [
            _object("name prediction", name=TEXT, prediction=ref_to("PicturePrediction")),
            _object("error kind status", name=TEXT, error=TEXT, kind=TEXT, status=COUNT),
        ],
    },
    "EmbeddingMap": _object(
        "method methods is_ready",
        method=TEXT,
        methods=array_of(TEXT) | {"description": "installed on this server"},
        is_ready={"type": "boolean", "description": "false: the map is being made, ask again"},
        key=TEXT | {"description": "another one for other pictures or vectors"},
        model_id=TEXT,
        points=COUNT,
        total=COUNT
        | {"description": "pictures with a vector; of more than `most` a sample is drawn"},
        most=COUNT,
        explained=array_of({"type": "number"})
        | {"description": "share of the variance on both axes, 0 to 1"},
        seconds={"type": "number", "description": "how long the projection took"},
        columns=array_of(_object("name type", name=TEXT, type=TEXT)),
    ),
    "Facets": _object(
        "n_rows facets",
        n_rows=COUNT,
        facets=array_of(
            _object(
                "column n_distinct values",
                column=TEXT,
                n_distinct=COUNT,
                values=array_of(
                    _object(
                        "n where",
                        value=_or_null("string"),
                        low={"type": "number"},
                        high={"type": "number"},
                        n=COUNT,
                        where=TEXT
                        | {"description": "the condition in SQL that selects these rows"},
                    )
                ),
            )
        ),
    ),
    "SelectionDecision": _object(
        "decision_id kind n", decision_id=TEXT, kind={"enum": ["keep", "drop", "undo"]}, n=COUNT
    ),
    "SelectionLabel": _object(
        "batch n",
        batch=TEXT | {"description": "names it for the undo"},
        n=COUNT,
        task=TEXT,
        value=TEXT,
    ),
    "Review": _object(
        "run_id queues", run_id=_or_null("string"), queues=array_of({"type": "object"})
    ),
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
        items=array_of({"type": "object"}),
        is_end={"type": "boolean"},
    ),
}
