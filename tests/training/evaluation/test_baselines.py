import numpy as np
import polars as pl
import pytest

from training.data.arrays import MISSING, Floats
from training.data.views.patches_and_thumbnail import PatchesAndThumbnail
from training.evaluation.baselines import (
    METADATA,
    BaselineInputs,
    compressed,
    metadata_table,
    predicted_classes,
    predicted_values,
)

N = 60
CLASS = np.arange(N) % 3
VALUE = np.array([-2.0, 3.0, 8.0])[CLASS]


def index(n: int = N) -> pl.DataFrame:
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


def inputs(
    train: pl.DataFrame, other: pl.DataFrame, features: dict[str, dict[str, Floats]] | None = None
) -> BaselineInputs:
    tables = {"train": train, "validation": other, "test": other}
    metadata = {part: metadata_table(table) for part, table in tables.items()}
    return BaselineInputs(metadata, features or {}, np.arange(len(train)))


def by_metadata(train: pl.DataFrame, other: pl.DataFrame, target: np.ndarray) -> Floats:
    return predicted_classes(inputs(train, other), target, 3)["metadata"]["test"]


def test_metadata_sees_no_pixel_no_label_and_no_place() -> None:
    assert metadata_table(index()).columns == list(METADATA)
    target = np.random.default_rng(0).integers(0, 3, N)
    changed = index().with_columns(f_number=pl.lit(9.0), shard=pl.lit("x"))
    one, other = (by_metadata(table, table, target) for table in (index(), changed))
    assert np.array_equal(one, other)


def test_metadata_without_its_columns_is_unknown() -> None:
    table = metadata_table(index().drop("camera", "width"))
    assert table.columns == list(METADATA)
    assert table["camera"].to_list() == ["unknown"] * N
    assert table["width"].null_count() == N


@pytest.mark.filterwarnings("error")
def test_metadata_without_any_number_is_fitted_on_the_rest() -> None:
    table = index().drop("width", "height", "jpeg_quality")
    assert (by_metadata(table, table, CLASS).argmax(1) == CLASS).all()
    none = table.drop("camera")
    assert np.isfinite(by_metadata(none, none, CLASS)).all()


def test_metadata_learns_what_the_camera_gives_away() -> None:
    log_p = by_metadata(index(), index(), CLASS)
    assert (log_p.argmax(1) == CLASS).all()
    assert np.allclose(np.exp(log_p).sum(1), 1.0)
    values = predicted_values(inputs(index(), index()), VALUE)["metadata"]
    assert values["test"] == pytest.approx(VALUE, abs=0.5)
    assert np.array_equal(values["test"], values["validation"])


def test_a_head_with_one_class_or_none_is_predicted_without_a_fit() -> None:
    assert (by_metadata(index(), index(6), np.full(N, 2)).argmax(1) == 2).all()
    assert np.allclose(np.exp(by_metadata(index(), index(6), np.full(N, MISSING))), 1 / 3)
    none = predicted_values(inputs(index(), index(6)), np.full(N, np.nan))
    assert none["metadata"]["test"].tolist() == [0.0] * 6


def test_rows_without_a_label_teach_nothing() -> None:
    whole, part = CLASS.copy(), CLASS.copy()
    part[::4] = MISSING
    labelled = part != MISSING
    fewer = by_metadata(index().filter(labelled), index(), whole[labelled])
    assert np.array_equal(by_metadata(index(), index(), part), fewer)
    values = np.where(labelled, VALUE, np.nan)
    expected = predicted_values(inputs(index().filter(labelled), index()), VALUE[labelled])
    given = predicted_values(inputs(index(), index()), values)
    assert np.array_equal(given["metadata"]["test"], expected["metadata"]["test"])


def features() -> tuple[Floats, Floats]:
    """Scenes and statistics of pictures whose noise is that of their class."""
    rng, view = np.random.default_rng(0), PatchesAndThumbnail(32, 32, 4)
    scenes, statistics = [], []
    for number in range(N):
        picture = np.clip(128 + rng.normal(0, 20 * (number % 3), (80, 80, 3)), 0, 255)
        pair = view.simple_features(view.prepare(picture.astype(np.uint8)))
        scenes.append(pair[0])
        statistics.append(pair[1])
    return np.stack(scenes), np.stack(statistics)


def test_simple_features_tell_noise_from_none_and_the_scene_has_none_of_them() -> None:
    scenes, statistics = features()
    cut = {"train": slice(0, 40), "validation": slice(40, N), "test": slice(40, N)}
    by_part = {part: statistics[rows] for part, rows in cut.items()}
    by_part["validation"] = by_part["validation"] + 9
    inside = compressed({part: scenes[rows] for part, rows in cut.items()}, by_part)
    given = inputs(index(40), index(20), inside)
    classes = predicted_classes(given, CLASS[:40], 3)
    assert (classes["tiny_features"]["test"].argmax(1) == CLASS[40:]).mean() > 0.8
    assert np.array_equal(classes["scene_only"]["test"], classes["scene_only"]["validation"])
    assert not np.array_equal(*(classes["tiny_features"][p] for p in ("test", "validation")))
    values = predicted_values(given, VALUE[:40])
    spread = np.abs(VALUE[40:] - np.median(VALUE)).mean()
    assert np.abs(values["tiny_features"]["test"] - VALUE[40:]).mean() < spread / 2
    assert np.array_equal(values["scene_only"]["test"], values["scene_only"]["validation"])


def test_a_part_of_the_training_rows_is_enough_for_the_features() -> None:
    scenes, statistics = features()
    parts = {"train": slice(0, 30), "validation": slice(40, N), "test": slice(40, N)}
    inside = compressed(*({p: each[r] for p, r in parts.items()} for each in (scenes, statistics)))
    given = BaselineInputs(inputs(index(40), index(20)).metadata, inside, np.arange(30))
    classes = predicted_classes(given, CLASS[:40], 3)
    assert classes["tiny_features"]["test"].shape == (20, 3)
