"""The baselines that a model must beat: predictors that use no pixels, or few.

`majority` and `prior` use the class shares only. `metadata` uses camera and file properties but no pixel:
a high score of it shows a leak. `scene_only` uses the picture at 32 px, `tiny_features` also a few simple
statistics of noise and sharpness. Like the network, all return log-probabilities for the class shares of training
("natural" here).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from training.data.transforms import Sample
from training.evaluation.metrics import CLASSES, Floats, Ints
from training.models.losses import MISSING

TEXT_COLUMNS = ("camera", "software")
NUMBER_COLUMNS = ("width", "height", "jpeg_quality")
METADATA = TEXT_COLUMNS + NUMBER_COLUMNS
TREES = 50
SCENE_PX = 32
SCENE = SCENE_PX * SCENE_PX * 3  # values of the scene, the first columns of `simple_features`
SCENE_PARTS = 24  # principal components of the scene; fewer with few pictures
Table = pl.DataFrame | Floats
FLOOR = (
    1e-3  # added to each probability, so that one wrong prediction does not dominate the likelihood
)


def metadata_table(index: pl.DataFrame) -> pl.DataFrame:
    """Select the inputs of the metadata baseline: camera, software, width, height, JPEG quality."""
    return index.select(
        *(pl.col(name).fill_null("unknown") for name in TEXT_COLUMNS),
        *(pl.col(name).cast(pl.Float64) for name in NUMBER_COLUMNS),
    )


def metadata_log_probabilities(
    train: pl.DataFrame, target: Ints, others: Sequence[pl.DataFrame]
) -> list[Floats]:
    """Fit a random forest on metadata for each head; return natural log-probabilities (N, heads, 3) of `others`."""
    texts = OneHotEncoder(handle_unknown="ignore", min_frequency=3)
    numbers = SimpleImputer(strategy="constant", fill_value=-1)
    columns = make_column_transformer(
        (texts, list(TEXT_COLUMNS)), (numbers, list(NUMBER_COLUMNS)), sparse_threshold=0
    )
    forest = RandomForestClassifier(TREES, min_samples_leaf=3, random_state=0, n_jobs=1)
    model = make_pipeline(columns, forest)
    tables = [metadata_table(other) for other in others]
    return _log_probabilities(model, metadata_table(train), target, tables)


def simple_log_probabilities(
    train: Floats, target: Ints, others: Sequence[Floats]
) -> dict[str, list[Floats]]:
    """Fit logistic regressions on rows of `simple_features` for each head: on all columns, and on the scene.

    Returns log-probabilities like `metadata_answers`, by predictor: `tiny_features` and `scene_only`.
    """
    parts = max(1, min(SCENE_PARTS, len(train) // 5))
    scenes = PCA(parts, whiten=True, svd_solver="randomized", random_state=0).fit(train[:, :SCENE])
    train_features, *other_features = (
        np.concatenate([scenes.transform(rows[:, :SCENE]), rows[:, SCENE:]], axis=1)
        for rows in (train, *others)
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    return {
        "tiny_features": _log_probabilities(model, train_features, target, other_features),
        "scene_only": _log_probabilities(
            model, train_features[:, :parts], target, [a[:, :parts] for a in other_features]
        ),
    }


def _log_probabilities(
    model: Pipeline, train: Table, target: Ints, others: Sequence[Table]
) -> list[Floats]:
    heads = [_one_head(model, train, column, others) for column in target.T]
    return [np.stack([head[place] for head in heads], axis=1) for place in range(len(others))]


def _one_head(model: Pipeline, train: Table, target: Ints, others: Sequence[Table]) -> list[Floats]:
    labelled = np.flatnonzero(target != MISSING)
    classes = np.unique(target[labelled])
    if len(classes) < 2:
        return [_certain(classes, len(other)) for other in others]
    model.fit(train[labelled], target[labelled])
    log_probabilities = []
    for other in others:
        probabilities = np.full((len(other), CLASSES), FLOOR)
        probabilities[:, classes] += model.predict_proba(other)
        log_probabilities.append(np.log(probabilities / probabilities.sum(1, keepdims=True)))
    return log_probabilities


def _certain(classes: Ints, n: int) -> Floats:
    """Return log-probabilities for the only class of the training set; uniform ones without labels."""
    probabilities = np.full((n, CLASSES), FLOOR)
    probabilities[:, classes] += 1.0
    return np.asarray(np.log(probabilities / probabilities.sum(1, keepdims=True)))


def simple_features(sample: Sample) -> Floats:
    """Return the scene at 32 px followed by statistics of brightness, noise and sharpness; one row."""
    scene = np.asarray(
        Image.fromarray(sample.thumbnail).resize((SCENE_PX, SCENE_PX), Image.Resampling.BOX)
    )
    return np.concatenate([scene.reshape(-1) / 255.0, _statistics(sample)])


def _statistics(sample: Sample) -> Floats:
    luma = sample.bank.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    chroma = sample.bank[..., 0].astype(np.float64) - luma
    half = len(luma) - len(luma) // 2
    noise = np.log(0.1 + _roughness(luma)), np.log(0.1 + _roughness(chroma))
    parts = [
        part
        for values in noise
        for part in (values.min(), values[:half].mean(), values[half:].mean())
    ]
    scene = sample.thumbnail / 255.0
    return np.array(
        [*parts, np.ptp(noise[0]), scene.mean(), scene.std(), np.log(0.01 + scene.mean())]
    )


def _roughness(planes: Floats) -> Floats:
    """Return the mean absolute Laplacian of each plane, shape (P,)."""
    centre = planes[:, 1:-1, 1:-1] * 4
    around = planes[:, :-2, 1:-1] + planes[:, 2:, 1:-1] + planes[:, 1:-1, :-2] + planes[:, 1:-1, 2:]
    return np.asarray(np.abs(centre - around).mean(axis=(1, 2)))
