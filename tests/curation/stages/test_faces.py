import pickle
from collections import Counter
from csv import DictReader

import numpy as np
import pyarrow as pa
import pytest

from catalog import MissingPartError, Workspace, open_catalog
from curation.decoding.decoding import examine
from curation.run.inputs import read_inputs
from curation.run.stage_results import Stages, compute_missing
from curation.settings import CurateSettings
from curation.stages import faces
from curation.stages.faces import Faces, face_rows
from tests.curation.small_catalog import Shot, SmallEmbedder, exif, fill, sound_shots
from tests.real_data import REAL, members, needs

needs_network = pytest.mark.skipif(faces.weights() is None, reason="safelight[faces] is missing")


def looked(bodies: list[bytes]) -> pa.RecordBatch:
    result = [examine(body) for body in bodies]
    stage = Faces()
    stage.setup()
    columns = [
        pa.array([f"{n:04d}" for n in range(len(result))]),
        pa.array([each.preview for each in result], pa.binary()),
        pa.array([each.preview_width for each in result], pa.int32()),
        pa.array([each.width for each in result], pa.int32()),
    ]
    return stage.run(pa.RecordBatch.from_arrays(columns, ["asset_sha256", *Faces.inputs]))


@needs_network
def test_a_detector_in_use_can_be_pickled() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    detector = faces.FaceDetector(0.3)
    before = detector.detect(pixels)
    copy = pickle.loads(pickle.dumps(detector))
    assert np.array_equal(copy.detect(pixels), before)
    assert copy._min_score == 0.3


@needs_network
@needs("faces/utkface.tar")
def test_nearly_every_face_chip_has_exactly_one_face() -> None:
    result = looked([body for _, body in members("faces/utkface.tar", every=40)])
    counts = Counter(result.column("n_faces").to_pylist())
    assert counts[1] >= 0.98 * counts.total(), counts


@needs_network
@needs("faces/utkface.tar")
def test_boxes_and_landmarks_lie_in_the_picture_and_the_eyes_above_the_mouth() -> None:
    result = looked([body for _, body in members("faces/utkface.tar", every=200)])
    for numbers in result.column("faces").to_pylist():
        (row,) = face_rows("a", "faces@1", numbers)
        right_eye, left_eye, nose, right_mouth, left_mouth = np.reshape(row["landmarks"], (5, 2))
        assert right_eye[0] < left_eye[0]  # as the viewer sees them
        assert max(right_eye[1], left_eye[1]) < min(right_mouth[1], left_mouth[1])
        assert 0 <= nose.min() <= nose.max() <= 200
        assert 0.8 <= float(str(row["score"])) <= 1


@needs_network
@needs("detect/face_counts_by_eye.csv")
def test_faces_are_counted_as_by_eye() -> None:
    with (REAL / "detect/face_counts_by_eye.csv").open() as file:
        by_eye = {row["file"]: row["faces"] for row in DictReader(file)}
    archives = ("photos/photos-1.tar", "photos/photos-2.tar")
    bodies = {n: body for a in archives for n, body in members(a) if n in by_eye}
    counts = looked(list(bodies.values())).column("n_faces").to_pylist()
    text = ["2+" if count > 1 else str(count) for count in counts]
    wrong = [name for name, count in zip(bodies, text, strict=True) if by_eye[name] != count]
    assert len(bodies) >= 30
    assert len(wrong) <= 0.1 * len(bodies), wrong


@needs_network
@needs("faces/utkface.tar")
def test_faces_are_looked_for_once_and_pictures_without_any_are_remembered(
    workspace: Workspace,
) -> None:
    chips = [body for _, body in members("faces/utkface.tar", every=1000)][:3]
    shots = [Shot(f"{n}.jpg", body, exif(n)) for n, body in enumerate(chips)]
    fill(workspace, [*shots, *sound_shots(4, start=50)])
    stages = Stages.with_embedder(SmallEmbedder(), faces="on")
    with open_catalog(workspace) as catalog:
        catalog.commit()
        places = read_inputs(catalog).locations()
        settings = CurateSettings("threads", workers=1)
        looked_at = [compute_missing(catalog, places, stages, settings, "test") for _ in range(2)]
        assert looked_at == [7, 0]
        scans = catalog.records("SELECT detector, n_faces FROM face_scans ORDER BY n_faces DESC")
        result = catalog.records("SELECT DISTINCT asset_sha256 FROM faces")
    assert [row["n_faces"] for row in scans] == [1, 1, 1, 0, 0, 0, 0]
    assert {row["asset_sha256"] for row in result} == {shot.sha256 for shot in shots}


def test_without_the_network_faces_are_skipped_with_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    caplog.set_level("INFO", "curation")
    assert Stages.with_embedder(SmallEmbedder()).faces is None
    assert [record.message for record in caplog.records] == [
        "faces are not looked for; add the part with: pip install 'safelight[faces]'"
    ]
    with pytest.raises(MissingPartError, match=r"safelight\[faces\]"):
        Faces().setup()


def test_a_row_of_a_face_is_named_by_file_detector_and_box() -> None:
    numbers = [1.0, 2.0, 30.0, 40.0, *map(float, range(10)), 0.9]
    (row,) = face_rows("a", "faces@1", numbers)
    (same,) = face_rows("a", "faces@1", numbers)
    (other,) = face_rows("b", "faces@1", numbers)
    assert (row["x"], row["height"], row["score"]) == (1.0, 40.0, 0.9)
    assert row["landmarks"] == list(map(float, range(10)))
    assert row["face_id"] == same["face_id"] != other["face_id"]
