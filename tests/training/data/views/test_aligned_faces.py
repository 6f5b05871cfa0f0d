"""Faces are brought to one geometry; the geometry is tested without a detector, finding faces with it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from catalog import MissingPartError
from curation.stages import faces
from tests.curation.made_pictures import scene
from tests.real_data import members, needs
from training.data.decode import decode
from training.data.views import AlignedFaces, face_alignment, view_from
from training.data.views.aligned_faces import file_statistics, through_jpeg
from training.data.views.face_alignment import (
    TEMPLATE,
    LocatedFace,
    aligned_face,
    locate_face,
    near_face,
    similarity,
)
from training.errors import NoFaceError

VIEW = AlignedFaces(side=64, face_px=48, variants=6)
needs_network = pytest.mark.skipif(faces.weights() is None, reason="safelight[faces] is missing")
DOTS = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0], [0, 250, 250]], np.uint8)


def dotted(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A grey picture with a coloured disc at each landmark."""
    y, x = np.mgrid[: size[0], : size[1]]
    pixels = np.full((*size, 3), 90, np.uint8)
    radius = 0.12 * float(np.hypot(*(landmarks[1] - landmarks[0])))
    for place, colour in zip(landmarks, DOTS, strict=True):
        pixels[(x - place[0]) ** 2 + (y - place[1]) ** 2 < radius**2] = colour
    return pixels


@settings(max_examples=15, deadline=None)
@given(
    st.floats(-math.pi, math.pi), st.floats(20, 150), st.floats(150, 250), st.floats(150, 250)
)  # fmt: skip
def test_a_face_of_any_size_and_angle_comes_to_the_same_place(
    angle: float, eye_px: float, x: float, y: float
) -> None:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    landmarks = eye_px * TEMPLATE @ turn.T + (x, y)
    face = LocatedFace(dotted(landmarks, (400, 400)), landmarks, is_found=True)
    square = aligned_face(near_face(face, 0.42, 96), 0.42, 96)
    places = np.round(96 * (np.array(face_alignment.CENTRE) + 0.42 * TEMPLATE)).astype(int)
    found = square[places[:, 1], places[:, 0]].astype(int)
    assert np.abs(found - DOTS).max() < 60


@given(st.floats(-3, 3), st.floats(0.1, 9), st.floats(-50, 50))
def test_the_similarity_of_moved_points_is_found(angle: float, zoom: float, shift: float) -> None:
    turn = zoom * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    matrix = similarity(TEMPLATE, TEMPLATE @ turn.T + shift)
    np.testing.assert_allclose(matrix, np.column_stack([turn, [shift, shift]]), atol=1e-9)


@needs_network
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300))
def test_a_picture_of_any_size_gives_a_sample_of_the_same_size(height: int, width: int) -> None:
    sample = VIEW.prepare(np.full((height, width, 3), 99, np.uint8))
    assert sample["pictures"].shape == (6, 64, 64, 3)
    assert np.abs(sample["pictures"].astype(int) - 99).max() <= 2
    assert sample["pictures"].nbytes == VIEW.sample_bytes


@needs_network
def test_a_picture_without_a_face_is_trained_on_and_not_predicted() -> None:
    sample = VIEW.prepare(scene(1))
    with pytest.raises(NoFaceError, match=r"holiday\.jpg shows no face"):
        VIEW.check(sample, "holiday.jpg")


@needs_network
def test_variants_depend_on_the_picture_alone_and_predictions_see_two() -> None:
    one, again = VIEW.prepare(scene(1)), VIEW.prepare(scene(1).copy())
    assert (one["pictures"] == again["pictures"]).all()
    assert VIEW.plain([one])["pictures"].shape == (1, 2, 3, 64, 64)
    assert VIEW.every_variant([one])["pictures"].shape == (1, 6, 3, 64, 64)
    assert VIEW.augment([one], [np.random.default_rng(0)])["pictures"].shape == (1, 1, 3, 64, 64)
    differences = np.abs(one["pictures"][2:].astype(int) - one["pictures"][0]).mean((1, 2, 3))
    assert (differences > 0.2).all()
    two = AlignedFaces(side=64, face_px=48)
    assert (two.prepare(scene(1))["pictures"] == one["pictures"][:2]).all()
    assert view_from({"kind": "aligned_faces", **vars(VIEW)}) == VIEW


def test_without_the_package_of_the_detector_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(faces, "weights", lambda: None)
    face_alignment._detector.cache_clear()
    with pytest.raises(MissingPartError, match=r"safelight\[faces\]"):
        VIEW.prepare(scene(1))


@needs_network
@needs("faces/utkface.tar")
def test_a_face_is_found_turned_and_beside_a_smaller_one() -> None:
    pictures = [decode(data) for _, data in members("faces/utkface.tar", every=1200)]
    for pixels in pictures:
        upright = locate_face(pixels, 0.42)
        assert upright.is_found
        VIEW.check(VIEW.prepare(pixels), "a face")
        for turns in (1, 2, 3):
            turned = locate_face(np.ascontiguousarray(np.rot90(pixels, turns)), 0.42)
            assert turned.is_found
            assert np.abs(turned.landmarks - upright.landmarks).max() < 0.15 * len(pixels)
        small = np.asarray(Image.fromarray(pixels).resize((90, 90)))
        beside = np.full((200, 320, 3), 127, np.uint8)
        beside[50:140, :90], beside[:, 120:] = small, pixels
        assert locate_face(beside, 0.42).landmarks[:, 0].min() > 120


@needs_network
@needs("faces/utkface.tar")
def test_the_landmarks_are_the_same_in_a_larger_file() -> None:
    apart = []
    for _, data in members("faces/utkface.tar", every=1300):
        small = decode(data)
        large = np.asarray(Image.fromarray(small).resize((900, 900)))
        ours, theirs = (locate_face(each, 0.42).landmarks for each in (small, large))
        eye_distance = np.hypot(*(ours[1] - ours[0]))
        apart.append(float(np.abs(ours - theirs / 4.5).mean() / eye_distance))
    assert np.median(apart) < 0.05, apart


def test_files_of_all_sizes_and_qualities_become_equal_but_for_their_bytes() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for side, quality in ((120, 20), (300, 95), (500, 60)):
        noise = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
        pixels, data = through_jpeg(noise, quality)
        face = LocatedFace(pixels, side * (0.5 + 0.3 * TEMPLATE), is_found=True)
        rows.append((file_statistics(pixels, data), VIEW.sample(face)["file"]))
    stored, seen = (np.stack(each) for each in zip(*rows, strict=True))
    assert all(len(np.unique(column)) == 3 for column in stored.T)
    assert [len(np.unique(column)) for column in seen.T[:3]] == [1, 1, 1]
    assert (seen[0, :2] == VIEW.face_px).all()
    assert len(np.unique(seen[:, 3])) == 3
