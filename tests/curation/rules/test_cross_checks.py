import json
from datetime import datetime

import numpy as np
import polars as pl

from catalog import rows
from curation.rules.cross_checks import Fingerprint, find_clones_and_bursts, unseen_values
from curation.rules.exif_rules import apply_rules
from curation.similarity.pdq import luma_of, pdq
from tests.curation.made_pictures import scene, shaken

TAKEN = datetime(2024, 5, 1, 10)  # noqa: DTZ001 - the camera's own clock


def record(sha: str, **changes: object) -> dict[str, object]:
    plain: dict[str, object] = {
        "asset_sha256": sha,
        "exif_source": "file",
        "make": "Acme",
        "model": "One",
        "f_number": 8.0,
        "iso": 400.0,
        "exposure_time": 1 / 125,
        "taken_at": TAKEN,
        "taken_at_raw": "2024:05:01 10:00:00",
        "raw_json": json.dumps({"SubSecTimeOriginal": "41"}),
    }
    return plain | changes


def checked(*records: dict[str, object]) -> pl.DataFrame:
    table = pl.from_arrow(rows("exif", records))
    assert isinstance(table, pl.DataFrame)
    return apply_rules(table)


def fingerprint(picture: np.ndarray, vector: int) -> Fingerprint:
    hashed = pdq(luma_of(picture))
    axis = np.zeros(4, np.float32)
    axis[vector] = 1
    return Fingerprint(hashed.hex, hashed.quality, axis)


def test_one_exif_block_on_unlike_pictures_is_a_clone_of_each() -> None:
    fingerprints = {"a": fingerprint(scene(1), 0), "b": fingerprint(scene(2), 1)}
    moments = find_clones_and_bursts(checked(record("a"), record("b")), lambda _: fingerprints)
    assert sorted(moments.cloned) == ["a", "b"]
    assert json.loads(moments.cloned["a"])["others"] == ["b"]
    assert moments.bursts == []


def test_one_moment_on_similar_pictures_is_a_burst() -> None:
    fingerprints = {"a": fingerprint(scene(1), 0), "b": fingerprint(shaken(scene(1)), 0)}
    moments = find_clones_and_bursts(checked(record("a"), record("b")), lambda _: fingerprints)
    assert moments.cloned == {}
    assert [sha for sha, _ in moments.bursts] == ["a", "b"]
    assert len({key for _, key in moments.bursts}) == 1


def test_other_moments_cameras_and_unset_clocks_are_neither() -> None:
    unset = {"taken_at_raw": "2000:01:01 00:00:12"}
    changes: list[dict[str, object]] = [
        {"raw_json": json.dumps({"SubSecTimeOriginal": "42"})},
        {"model": "Two"},
        {"serial_sha256": "other"},
        {"iso": 800.0},
        {"taken_at": None, "taken_at_raw": None},
        {"exif_source": "api"},
    ]
    fingerprints = {"a": fingerprint(scene(1), 0), "b": fingerprint(scene(2), 1)}
    for change in changes:
        moments = find_clones_and_bursts(
            checked(record("a"), record("b", **change)), lambda _: fingerprints
        )
        assert (moments.cloned, moments.bursts) == ({}, [])
    moments = find_clones_and_bursts(
        checked(record("a", **unset), record("b", **unset)), lambda _: fingerprints
    )
    assert (moments.cloned, moments.bursts) == ({}, [])


def test_an_aperture_that_a_telephone_never_has_is_flagged() -> None:
    many = [record(f"{n:03d}", f_number=(1.8, 2.4)[n % 2], iso=50.0 + n) for n in range(220)]
    assert unseen_values(checked(*many)) == {}
    odd = [*many, record("odd", f_number=5.6, iso=50.0)]
    unseen = unseen_values(checked(*odd))
    assert list(unseen) == ["odd"]
    assert json.loads(unseen["odd"]) == {
        "f_number": 5.6,
        "model": "One",
        "pictures_of_model": 221,
        "values_of_model": 3,
    }
    assert unseen_values(checked(*odd[100:])) == {}  # too few to say never
