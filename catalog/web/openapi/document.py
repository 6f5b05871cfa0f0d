"""The description of the HTTP API (OpenAPI 3.1). A test compares it with the routes."""

import msgspec

from catalog.version import __version__
from catalog.web.models.model_library import ModelComparison, ModelList, ModelPage
from catalog.web.openapi.paths import PATHS
from catalog.web.openapi.request_types import (
    NewDecision,
    NewLabel,
    NewLabelRelease,
    NewQuestion,
    NewSelectionDecision,
    NewSelectionLabel,
    statement_type,
)
from catalog.web.openapi.schemas import RESPONSES, Schema
from catalog.web.predictions.predictor import HeatMap, PicturePrediction
from catalog.web.sections.map_colours import MapColours
from catalog.web.similarity.service import SimilarPictures


def openapi_document(*, max_timeout_s: float, max_rows: int) -> Schema:
    """Describe the API of a server with these limits of a statement."""
    bodies = [
        statement_type(max_timeout_s, max_rows),
        NewQuestion,
        NewDecision,
        NewSelectionDecision,
        NewSelectionLabel,
        NewLabel,
        NewLabelRelease,
    ]
    template = "#/components/schemas/{name}"
    _, requests = msgspec.json.schema_components(bodies, ref_template=template)
    _, predictions = msgspec.json.schema_components(
        [
            PicturePrediction,
            HeatMap,
            SimilarPictures,
            MapColours,
            ModelList,
            ModelPage,
            ModelComparison,
        ],
        ref_template=template,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Safelight",
            "version": __version__,
            "description": "SQL over the catalog, run in a sandbox; results as JSON, CSV, Arrow and Parquet.",
        },
        "paths": PATHS,
        "components": {
            "schemas": requests | predictions | RESPONSES,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "safelight_session"},
            },
        },
        "security": [{}, {"token": []}, {"session": []}],
    }
