"""Stage: the PDQ hash of each picture."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.similarity.pdq import luma_of, pdq
from curation.stages.stage import THUMBNAIL_SIDE_PX, with_outputs


class PerceptualHash:
    """Stage: PDQ of each `thumbnail` (288 x 288 RGB bytes)."""

    name = "pdq"
    version = "1"
    inputs = ("thumbnail",)
    outputs = pa.schema([("value", pa.string()), ("quality", pa.int32())])

    def setup(self) -> None:
        """Do nothing: the hash needs no weights."""

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Hash each thumbnail of the batch, rows in the same order."""
        thumbnails = batch.column("thumbnail").to_pylist()
        hashes = [pdq(luma_of(_picture(each))) for each in thumbnails]
        columns: dict[str, Sequence[object]] = {
            "value": [each.hex for each in hashes],
            "quality": [each.quality for each in hashes],
        }
        return with_outputs(batch, self.outputs, columns)


def _picture(thumbnail: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(thumbnail, np.uint8).reshape(THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, 3)
