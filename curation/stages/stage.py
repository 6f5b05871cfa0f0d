"""The unit of work of curation: a plain class from Arrow batch to Arrow batch.

A stage declares the columns that it reads and adds, and does not depend on an engine: threads, Daft on a laptop and
Daft on a cluster run the same object. Its results are keyed by (asset, `name@version`), so a new `version` makes every
run compute them again.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from catalog import AssetReader, Workspace
from curation.decoding import limits

TRANSIENT = ("image", "thumbnail", "preview", "preview_width")
"""Columns that stages pass to later stages and that are never stored."""

THUMBNAIL_SIDE_PX = limits.THUMBNAIL_SIDE_PX
"""Side of the transient `thumbnail`: 288 x 288 x 3 RGB bytes, the picture scaled to a square."""


class Stage(Protocol):
    """A stage of the chain; must be picklable until `setup` was called.

    `run` gets a batch with `asset_sha256` and `inputs` and gives `asset_sha256` and `outputs` for the same
    rows in the same order. Rows in which an input is null never reach it.
    """

    @property
    def name(self) -> str:
        """Name of the stage: decode, pdq ..."""

    @property
    def version(self) -> str:
        """Version of its results."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that it reads besides `asset_sha256`."""

    @property
    def outputs(self) -> pa.Schema:
        """Columns that it adds."""

    def setup(self) -> None:
        """Load weights and open files; called once in each worker."""

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Compute the outputs of one batch."""


def stage_id(stage: Stage) -> str:
    """Name the results of a stage, such as `decode@1`."""
    return f"{stage.name}@{stage.version}"


class LoadBytes:
    """Read the original bytes of assets from the packs: `pack`, `pack_offset`, `pack_length` -> `image`."""

    name = "load"
    version = "1"
    inputs = ("pack", "pack_offset", "pack_length")
    outputs = pa.schema([pa.field("image", pa.large_binary())])

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._reader: AssetReader | None = None

    def setup(self) -> None:
        """Open the packs."""
        self._reader = AssetReader(self.workspace)
        self._lock = threading.Lock()  # the reader closes old packs: one thread at a time

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Read one picture per row."""
        assert self._reader is not None, "setup was not called"
        places = list(zip(*(batch.column(name).to_pylist() for name in self.inputs), strict=True))
        with self._lock:
            pictures = self._reader.read_many(places)
        return with_outputs(batch, self.outputs, {"image": pictures})


def with_outputs(
    batch: pa.RecordBatch, outputs: pa.Schema, columns: dict[str, Sequence[object]]
) -> pa.RecordBatch:
    """Make a batch of the results of a stage with the `asset_sha256` of its input, typed by `outputs`."""
    arrays = [pa.array(columns[field.name], type=field.type) for field in outputs]
    schema = pa.schema([pa.field("asset_sha256", pa.string()), *outputs])
    return pa.RecordBatch.from_arrays([batch.column("asset_sha256"), *arrays], schema=schema)
