"""What a label may follow from without being seen in a picture: colours, EXIF, the name of a program, the trip."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from training.data.arrays import Floats
from training.data.simple_features import SCENE_PX

TEXTS = {
    "exif_only": ("camera",),
    "software_only": ("software",),
    "trip_only": ("group_id", "photographer", "trip", "session", "group"),
}
NUMBERS = {"exif_only": ("f_number", "iso", "exposure_time", "native_resolution")}
"""Columns of the release by predictor; those that a release lacks count as unknown."""
BIASES = ("colours_only", *TEXTS)
UNKNOWN = -1.0
LEVELS = 8  # bins of the histogram of light


def bias_tables(
    indexes: Mapping[str, pl.DataFrame], scenes: Mapping[str, Floats]
) -> dict[str, dict[str, Floats]]:
    """Return for each of BIASES by part of the data what a forest is trained on, (N, columns).

    `scenes` are those of `simple_features`. A text becomes its rank among those of train, UNKNOWN where train lacks it.
    The label `folder` is not among them, because the folder good/rome holds the answer.
    """
    tables: dict[str, dict[str, Floats]] = {
        "colours_only": {part: colours(scene) for part, scene in scenes.items()}
    }
    for name, columns in TEXTS.items():
        ranks = {column: _ranks(indexes["train"], column) for column in columns}
        tables[name] = {
            part: np.column_stack(
                [_coded(index, column, ranks[column]) for column in columns]
                + [_numbers(index, column) for column in NUMBERS.get(name, ())]
            )
            for part, index in indexes.items()
        }
    return tables


def colours(scenes: Floats) -> Floats:
    """Return mean and spread of colours, opponents and saturation, and a histogram of light, of scenes (N, 3072).

    >>> colours(np.zeros((2, 3 * SCENE_PX**2))).shape
    (2, 20)
    """
    if scenes.shape[1] != 3 * SCENE_PX**2:  # of a sound, for example
        return np.full((len(scenes), 1), UNKNOWN)
    pixels = scenes.reshape(len(scenes), -1, 3)
    light, saturation = pixels.mean(2), pixels.max(2) - pixels.min(2)
    opponents = np.stack([pixels[..., 0] - pixels[..., 1], pixels[..., 2] - light, saturation], 2)
    both = np.concatenate([pixels, opponents], 2)
    levels = np.minimum((light * LEVELS).astype(int), LEVELS - 1)
    histogram = np.stack([(levels == level).mean(1) for level in range(LEVELS)], 1)
    return np.concatenate([both.mean(1), both.std(1), histogram], 1)


def _ranks(index: pl.DataFrame, column: str) -> dict[str, float]:
    if column not in index.columns:
        return {}
    counts = index[column].cast(pl.String).drop_nulls().value_counts().sort("count", column)
    return {value: float(rank) for rank, value in enumerate(counts[column].to_list())}


def _coded(index: pl.DataFrame, column: str, ranks: Mapping[str, float]) -> Floats:
    if column not in index.columns:
        return np.full(len(index), UNKNOWN)
    return np.array(
        [ranks.get(value, UNKNOWN) for value in index[column].cast(pl.String).to_list()]
    )


def _numbers(index: pl.DataFrame, column: str) -> Floats:
    if column not in index.columns:
        return np.full(len(index), UNKNOWN)
    numbers = index[column].cast(pl.Float64, strict=False).fill_null(UNKNOWN).fill_nan(UNKNOWN)
    return np.asarray(numbers.to_numpy(), np.float64)
