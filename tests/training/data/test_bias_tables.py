"""What a label may follow from: each table holds its own columns only, and knows nothing of what train lacks."""

import numpy as np
import polars as pl

from training.data.arrays import Ints
from training.data.bias_tables import BIASES, UNKNOWN, bias_tables
from training.evaluation.baselines import BaselineInputs, predicted_by_biases

N = 60


def parts(software: list[str | None]) -> dict[str, pl.DataFrame]:
    index = pl.DataFrame(
        {"software": software, "iso": [100.0, None] * (N // 2), "group_id": [f"g{n}" for n in range(N)]}
    )  # fmt: skip
    return {"train": index, "validation": index, "test": index.with_columns(group_id=pl.lit("new"))}


def test_a_program_that_wrote_all_good_pictures_is_found_and_nothing_else_is() -> None:
    target: Ints = np.arange(N) // 2 % 2
    indexes = parts([None if each else "Lightroom" for each in target])
    scenes = {part: np.random.default_rng(0).random((N, 3072)) for part in indexes}
    tables = bias_tables(indexes, scenes)
    assert set(tables) == set(BIASES)
    inputs = BaselineInputs({}, {}, np.arange(N), biases=tables)
    said = predicted_by_biases(inputs, target, 2)
    right = {name: ((each["test"].argmax(1) == target).mean()) for name, each in said.items()}
    assert right["software_only"] == 1
    assert right["exif_only"] < 0.8
    assert (tables["trip_only"]["test"][:, 0] == UNKNOWN).all()  # a trip of its own


def test_files_without_pictures_or_columns_have_tables_of_unknown() -> None:
    index = pl.DataFrame({"asset_sha256": ["a", "b"]})
    tables = bias_tables({"train": index}, {"train": np.zeros((2, 6))})
    assert all((each["train"] == UNKNOWN).all() for each in tables.values())
