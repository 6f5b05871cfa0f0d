"""The operations of models, for `openapi.json`."""

from catalog.web.openapi.operation import describe_json, describe_operation, describe_path_parameter
from catalog.web.openapi.schemas import Schema, ref_to

_MODEL_ID = describe_path_parameter("model_id", type="string")

MODEL_PATHS: dict[str, Schema] = {
    "/api/models": {
        "get": describe_operation(
            "listModels",
            "List all trained models with their main figures, and the leaderboards of equal data",
            describe_json("models and leaderboards", ref_to("ModelList")),
        )
    },
    "/api/models/{model_id}": {
        "get": describe_operation(
            "getModel",
            "Return a model: card, configuration, curves, metrics, confusion, calibration, worst errors",
            describe_json("the model", ref_to("ModelPage")),
            _MODEL_ID,
        )
    },
    "/api/models/{model_id}/compare/{other}": {
        "get": describe_operation(
            "compareModels",
            "Compare two models of equal data, paired on the same test pictures",
            describe_json("the comparison", ref_to("ModelComparison")),
            _MODEL_ID,
            describe_path_parameter("other", type="string"),
        )
    },
}
