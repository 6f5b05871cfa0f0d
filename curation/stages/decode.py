"""The decode stages: from the bytes of a file to its row in `health`, and small pictures for the later stages."""

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from curation.decoding.decoding import examine
from curation.decoding.health import Health
from curation.decoding.limits import MIN_SMALL_SIDE_PX
from curation.stages.stage import TRANSIENT, with_outputs


class Decode:
    """Stage: `image` bytes to the health columns, a 288 x 288 RGB `thumbnail` and an RGB `preview`.

    `thumbnail_offset` and `thumbnail_length` are the position of the EXIF thumbnail in `image`; length 0 means none.
    The preview is upright, at most 640 px a side, `preview_width` px wide.
    """

    name = "decode"
    version = "4"
    inputs = ("image", "thumbnail_offset", "thumbnail_length")
    outputs = pa.schema(
        [
            pa.field("decode_status", pa.string()),
            pa.field("detail", pa.string()),
            pa.field("pixel_sha256", pa.string()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("luma_mean", pa.float64()),
            pa.field("luma_std", pa.float64()),
            pa.field("sharpness", pa.float64()),
            pa.field("detail_energy", pa.float64()),
            pa.field("thumbnail_correlation", pa.float64()),
            pa.field("exif_blocks", pa.int32()),
            pa.field("thumbnail", pa.binary()),
            pa.field("preview", pa.binary()),
            pa.field("preview_width", pa.int32()),
        ]
    )

    def setup(self) -> None:
        """Do nothing: decoding needs no weights."""

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Decode each row; a bad file becomes a status, never an exception."""
        inputs = zip(*(batch.column(name) for name in self.inputs), strict=True)
        return health_outputs(batch, self.outputs, [_examine_row(*row) for row in inputs])


class DecodeSmall:
    """Stage: `image` bytes of a picture that `Decode` found too small to its health, from 8 px a side.

    Hashes, embeddings and scores mean nothing at such a size, so there is no thumbnail and no preview. Its results are
    beside those of `Decode`, which stay as they are: runs for camera settings read only these.
    """

    name = "decode_small"
    version = "2"
    inputs = ("image",)
    outputs = pa.schema([each for each in Decode.outputs if each.name not in TRANSIENT])

    def setup(self) -> None:
        """Do nothing: decoding needs no weights."""

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Decode each row; a bad file becomes a status, never an exception."""
        bodies = batch.column("image")
        results = [examine(body.as_py(), min_side_px=MIN_SMALL_SIDE_PX) for body in bodies]
        return health_outputs(batch, self.outputs, results)


def health_outputs(
    batch: pa.RecordBatch, outputs: pa.Schema, results: Sequence[Health]
) -> pa.RecordBatch:
    """Make the result of a decode stage from one `Health` a row."""
    rows = [asdict(result) for result in results]
    columns: dict[str, Sequence[object]] = {
        name: [row[name] for row in rows] for name in outputs.names
    }
    return with_outputs(batch, outputs, columns)


def _examine_row(image: pa.Scalar, offset: pa.Scalar, length: pa.Scalar) -> Health:
    body, start = image.as_py(), offset.as_py()
    return examine(body, body[start : start + length.as_py()])
