"""Names that other rooms import from `training`: the one list, which type checkers and `__init__.py` read."""

from .data.samples import stacked as stacked
from .data.simple_features import picture_features as picture_features
from .data.views import (
    Crops as Crops,
    EditedPairs as EditedPairs,
    PatchesAndThumbnail as PatchesAndThumbnail,
    View as View,
)
from .data.views.base import channels_first as channels_first
from .fit.config import Config as Config
from .fit.recipe import Recipe as Recipe
from .fit.run_request import (
    Order as Order,
    Outcome as Outcome,
    TrainingRequest as TrainingRequest,
    TrainingResult as TrainingResult,
)
from .heads import (
    DistributionHead as DistributionHead,
    EmbeddingHead as EmbeddingHead,
    Head as Head,
    OrdinalHead as OrdinalHead,
    RegressionHead as RegressionHead,
    SoftmaxHead as SoftmaxHead,
    register as register,
)
from .library.library import TrainedModels as TrainedModels
from .models.headed import HeadedNetwork as HeadedNetwork
from .predict.picture_predictor import PicturePredictor as PicturePredictor
from .recipes import RECIPES as RECIPES
from .report.report import write_report as write_report
from .runs.run import train as train
