"""The decode stage: from the bytes of a file to its row in `health`, and small pictures for the later stages."""

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from curation.decoding.decoding import examine
from curation.decoding.health import Health
from curation.stages.stage import with_outputs


class Decode:
    """Stage: `image` bytes to the health columns, a 288 x 288 RGB `thumbnail` and an RGB `preview`.

    `thumbnail_offset` and `thumbnail_length` are the position of the EXIF thumbnail in `image`; length 0 means none.
    The preview is upright, at most 640 px a side, `preview_width` px wide.
    """

    name = "decode"
    version = "3"
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
        results = [asdict(_examine_row(*row)) for row in inputs]
        columns: dict[str, Sequence[object]] = {
            name: [row[name] for row in results] for name in self.outputs.names
        }
        return with_outputs(batch, self.outputs, columns)


def _examine_row(image: pa.Scalar, offset: pa.Scalar, length: pa.Scalar) -> Health:
    body, start = image.as_py(), offset.as_py()
    return examine(body, body[start : start + length.as_py()])
