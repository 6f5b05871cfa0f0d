"""Slices come from the columns of any release, and hold the rows whose name they have."""

import numpy as np
import polars as pl

from training.evaluation.slices import FEWEST, MOST, slices


def index(n: int, **columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame({"asset_sha256": [f"{number:064d}" for number in range(n)], **columns})


def test_size_compression_age_and_group_are_slices() -> None:
    table = index(
        40,
        width=[100] * 12 + [3000] * 28,
        height=[80] * 12 + [4000] * 28,
        jpeg_quality=[50] * 15 + [None] * 5 + [97] * 20,
        age=[3] * 10 + [25] * 29 + [None],
        group_id=["one"] * 25 + [f"g{n}" for n in range(15)],
    )
    found = {name: rows.tolist() for name, rows in slices(table, np.arange(40))}
    assert found == {
        "longer_side=0 to 255": list(range(12)),
        "longer_side=2048 to 4095": list(range(12, 40)),
        "jpeg_quality=0 to 59": list(range(15)),
        "jpeg_quality=95 and more": list(range(20, 40)),
        "age=0 to 3": list(range(10)),
        "age=20 to 29": list(range(10, 39)),
        "group=one": list(range(25)),
    }


def test_positions_are_those_of_the_index_also_for_some_of_its_rows() -> None:
    table = index(60, camera=["Big"] * 30 + ["small"] * 30)
    rows = np.arange(10, 55)
    found = dict(slices(table, rows))
    assert found["camera=big"].tolist() == list(range(10, 30))
    assert found["camera=small"].tolist() == list(range(30, 55))


def test_what_all_pictures_have_or_few_have_is_no_slice() -> None:
    table = index(FEWEST + 9, source=["web"] * (FEWEST + 9), camera=["a"] * 9 + [None] * FEWEST)
    assert list(slices(table, np.arange(len(table)))) == []


def test_of_many_cameras_the_largest_are_slices() -> None:
    cameras = [f"camera {number:02}" for number in range(30) for _ in range(10 + number)]
    found = [
        name for name, _ in slices(index(len(cameras), camera=cameras), np.arange(len(cameras)))
    ]
    assert len(found) == MOST
    assert found[0] == "camera=camera 18"
