"""Write the log of a training as event files, which TensorBoard shows: during the training, and afterwards."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from catalog import MissingPartError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TAGS = {
    "train_loss": "loss/train",
    "validation_loss": "loss/validation",
    "learning_rate": "learning_rate",
    "examples_per_s": "speed/examples_per_s",
    "wait_share": "speed/wait_share",
}
"""Number of an epoch -> its chart."""


class EventWriter:
    """Append the records of a log to event files in `folder`, each record once.

    Epochs count examples on their axis (`loss/train`, `loss/validation`, `learning_rate`, `speed/...`), so trainings
    with other batch sizes stand beside each other; the losses between count steps (`loss/step`),
    those of validation batches too (`loss/batch`).
    """

    def __init__(self, folder: Path) -> None:
        if find_spec("tensorboard") is None:
            raise MissingPartError("tensorboard", "tensorboard")
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))
        self._written = 0

    def write(self, records: Sequence[dict[str, Any]]) -> None:
        """Write the records that are new since the last call; `records` is the whole log."""
        for record in records[self._written :]:
            if record["event"] == "epoch":
                place = int(record.get("examples_seen") or record["epoch"])
                for name, tag in TAGS.items():
                    self._writer.add_scalar(tag, record[name], place, walltime=record["time"])
            elif record["event"] == "step":
                place = (record["epoch"] - 1) * record["steps"] + record["step"]
                self._writer.add_scalar("loss/step", record["loss"], place, walltime=record["time"])
            elif record["event"] == "validation":
                place, loss = record["place"], record["loss"]
                self._writer.add_scalar("loss/batch", loss, place, walltime=record["time"])
        self._written = max(self._written, len(records))
        self._writer.flush()
