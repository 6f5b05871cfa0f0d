from datetime import datetime, timedelta

import numpy as np
import polars as pl

from curation.splits.leaks import _sentence
from curation.splits.metadata_leaks import MetadataBaseline, metadata_baselines
from curation.splits.strata import Stratum

START = datetime(2024, 5, 1)  # noqa: DTZ001 - the catalog keeps local clocks without a zone
KIND = Stratum("kind", "kind", ("day", "night"))


def pictures(hours_of_a_kind: int, seed: int = 0) -> pl.DataFrame:
    """Make 40 sessions of 8 pictures, one an hour; the kind changes after so many hours (0: at random)."""
    rng = np.random.default_rng(seed)
    rows = []
    for hour in range(40):
        side = "test" if hour % 4 == 1 else "train"
        for minute in range(8):
            drawn = int(rng.integers(2))
            rows.append(
                {
                    "asset_sha256": f"{hour}-{minute}",
                    "group_id": f"{hour}",
                    "camera": f"camera {drawn}" if minute else None,
                    "time": START + timedelta(hours=hour, minutes=minute),
                    "kind": hour // hours_of_a_kind % 2 if hours_of_a_kind else drawn,
                    "split": side,
                }
            )
    return pl.DataFrame(rows)


def by_check(items: pl.DataFrame) -> dict[str, MetadataBaseline]:
    return {guess.check: guess for guess in metadata_baselines(items, (KIND,), "split")}


def test_times_tell_nothing_where_labels_are_drawn_for_each_picture() -> None:
    baselines = by_check(pictures(0))["timestamp_knn"]
    assert not baselines.leaks
    assert baselines.low < 0 < baselines.high
    assert (baselines.detail, baselines.reason) == ("", "the difference may be 0 or less")
    assert (baselines.n, baselines.n_groups) == (80, 10)


def test_labels_in_long_stretches_are_told_by_the_time_and_the_audit_says_why() -> None:
    baselines = by_check(pictures(10))["timestamp_knn"]
    assert baselines.leaks
    assert baselines.value > 0.8
    assert baselines.majority < 0.6
    assert "54 min or more" in baselines.detail
    assert "in stretches longer than a session" in baselines.detail
    assert baselines.reason == baselines.detail


def test_a_camera_that_takes_one_kind_only_tells_it() -> None:
    baselines = by_check(pictures(0))["camera_majority"]
    assert baselines.value == 1.0
    assert baselines.leaks
    assert (
        baselines.reason == "pictures of one camera model have a similar kind in train and in test"
    )
    assert baselines.n == 70, "a picture of no camera is not guessed"


def test_without_times_nothing_is_guessed() -> None:
    items = pictures(0).with_columns(time=pl.lit(None, pl.Datetime), camera=pl.lit(None, pl.String))
    assert metadata_baselines(items, (KIND,), "split") == []


def test_a_camera_that_training_never_saw_says_nothing() -> None:
    items = pictures(0).with_columns(
        camera=pl.when(pl.col("split") == "test").then(pl.lit("new")).otherwise("camera")
    )
    assert "camera_majority" not in by_check(items)
    half = items.with_columns(
        camera=pl.when(pl.col("asset_sha256").str.ends_with("-3"))
        .then(pl.lit("camera 0"))
        .otherwise("camera")
    )
    assert by_check(half)["camera_majority"].n == 10, "only test pictures of a known model count"


def test_few_groups_give_no_verdict() -> None:
    few = pictures(10).filter(~pl.col("group_id").is_in(["1"]))
    guess = by_check(few)["timestamp_knn"]
    assert (guess.n_groups, guess.verdict, guess.leaks) == (9, "too few groups to tell", False)
    assert guess.reason == "9 groups; a verdict needs 10"
    text = _sentence(guess)
    assert text.startswith("whether the time alone tells kind: too few groups to tell (")
    assert _sentence(by_check(pictures(10))["timestamp_knn"]).startswith("the time alone tells")
