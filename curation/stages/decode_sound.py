"""The decode stage of sounds: from the bytes of a WAV file to its row in `health`."""

import pyarrow as pa

from curation.decoding.decoding import examine_sound
from curation.stages.decode import health_outputs


class DecodeSound:
    """Stage: `image` bytes of a sound to its status and the hash of its samples, in the columns of `health`."""

    name = "decode_sound"
    version = "1"
    inputs = ("image",)
    outputs = pa.schema(
        [(name, pa.string()) for name in ("decode_status", "detail", "pixel_sha256")]
    )

    def setup(self) -> None:
        """Do nothing: decoding needs no weights."""

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Decode each row; a bad file becomes a status, never an exception."""
        results = [examine_sound(body.as_py()) for body in batch.column("image")]
        return health_outputs(batch, self.outputs, results)
