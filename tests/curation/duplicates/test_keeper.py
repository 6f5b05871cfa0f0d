import polars as pl
import pytest
from hypothesis import given, strategies as st

from curation.duplicates import keeper
from curation.duplicates.keeper import choose
from curation.duplicates.limits import KEEPER_ORDER

PICTURE = {
    "group_id": "g",
    "decode_status": "ok",
    "has_valid_exif": 3,
    "detail_energy": 0.1,
    "width": 400,
    "height": 300,
    "jpeg_quality": 80,
    "taken_at": 202012,
    "first_seen": 202612,
    "is_framed": False,
}
KINDS = {
    "taken_at": pl.Int64,
    "first_seen": pl.Int64,
    "jpeg_quality": pl.Int32,
    "detail_energy": pl.Float64,
}


def keeper_of(*members: dict[str, object]) -> str:
    rows = [{"asset_sha256": chr(98 + i)} | PICTURE | member for i, member in enumerate(members)]
    chosen = choose(pl.DataFrame(rows, schema_overrides=KINDS)).filter("is_keeper")
    return chosen["asset_sha256"].item()


@pytest.mark.parametrize(
    "better",
    [
        {"asset_sha256": "a"},
        {"first_seen": 202611, "asset_sha256": "z"},
        {"taken_at": 202011, "first_seen": 202613},
        {"jpeg_quality": 95, "taken_at": None},
        {"width": 500, "jpeg_quality": 40},
        {"is_framed": False, "width": 100},
        {"has_valid_exif": 3, "is_framed": True},
        {"decode_status": "ok", "has_valid_exif": 0},
    ],
)
def test_each_rule_outweighs_those_after_it(better: dict[str, object]) -> None:
    worse: dict[str, object] = {}
    if "is_framed" in better:
        worse = {"is_framed": True} if not better["is_framed"] else {"has_valid_exif": 2}
    if "decode_status" in better:
        worse = {"decode_status": "truncated"}
    assert keeper_of(worse, {"asset_sha256": "c"} | better) == better.get("asset_sha256", "c")


def test_an_upscaled_copy_loses_in_spite_of_its_pixels() -> None:
    original = {"detail_energy": 0.1}
    enlarged = {"detail_energy": 0.007, "width": 800, "height": 600}
    assert keeper_of(enlarged, original) == "c"


def test_a_smaller_copy_loses_though_its_pixels_hold_more_detail_each() -> None:
    original = {"detail_energy": 0.1}
    half = {"detail_energy": 0.3, "width": 200, "height": 150}
    assert keeper_of(half, original) == "c"


def test_a_soft_photograph_beats_its_thumbnail() -> None:
    soft = {"detail_energy": 0.001, "width": 4000, "height": 3000}
    assert keeper_of({"detail_energy": 0.1}, soft) == "c"


def test_nothing_known_is_still_a_choice() -> None:
    unknown = dict.fromkeys(KINDS) | {"has_valid_exif": None, "width": None, "height": None}
    assert keeper_of(unknown, {}) == "c"
    assert keeper_of(unknown, unknown) == "b"


@given(st.permutations(range(6)))
def test_there_is_one_keeper_a_group_whatever_the_order(order: list[int]) -> None:
    rows = [
        {"asset_sha256": f"{i}"} | PICTURE | {"group_id": f"{i % 2}", "width": 100 * (i // 2 + 1)}
        for i in order
    ]
    chosen = choose(pl.DataFrame(rows)).filter("is_keeper")
    assert chosen.select("group_id", "asset_sha256").rows() == [("0", "4"), ("1", "5")]


def test_every_criterion_of_a_plan_is_judged() -> None:
    assert tuple(keeper._CRITERIA) == KEEPER_ORDER
