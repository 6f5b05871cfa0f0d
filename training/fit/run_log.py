"""The log of a training as JSON lines, which a monitor follows while it runs and reads afterwards.

    {"event": "step", "time": ..., "policy": "split", "epoch": 2, "epochs": 16, "step": 40, "steps": 120, "loss": 1.03,
     "learning_rate": 0.001, "examples_per_s": 812.0, "wait_share": 0.02, "eta_s": 71.0}
    {"event": "validation", ..., "epoch": 2, "place": 160, "loss": 1.08}
    {"event": "epoch", ..., "train_loss": 1.01, "validation_loss": 1.1}

Epochs count from 1; `place` is the number of steps since the beginning, after which a batch of validation was measured.
A training that continues appends; the last line of an epoch counts.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path

STEP_S = 1.0  # at most one line a second about steps

FILE = "log.jsonl"


class RunLog:
    """Append records to the log of one training."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last_step = 0.0
        path.parent.mkdir(parents=True, exist_ok=True)

    def is_due(self) -> bool:
        """Whether a record about a step should be written now."""
        return time.monotonic() - self._last_step >= STEP_S

    def write(self, event: str, record: Mapping[str, object]) -> None:
        """Append one line, complete or not at all for a reader that reads whole lines."""
        if event == "step":
            self._last_step = time.monotonic()
        line = json.dumps({"event": event, "time": round(time.time(), 3), **record})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read_log(path: Path) -> list[dict[str, object]]:
    """Read the whole lines of a log; one that is still being written is left out."""
    text = path.read_text("utf-8") if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
