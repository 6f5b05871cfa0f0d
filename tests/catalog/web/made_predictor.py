"""A predictor without models, whose answers follow the bytes that it gets."""

import threading
import time
from dataclasses import replace

from catalog import (
    ClassProbability,
    FaceBox,
    HeadPrediction,
    HeatMap,
    NoSuchModelError,
    PicturePrediction,
    PictureRefusedError,
    PredictedSubject,
    PredictionModel,
    Refusal,
    Scale,
    VoteShare,
)

MODEL = PredictionModel(
    "0123abcd", "faces", "cameras", "1.1.0", "split", "2026-01-02T03:04:05+00:00", ("Age", "Species"), "face"
)  # fmt: skip
AGE = HeadPrediction("age", "Age", "34.3 years", value=34.3, low=27.9, high=41.25, unit="years")
SPECIES = HeadPrediction(
    "species", "Species", "<b>species 6</b>", predicted="6",
    classes=tuple(ClassProbability(f"{n}", f"<b>species {n}</b>", (n + 1) / 36) for n in range(8)),
)  # fmt: skip
UNSURE = HeadPrediction(
    "real", "Real or fake", "cannot tell", is_refused=True,
    classes=(ClassProbability("real", "real", 0.55), ClassProbability("fake", "fake", 0.45)),
)  # fmt: skip
ISO = HeadPrediction(
    "iso", "ISO", "up to ISO 200", predicted="low", recorded="ISO 400", recorded_class="high",
    classes=(ClassProbability("low", "up to ISO 200", 0.7), ClassProbability("high", "from ISO 250", 0.3)),
)  # fmt: skip
SCORE = HeadPrediction(
    "score", "Score", "6.2", value=6.2, low=5.0, high=7.4, scale=Scale(1, 10),
    votes=tuple(VoteShare(n, share / 55) for n, share in enumerate((1, 2, 4, 6, 9, 12, 10, 6, 3, 2), 1)),
)  # fmt: skip
DEFECTS = (
    HeadPrediction("noise", "Noise", "0.7", value=0.7, low=0.5, high=0.9, scale=Scale(0, 1)),
    HeadPrediction("bad_saturation", "Bad saturation", "-0.5", value=-0.5, scale=Scale(-1, 1)),
)
CAMERA = replace(MODEL, model_id="9876fedc", recipe="exif", predicts=("ISO",), looks_at="picture")
QUALITY = replace(
    MODEL, model_id="feedc0de", recipe="quality", predicts=("Score", "Noise"), looks_at="picture"
)
FACES = (
    PredictedSubject(FaceBox(8, 8, 24, 30), (AGE, SPECIES)),
    PredictedSubject(FaceBox(50, 10, 20, 26), (replace(AGE, text="7 years", value=7.0), UNSURE)),
)
PREDICTION = PicturePrediction(MODEL, "JPEG", 96, 64, 0.25, FACES, 5)


class MadePredictor:
    """Predicts two faces; refuses bytes that begin with `bad`, waits with `slow` until `released`."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.n_predicted = 0
        self.is_closed = False

    def models(self) -> list[PredictionModel]:
        return [MODEL, CAMERA, QUALITY]

    def predict(self, model_id: str, picture: bytes) -> PicturePrediction:
        if model_id not in {MODEL.model_id, "9876fedc", QUALITY.model_id}:
            raise NoSuchModelError(f"model {model_id!r} does not exist")
        if picture.startswith(b"bad"):
            raise PictureRefusedError("truncated", "the file is cut off: 3 bytes")
        if picture.startswith(b"slow"):
            self.released.wait(20)
        self.n_predicted += 1
        if model_id == "9876fedc":
            subject = PredictedSubject(None, (ISO,))
            return replace(PREDICTION, model=CAMERA, subjects=(subject,), faces=None)
        if model_id == QUALITY.model_id:
            subject = PredictedSubject(None, (SCORE, *DEFECTS))
            return replace(PREDICTION, model=QUALITY, subjects=(subject,), faces=None)
        if picture.startswith(b"empty"):
            refusal = Refusal("no_face", "the picture shows no face that is found")
            return replace(PREDICTION, subjects=(), faces=0, refusal=refusal)
        return PREDICTION

    def explain(self, model_id: str, picture: bytes, task: str, face: int) -> HeatMap:
        if picture.startswith(b"bad"):
            raise PictureRefusedError("truncated", "the file is cut off: 3 bytes")
        if picture.startswith(b"slow"):
            self.released.wait(20)
        assert model_id
        rows = ((0.1, 0.9), (-0.3, 0.0))
        area = FaceBox(0, 0, 96, 64)
        return HeatMap(task, f"face {face}", "log-odds", 1.5, area, rows, 9, 1.25)

    def close(self) -> None:
        self.is_closed = True


def wait_until(condition: object, timeout_s: float = 10.0) -> None:
    """Wait until `condition()` holds; fails after `timeout_s`."""
    assert callable(condition)
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
