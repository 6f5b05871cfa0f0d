"""The clock: times in file names predict what was gathered class by class, and the report says so."""

import numpy as np
import polars as pl
import pytest

from training.data.arrays import MISSING
from training.evaluation import verdicts
from training.evaluation.baselines import (
    BaselineInputs,
    metadata_table,
    predicted_classes,
    predicted_values,
)
from training.evaluation.clock import clock_times
from training.evaluation.saved_head import SavedHead

N = 60
HEAD = SavedHead(
    "age", "distribution", "values", "Age", unit="years", metric="mae", higher_is_better=False
)  # fmt: skip


def named(hours: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "camera": ["one"] * len(hours),
            "source_photo_id": [
                f"faces/26_1_3_20170117{hour:02d}{n % 60:02d}00123.jpg"
                for n, hour in enumerate(hours)
            ],
        }
    )


def inputs(index: pl.DataFrame) -> BaselineInputs:
    indexes = dict.fromkeys(("train", "validation", "test"), index)
    tables = {part: metadata_table(each) for part, each in indexes.items()}
    return BaselineInputs(tables, {}, np.arange(len(index)), times=clock_times(indexes))


def test_the_clock_tells_labels_that_were_gathered_hour_by_hour() -> None:
    hours = [n // 20 * 3 for n in range(N)]
    ages, classes = np.array(hours) * 10.0, np.array(hours) // 3
    ages[::7], classes[::7] = np.nan, MISSING  # rows without a label teach nothing
    given = inputs(named(hours))
    values = predicted_values(given, ages)["clock"]["test"]
    assert values.tolist() == [hour * 10.0 for hour in hours]
    log_p = predicted_classes(given, classes, 3)["clock"]["validation"]
    assert log_p.argmax(1).tolist() == [hour // 3 for hour in hours]
    assert np.allclose(np.exp(log_p).sum(1), 1)


def test_names_without_a_time_have_no_clock() -> None:
    index = named([0] * N).with_columns(source_photo_id=pl.lit("a.jpg"))
    assert "clock" not in predicted_values(inputs(index), np.arange(N) * 1.0)
    assert "clock" not in predicted_classes(inputs(index.drop("source_photo_id")), np.arange(N) % 2, 2)  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-3.0, -0.5, ""), (-2.0, 0.4, "as well as the model"), (0.3, 2.0, "better than the model")],
)
def test_the_report_says_where_the_clock_does_as_well(low: float, high: float, said: str) -> None:
    rows = [("model", "mae", 8.0, 7.0, 9.0), ("clock", "mae", 9.0, 8.0, 10.0)]
    rows.append(("model", "mae_minus_clock", (low + high) / 2, low, high))
    names = ("predictor", "metric", "value", "low", "high")
    metrics = pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows]).with_columns(
        split=pl.lit("split:test"), task=pl.lit("age"), slice=pl.lit("all"), n=90, n_groups=30
    )
    sentence = verdicts.clock_verdict(metrics, "split", HEAD)
    assert said in sentence
    assert bool(said) == bool(sentence)
    if said:
        assert "reaches 9.00 [8.00, 10.00] years" in sentence
    without = metrics.filter(pl.col("predictor") == "model")
    assert not verdicts.clock_verdict(without, "split", HEAD)
