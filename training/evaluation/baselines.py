"""The learned baselines that a model must beat: predictors that use no pixels, or few.

`metadata` uses camera and file properties but no pixel: a high score of it shows a leak. `scene_only` uses the
picture at 32 px, `tiny_features` also a few simple statistics of noise and sharpness. For classes they return
log-probabilities for the class shares of training ("natural" here), like the network; for numbers they return
numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from training.data.arrays import MISSING, Floats, Ints
from training.evaluation.clock import classes_by_clock, values_by_clock

TEXT_COLUMNS = ("camera", "software")
NUMBER_COLUMNS = ("width", "height", "jpeg_quality")
FILE_COLUMNS = (*NUMBER_COLUMNS, "length")  # the quality stands for the quantisation tables
METADATA = TEXT_COLUMNS + NUMBER_COLUMNS
TREES = 50
OTHERS = ("validation", "test")
SCENE_PARTS = 24  # principal components of the scene; fewer with few pictures
Table = pl.DataFrame | Floats
FLOOR = (
    1e-3  # added to each probability, so that one wrong prediction does not dominate the likelihood
)


def metadata_table(index: pl.DataFrame) -> pl.DataFrame:
    """Select the inputs of the metadata baseline: camera, software, width, height, JPEG quality."""
    columns = {name: pl.col(name) if name in index.columns else pl.lit(None) for name in METADATA}
    return index.select(
        *(columns[name].cast(pl.String).fill_null("unknown").alias(name) for name in TEXT_COLUMNS),
        *(columns[name].cast(pl.Float64).alias(name) for name in NUMBER_COLUMNS),
    )


@dataclass(frozen=True)
class BaselineInputs:
    """The inputs of the learned baselines for train, validation and test: metadata, and rows of simple features.

    `tiny_rows` are the positions of the training rows whose features were computed.
    """

    metadata: Mapping[str, pl.DataFrame]
    features: Mapping[str, Mapping[str, Floats]]  # predictor -> part -> (N, columns)
    tiny_rows: Ints
    files: Mapping[str, Mapping[str, Floats]] = field(
        default_factory=dict
    )  # of the same rows as `features`
    biases: Mapping[str, Mapping[str, Floats]] = field(
        default_factory=dict
    )  # as `files`, of `training.data.bias_tables`
    times: Mapping[str, Floats] = field(default_factory=dict)  # part -> (N,), of `clock_times`


def file_table(index: pl.DataFrame) -> Floats:
    """Return what a stored file says without its pixels, (N, 4): width, height, JPEG quality and bytes; -1 unknown."""
    columns = [
        (pl.col(name) if name in index.columns else pl.lit(None)).cast(pl.Float64).alias(name)
        for name in FILE_COLUMNS
    ]
    return index.with_columns(columns).select(FILE_COLUMNS).fill_null(-1.0).to_numpy()


def compressed(
    scenes: Mapping[str, Floats], statistics: Mapping[str, Floats]
) -> dict[str, dict[str, Floats]]:
    """Reduce scenes (N, S) to principal components of train; return `tiny_features` and `scene_only` by part."""
    train = scenes["train"]
    parts = max(1, min(SCENE_PARTS, len(train) // 5, *train.shape))
    pca = PCA(parts, whiten=True, svd_solver="randomized", random_state=0).fit(train)
    scene = {part: pca.transform(rows) for part, rows in scenes.items()}
    both = {part: np.concatenate([scene[part], statistics[part]], axis=1) for part in scenes}
    return {"tiny_features": both, "scene_only": scene}


def predicted_classes(
    inputs: BaselineInputs, target: Ints, classes: int
) -> dict[str, dict[str, Floats]]:
    """Fit each baseline for classes; return natural log-probabilities (N, C) by predictor, for validation and test."""
    results = {
        "metadata": _log_probabilities(_on_metadata(_forest()), inputs.metadata, target, classes)
    }
    for name, features in inputs.features.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
        results[name] = _log_probabilities(model, features, target[inputs.tiny_rows], classes)
    return results | classes_by_clock(inputs.times, target, classes)


def predicted_by_file(
    inputs: BaselineInputs, target: Ints, classes: int
) -> dict[str, dict[str, Floats]]:
    """Fit forests on properties of files; return natural log-probabilities (N, C) by predictor, as above."""
    return _by_forests(inputs.files, target[inputs.tiny_rows], classes)


def predicted_by_biases(
    inputs: BaselineInputs, target: Ints, classes: int
) -> dict[str, dict[str, Floats]]:
    """Fit forests on what a label may follow from; return natural log-probabilities (N, C) by predictor, as above."""
    return _by_forests(inputs.biases, target[inputs.tiny_rows], classes)


def _by_forests(
    tables: Mapping[str, Mapping[str, Floats]], target: Ints, classes: int
) -> dict[str, dict[str, Floats]]:
    return {
        name: _log_probabilities(make_pipeline(_forest()), parts, target, classes)
        for name, parts in tables.items()
    }


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(TREES, min_samples_leaf=3, random_state=0, n_jobs=1)


def predicted_values(inputs: BaselineInputs, target: Floats) -> dict[str, dict[str, Floats]]:
    """Fit each baseline for numbers; return values (N,) by predictor, for validation and test."""
    forest = RandomForestRegressor(TREES, min_samples_leaf=3, random_state=0, n_jobs=1)
    results = {"metadata": _values(_on_metadata(forest), inputs.metadata, target)}
    for name, features in inputs.features.items():
        model = make_pipeline(StandardScaler(), Ridge(alpha=10.0))
        results[name] = _values(model, features, target[inputs.tiny_rows])
    return results | values_by_clock(inputs.times, target)


def _on_metadata(model: ClassifierMixin | RegressorMixin) -> Pipeline:
    texts = OneHotEncoder(handle_unknown="ignore", min_frequency=3)
    numbers = SimpleImputer(strategy="constant", fill_value=-1)
    columns = make_column_transformer(
        (texts, list(TEXT_COLUMNS)), (numbers, _numbers_of), sparse_threshold=0
    )
    return make_pipeline(columns, model)


def _numbers_of(table: pl.DataFrame) -> list[str]:
    """Return the columns of numbers that have a value; sounds, for example, have no width."""
    return [name for name in NUMBER_COLUMNS if table[name].count()]


def _log_probabilities(
    model: Pipeline, tables: Mapping[str, Table], target: Ints, classes: int
) -> dict[str, Floats]:
    labelled = np.flatnonzero(target != MISSING)
    present = np.unique(target[labelled])
    results = {}
    if len(present) > 1:
        model.fit(tables["train"][labelled], target[labelled])
    for part in OTHERS:
        probabilities = np.full((len(tables[part]), classes), FLOOR)
        # With one class in training it is certain; without any label all classes are equal.
        probabilities[:, present] += model.predict_proba(tables[part]) if len(present) > 1 else 1.0
        results[part] = np.log(probabilities / probabilities.sum(1, keepdims=True))
    return results


def _values(model: Pipeline, tables: Mapping[str, Table], target: Floats) -> dict[str, Floats]:
    labelled = np.flatnonzero(~np.isnan(target))
    if not len(labelled):
        return {part: np.zeros(len(tables[part])) for part in OTHERS}
    model.fit(tables["train"][labelled], target[labelled])
    return {part: np.asarray(model.predict(tables[part]), np.float64) for part in OTHERS}
