"""A head for a question with two answers, which may also say that it cannot tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from training.heads.base import Calibration
from training.heads.softmax import SoftmaxHead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.arrays import Ints

UNDECIDED = "cannot tell"


@dataclass(frozen=True, kw_only=True)
class BinaryHead(SoftmaxHead):
    """Two classes, the negative one first; figures are about the probability of the second.

    The threshold between them, and the zone around it without an answer, come from validation: of its pictures of
    either class at most the share `target_error` lies beyond the zone on the wrong side. With `states_biases` stand
    beside it what colours, EXIF, the name of a program, and the trip tell alone.
    """

    kind: ClassVar[str] = "binary"
    metric: ClassVar[str] = "auc"
    baselines: ClassVar[tuple[str, ...]] = (
        "majority", "prior", "file", "metadata", "tiny_features",
    )  # fmt: skip

    target_error: float = 0.1
    states_biases: bool = False

    def decide(self, stated: NDArray[Any], calibration: Calibration) -> Ints:
        """Return the class of each row of probabilities (N, 2), by the threshold of validation."""
        is_positive = np.asarray(stated)[:, 1] >= calibration.get("threshold", 0.5)
        return np.asarray(is_positive, np.int64)

    def is_answered(self, stated: NDArray[Any], calibration: Calibration) -> NDArray[np.bool_]:
        """Return which rows of probabilities (N, 2) lie outside of the zone without an answer."""
        share = np.asarray(stated)[:, 1]
        low, high = (calibration.get(name, 0.5) for name in ("negative_below", "positive_above"))
        return np.asarray((share < low) | (share >= high), np.bool_)

    def answer(self, stated: NDArray[Any], calibration: Calibration) -> dict[str, Any]:
        """Return the class, or that the model cannot tell, with both probabilities and the threshold."""
        rows = np.asarray(stated, np.float64)[None]
        rows = rows / rows.sum()
        is_answered = bool(self.is_answered(rows, calibration)[0])
        name = self.classes[int(self.decide(rows, calibration)[0])] if is_answered else UNDECIDED
        probabilities = dict(zip(self.classes, rows[0].tolist(), strict=True))
        threshold = float(calibration.get("threshold", 0.5))
        return {"class": name, "probabilities": probabilities, "threshold": threshold}
