"""Training: train models on releases, evaluate them beside baselines, and write reports.

`Order` and `Outcome` are deprecated names of `TrainingRequest` and `TrainingResult`.
"""

from typing import TYPE_CHECKING

from catalog import lazy_attributes

if TYPE_CHECKING:
    from training.data.simple_features import picture_features
    from training.data.views import Crops, EditedPairs, PatchesAndThumbnail, View
    from training.data.views.base import channels_first
    from training.fit.config import Config
    from training.fit.recipe import Recipe
    from training.fit.run_request import Order, Outcome, TrainingRequest, TrainingResult
    from training.heads import (
        DistributionHead,
        EmbeddingHead,
        Head,
        OrdinalHead,
        RegressionHead,
        SoftmaxHead,
        register,
    )
    from training.models.headed import HeadedNetwork
    from training.predict.picture_predictor import PicturePredictor
    from training.recipes import RECIPES
    from training.report.report import write_report
    from training.runs.run import train

__all__ = [
    "RECIPES",
    "Config",
    "Crops",
    "DistributionHead",
    "EditedPairs",
    "EmbeddingHead",
    "Head",
    "HeadedNetwork",
    "Order",
    "OrdinalHead",
    "Outcome",
    "PatchesAndThumbnail",
    "PicturePredictor",
    "Recipe",
    "RegressionHead",
    "SoftmaxHead",
    "TrainingRequest",
    "TrainingResult",
    "View",
    "channels_first",
    "picture_features",
    "register",
    "train",
    "write_report",
]

if not TYPE_CHECKING:  # mypy would take every name for one that `__getattr__` knows
    __getattr__, __dir__ = lazy_attributes(
        __name__,
        {
            "training.data.simple_features": ("picture_features",),
            "training.data.views": ("Crops", "EditedPairs", "PatchesAndThumbnail", "View"),
            "training.data.views.base": ("channels_first",),
            "training.fit.config": ("Config",),
            "training.fit.recipe": ("Recipe",),
            "training.fit.run_request": ("Order", "Outcome", "TrainingRequest", "TrainingResult"),
            "training.heads": (
                "DistributionHead",
                "EmbeddingHead",
                "Head",
                "OrdinalHead",
                "RegressionHead",
                "SoftmaxHead",
                "register",
            ),
            "training.models.headed": ("HeadedNetwork",),
            "training.predict.picture_predictor": ("PicturePredictor",),
            "training.recipes": ("RECIPES",),
            "training.report.report": ("write_report",),
            "training.runs.run": ("train",),
        },
    )
