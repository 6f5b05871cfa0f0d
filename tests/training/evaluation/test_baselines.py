import numpy as np
import polars as pl

from training.data.transforms import View, cut
from training.evaluation.baselines import (
    METADATA,
    SCENE,
    metadata_log_probabilities,
    metadata_table,
    simple_features,
    simple_log_probabilities,
)
from training.models.losses import MISSING

RNG = np.random.default_rng(0)


def index(n: int = 60) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "camera": [("one", "two", None)[i % 3] for i in range(n)],
            "software": [None] * n,
            "width": [(400, 300, None)[i % 3] for i in range(n)],
            "height": [300] * n,
            "jpeg_quality": [90] * n,
            "shard": [f"{i}" for i in range(n)],
            "f_number": np.linspace(1, 2, n),
        },
        schema_overrides={"software": pl.String},
    )


def test_metadata_sees_no_pixel_no_label_and_no_place() -> None:
    assert metadata_table(index()).columns == list(METADATA)
    target = RNG.integers(0, 3, (60, 1))
    changed = index().with_columns(f_number=pl.lit(9.0), shard=pl.lit("x"))
    (one,) = metadata_log_probabilities(index(), target, [index()])
    (other,) = metadata_log_probabilities(changed, target, [changed])
    assert np.array_equal(one, other)


def test_metadata_learns_what_the_camera_gives_away() -> None:
    target = np.arange(60)[:, None] % 3
    (answers,) = metadata_log_probabilities(index(), target, [index()])
    assert (answers.argmax(2) == target).all()
    assert np.allclose(np.exp(answers).sum(2), 1.0)


def test_a_head_with_one_class_or_none_is_answered_without_a_fit() -> None:
    target = np.stack([np.full(60, 2), np.full(60, MISSING), np.arange(60) % 3], axis=1)
    (answers,) = metadata_log_probabilities(index(), target, [index(6)])
    assert (answers[:, 0].argmax(1) == 2).all()
    assert np.allclose(np.exp(answers[:, 1]), 1 / 3)


def test_simple_features_tell_noise_from_none_and_the_scene_does_not_know_them() -> None:
    view = View(32, 32, 4)
    pictures = [
        np.clip(128 + RNG.normal(0, 20 * (i % 3), (80, 80, 3)), 0, 255).astype(np.uint8)
        for i in range(60)
    ]
    features = np.stack([simple_features(cut(picture, view)) for picture in pictures])
    target = np.arange(60)[:, None] % 3
    train, test = features[:40], features[40:]
    changed = np.concatenate([test[:, :SCENE], test[:, SCENE:] + 9], axis=1)
    answers = simple_log_probabilities(train, target[:40], [test, changed])
    assert (answers["tiny_features"][0].argmax(2) == target[40:]).mean() > 0.9
    assert np.array_equal(*answers["scene_only"])
    assert not np.array_equal(*answers["tiny_features"])
