"""The operations of similar pictures, the map, and selected pictures, for `openapi.json`."""

from catalog.web.openapi.operation import (
    PICTURE_BODY,
    SHA256,
    describe_file,
    describe_json,
    describe_operation,
    describe_path_parameter,
)
from catalog.web.openapi.request_types import ColourQuery, LabelQuery, MapQuery, SimilarQuery
from catalog.web.openapi.schemas import Schema, ref_to

_DECISION_ID = describe_path_parameter(
    "decision_id", type="string", pattern="^manual:[0-9a-f]{12}$"
)
_BATCH = describe_path_parameter("batch", type="string", pattern="^label:[0-9a-f]{16}$")
_NEAREST = describe_json("the most similar first", ref_to("SimilarPictures"))

SEARCH_PATHS: dict[str, Schema] = {
    "/api/v1/similar/{sha256}": {
        "get": describe_operation(
            "getSimilar",
            "Find the pictures that look most like one of the catalog",
            _NEAREST,
            SHA256,
            query=SimilarQuery,
        )
    },
    "/api/v1/similar": {
        "post": describe_operation(
            "searchByPicture",
            "Find the pictures that look most like an uploaded one; nothing of it is stored",
            _NEAREST,
            query=SimilarQuery,
        )
        | {"requestBody": PICTURE_BODY}
    },
    "/api/v1/map": {
        "get": describe_operation(
            "getMap",
            "Describe the map of all pictures by their vectors; the first request makes it",
            describe_json("the map", ref_to("EmbeddingMap")),
            query=MapQuery,
        )
    },
    "/api/v1/map/points": {
        "get": describe_operation(
            "getMapPoints",
            "Return the points of the map: 32 bytes of SHA-256 each, then all x, then all y as float32, little endian",
            describe_file("the points", "application/octet-stream"),
            query=MapQuery,
        )
    },
    "/api/v1/map/colours": {
        "get": describe_operation(
            "getMapColours",
            "Return the values of one column for the points of the map, in their order",
            describe_json("the values", ref_to("MapColours")),
            query=ColourQuery,
        )
    },
    "/api/selection/decisions": {
        "post": describe_operation(
            "decideSelection",
            "Keep or drop selected pictures; the next curation run applies it",
            describe_json("the decision", ref_to("SelectionDecision"), "201"),
            body="NewSelectionDecision",
        )
    },
    "/api/selection/decisions/{decision_id}": {
        "delete": describe_operation(
            "undoSelectionDecision",
            "Undo your decision about selected pictures",
            describe_json("the undo", ref_to("SelectionDecision")),
            _DECISION_ID,
        )
    },
    "/api/selection/labels": {
        "post": describe_operation(
            "labelSelection",
            "Give selected pictures one label",
            describe_json("the label", ref_to("SelectionLabel"), "201"),
            query=LabelQuery,
            body="NewSelectionLabel",
        )
    },
    "/api/selection/labels/{batch}": {
        "delete": describe_operation(
            "undoSelectionLabel",
            "Take back your label of selected pictures",
            describe_json("the undo", ref_to("SelectionLabel")),
            _BATCH,
            query=LabelQuery,
        )
    },
}
