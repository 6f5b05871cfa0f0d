from collections import Counter
from datetime import datetime

import polars as pl
import pytest

from catalog import rows
from crawler.examination.examine import examine as crawl
from curation.decoding.decoding import examine
from curation.rules.bin_edges import SETTINGS
from curation.rules.exif_rules import apply_rules
from tests.curation import exif_damage as planted
from tests.curation.exif_damage import HARD, ON_REAL, SOFT
from tests.real_data import members, needs

PHOTOS = ("photos/photos-1.tar", "photos/photos-2.tar")


def checked(bodies: list[bytes], *, pixels: bool = False) -> pl.DataFrame:
    """Read and measure files, and apply the rules, as a crawl and a curation run do."""
    exif_rows, context = [], []
    for number, body in enumerate(bodies):
        row = crawl(body)
        start, length = (row.exif.get(f"thumbnail_{end}") or 0 for end in ("offset", "length"))
        health = examine(body, body[start : start + length]) if pixels else None
        exif_rows.append(row.exif | {"asset_sha256": f"{number:05d}", "exif_source": "file"})
        context.append(
            {
                "stored_width": row.asset.get("width"),
                "stored_height": row.asset.get("height"),
                "thumbnail_correlation": health and health.thumbnail_correlation,
                "exif_blocks": health and health.exif_blocks,
            }
        )
    kinds = {
        "stored_width": pl.Int32,
        "stored_height": pl.Int32,
        "thumbnail_correlation": pl.Float64,
        "exif_blocks": pl.Int32,
    }
    records = pl.from_arrow(rows("exif", exif_rows))
    assert isinstance(records, pl.DataFrame)
    joined = pl.concat([records, pl.DataFrame(context, schema=kinds)], how="horizontal")
    now = datetime(2025, 6, 1)  # noqa: DTZ001 - the catalog keeps UTC without a zone
    return apply_rules(joined.with_columns(fetched_at=pl.lit(now)))


def reasons(row: dict[str, object]) -> set[object]:
    """All void reasons of a checked record."""
    return {row["record_void"], *(row[f"{s}_void"] for s in SETTINGS)} - {None}


def test_at_least_forty_kinds_of_damage_are_planted() -> None:
    assert len(HARD) + len(SOFT) >= 40


def test_every_hard_kind_is_caught_with_its_reason_and_no_other() -> None:
    records = checked([planted.planted(damage) for damage in HARD.values()])
    for (kind, damage), row in zip(HARD.items(), records.iter_rows(named=True), strict=True):
        assert reasons(row) == {damage.reason}, kind


def test_every_soft_kind_is_flagged_and_costs_no_setting() -> None:
    records = checked([planted.planted(damage) for damage in SOFT.values()])
    for (kind, damage), row in zip(SOFT.items(), records.iter_rows(named=True), strict=True):
        assert row["flags"] == [damage.reason], kind
        assert reasons(row) == set(), kind


def test_a_sound_file_has_neither_reason_nor_flag() -> None:
    row = checked([planted.sound()], pixels=True).row(0, named=True)
    assert (reasons(row), row["flags"]) == (set(), [])


def test_each_damage_of_the_structure_has_its_own_reason() -> None:
    bodies = [
        planted.without_sense(planted.sound()),
        planted.with_two_blocks(planted.sound()),
        planted.with_pointer_into_nowhere(planted.sound()),
        planted.with_thumbnail_of(5),
        planted.with_thumbnail_of(0),
    ]
    rows_ = checked(bodies, pixels=True).to_dicts()
    assert reasons(rows_[0]) == {"exif_unreadable"}
    assert rows_[1]["flags"] == ["exif_duplicated"]
    assert rows_[2]["flags"] == ["exif_structure_damaged"]
    assert reasons(rows_[3]) == {"thumbnail_mismatch"}
    assert reasons(rows_[4]) == set()


@needs("photos/photos-1.tar")
@pytest.mark.parametrize("kind", list(ON_REAL))
def test_hard_damage_of_real_files_is_caught(kind: str) -> None:
    setting, damage, reason = ON_REAL[kind]
    bodies = []
    for _, body in members(PHOTOS[0], every=40):
        if b"Exif\0\0" in body[:4096] and damage(body) != body:
            bodies.append(damage(body))
    rows_ = checked(bodies)
    voids = Counter(rows_[f"{setting}_void"].to_list())
    if kind == "iso_zero":  # some write the ISO a second time, and that one is sound
        voids[reason] += rows_.filter(pl.col("iso_valid") >= 25).height
    assert len(bodies) >= 10
    assert voids[reason] >= 0.95 * len(bodies), voids


@needs("photos/photos-1.tar")
def test_real_photographs_raise_no_false_alarm() -> None:
    bodies = [body for archive in PHOTOS for _, body in members(archive, every=6)]
    records = checked(bodies)
    assert [reasons(row) for row in records.iter_rows(named=True) if reasons(row)] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs("photos/photos-1.tar")
def test_no_real_photograph_raises_a_false_alarm() -> None:
    bodies = [body for archive in PHOTOS for _, body in members(archive)]
    records = checked(bodies, pixels=True)
    assert [reasons(row) for row in records.iter_rows(named=True) if reasons(row)] == []


@needs("exif_zoo/zoo.tar")
def test_the_zoo_survives() -> None:
    bodies = [body for _, body in members("exif_zoo/zoo.tar") if crawl(body).exif]
    records = checked(bodies, pixels=True)
    assert records.height == len(bodies)
    for setting in SETTINGS:
        values = records[f"{setting}_valid"].drop_nulls()
        assert values.is_finite().all()
        assert (values > 0).all()
