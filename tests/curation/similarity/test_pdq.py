import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from curation.similarity.pdq import from_hex, hamming, luma_of, pdq, turned
from curation.stages.pdq import PerceptualHash
from tests.curation.made_pictures import cropped, encoded, scaled, scene, thumbnail, toned
from tests.curation.similarity.pdq_pictures import Picture, pictures

hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)


def orientations(luma: np.ndarray) -> list[np.ndarray]:
    """The 8 pictures, in the order of the hashes: mirrored, upside down, both; the same transposed."""
    return [
        turned_luma
        for base in (luma, luma.T)
        for turned_luma in (base, base[:, ::-1], base[::-1], base[::-1, ::-1])
    ]


def test_a_re_encoded_or_resized_copy_differs_in_few_bits() -> None:
    picture = scene(1)
    original = pdq(luma_of(picture))
    for copy in (encoded(picture, 50), scaled(picture, 0.5), toned(picture, 1.2)):
        assert hamming(original.bits[:1], pdq(luma_of(copy)).bits[:1]).item() <= 31


def test_unrelated_pictures_differ_in_about_half_of_the_bits() -> None:
    bits = np.concatenate([pdq(luma_of(scene(seed))).bits[:1] for seed in range(8)])
    distances = hamming(bits, bits)[np.triu_indices(8, 1)]
    assert distances.min() > 80
    assert 110 < distances.mean() < 146


def test_the_eight_hashes_are_those_of_the_eight_orientations() -> None:
    luma = luma_of(scene(2, 300, 300))
    bits = pdq(luma).bits
    for place, view in enumerate(orientations(luma)):
        assert hamming(bits[place : place + 1], pdq(view).bits[:1]).item() <= 6


def test_orientations_of_a_stored_hash_are_nearly_those_of_the_picture() -> None:
    whole = pdq(luma_of(scene(3, 300, 300)))
    derived = turned(whole.bits[:1])[:, 0]
    distances = [hamming(derived[i : i + 1], whole.bits[i : i + 1]).item() for i in range(8)]
    assert distances[0] == distances[4] == 0  # upright and transposed are exact
    assert max(distances) <= 12


def test_a_plain_picture_has_no_quality_and_a_rich_one_has_much() -> None:
    assert pdq(np.full((288, 288), 200, np.uint8)).quality == 0
    assert pdq(luma_of(scene(4))).quality > 50


def test_a_crop_is_lost_to_the_hash() -> None:
    picture = scene(5)
    crop = pdq(luma_of(cropped(picture, 0.8)))
    assert hamming(pdq(luma_of(picture)).bits[:1], crop.bits[:1]).item() > 31


@given(st.lists(hashes, min_size=1, max_size=5))
@settings(max_examples=25)
def test_hex_and_bits_are_the_same_thing(values: list[str]) -> None:
    assert [row.tobytes().hex() for row in from_hex(values)] == values


@given(hashes, hashes)
@settings(max_examples=25)
def test_hamming_counts_the_differing_bits(left: str, right: str) -> None:
    expected = (int(left, 16) ^ int(right, 16)).bit_count()
    assert hamming(from_hex([left]), from_hex([right])).item() == expected


@given(hashes)
@settings(max_examples=25)
def test_turning_keeps_distances_between_hashes(value: str) -> None:
    bits = from_hex([value, "0f" * 32])
    views = turned(bits)
    expected = hamming(bits[:1], bits[1:]).item()
    assert {hamming(view[:1], view[1:]).item() for view in views} == {expected}


def test_the_stage_hashes_thumbnails_in_order() -> None:
    pictures = [scene(6), scene(7)]
    batch = pa.RecordBatch.from_pydict(
        {"asset_sha256": ["b", "a"], "thumbnail": [thumbnail(each) for each in pictures]}
    )
    stage = PerceptualHash()
    stage.setup()
    result = stage.run(batch)
    assert result.schema.names == ["asset_sha256", *stage.outputs.names]
    assert result.column("asset_sha256").to_pylist() == ["b", "a"]
    rows = from_hex(result.column("value").to_pylist())
    for row, picture in zip(rows, pictures, strict=True):
        assert hamming(row[None], pdq(luma_of(picture)).bits[:1]).item() <= 10


_REFERENCE = json.loads((Path(__file__).parents[2] / "data/pdq/vectors.json").read_text("utf-8"))
# What varies in one direction only has coefficients of zero in the other: rounding decides their bits.
_ONE_WAY = ("plain", "ramp", "stripes")
# The order of our 8 orientations in the list of the reference, which turns where we transpose.
_ORDER = (0, 5, 4, 2, 6, 3, 1, 7)


@pytest.fixture(scope="module")
def hashed() -> dict[str, Picture]:
    """The pictures that the reference has hashed."""
    return pictures()


@pytest.mark.parametrize("name", sorted(_REFERENCE["vectors"]))
def test_agrees_with_the_reference_implementation(name: str, hashed: dict[str, Picture]) -> None:
    expected, picture = _REFERENCE["vectors"][name], hashed[name]
    made = hashlib.sha256(picture.tobytes()).hexdigest()
    assert made == expected["sha256"], "another picture than the reference has hashed"
    ours = pdq(luma_of(picture))
    assert abs(ours.quality - expected["quality"]) <= 1
    if name in _ONE_WAY:
        return
    assert (
        _n_other_bits(ours.hex, expected["hash"]) <= 2
    )  # on other processors a sum may round otherwise
    for place, way in enumerate(_ORDER):
        turned_hash = ours.bits[place].tobytes().hex()
        assert _n_other_bits(turned_hash, expected["orientations"][way]) <= 2


def test_the_reference_has_hashed_every_picture(hashed: dict[str, Picture]) -> None:
    assert set(_REFERENCE["vectors"]) == set(hashed)


def _n_other_bits(left: str, right: str) -> int:
    return (int(left, 16) ^ int(right, 16)).bit_count()
