"""Watch a training from its log: a table of its epochs, and where it is now."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalog import Workspace, aligned
from training.errors import NoTrainingError
from training.fit.run_log import FILE, read_log
from training.predict.saved_model import is_finished

POLL_S = 1.0
STALE_S = 30.0  # without a new line a training is probably not running
COLUMNS = ("epoch", "loss", "validation", "best", "learning rate", "images/s", "waiting", "seconds")


def find_log(workspace: Workspace, model_id: str) -> Path:
    """Return the log of a model by the beginning of its id, or the newest one; raises NoTrainingError."""
    logs = sorted(
        workspace.models.glob(f"{model_id}*/{FILE}"), key=lambda path: path.stat().st_mtime
    )
    if not logs:
        raise NoTrainingError(model_id)
    return logs[-1]


def follow(
    log: Path,
    *,
    once: bool,
    wait: Callable[[float], object] = time.sleep,
    also: Callable[[Sequence[dict[str, Any]]], object] = len,
) -> Iterator[str]:
    """Yield the lines of a training: those of finished epochs, then new ones as they come, until it is finished.

    With `once` it ends with what is there now. `also` gets the whole log whenever it is read.
    """
    n_shown = 0
    while True:
        records = read_log(log)
        also(records)
        epochs, step = state(records)
        rows = table(epochs)
        head, body = rows[:2], rows[2:]
        if body[n_shown:]:
            yield from (head if n_shown == 0 else ())
            yield from body[n_shown:]
            n_shown = len(body)
        if is_finished(log.parent):
            also(read_log(log))  # it may have ended since
            yield f"model {log.parent.name} is finished"
            return
        if once or _is_stale(log):
            yield now(log, step)
            return
        wait(POLL_S)


def follow_records(
    log: Path,
    *,
    once: bool,
    wait: Callable[[float], object] = time.sleep,
    also: Callable[[Sequence[dict[str, Any]]], object] = len,
) -> Iterator[dict[str, Any]]:
    """Yield the records of a training as they come, and at last one with event `end`, as `follow` ends."""
    n_yielded = 0
    while True:
        ended = is_finished(log.parent)  # before the log is read: nothing is written after it
        records = read_log(log)
        also(records)
        for record in records[n_yielded:]:
            yield {**record, "time": datetime.fromtimestamp(float(str(record["time"])), UTC)}
        n_yielded = len(records)
        if ended or once or _is_stale(log):
            yield {"event": "end", "model_id": log.parent.name, "is_finished": ended}
            return
        wait(POLL_S)


def state(records: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the last record of each epoch in order, and the newest step of the epoch that is running."""
    epochs = {record["epoch"]: record for record in records if record["event"] == "epoch"}
    steps = [record for record in records if record["event"] == "step"]
    step = steps[-1] if steps else None
    if step and step["epoch"] in epochs and records[-1]["event"] == "epoch":
        step = None
    return [epochs[number] for number in sorted(epochs)], step


def table(epochs: Sequence[dict[str, Any]]) -> list[str]:
    """Lay epochs out as a table; the best one so far is marked."""
    best, rows = float("inf"), []
    for record in epochs:
        is_best = record["validation_loss"] < best
        best = min(best, record["validation_loss"])
        rows.append((
            f"{record['epoch']}/{record['epochs']}", f"{record['train_loss']:.4f}",
            f"{record['validation_loss']:.4f}", "*" if is_best else "", f"{record['learning_rate']:.2e}",
            f"{record['examples_per_s']:.0f}", f"{record['wait_share']:.0%}", f"{record['seconds']:.1f}",
        ))  # fmt: skip
    return list(aligned(COLUMNS, rows, numbers=set(COLUMNS) - {"best"}))


def now(log: Path, step: dict[str, Any] | None) -> str:
    """Say where a training is, and whether it still runs."""
    if step is None:
        return f"model {log.parent.name}: between two epochs, or being evaluated"
    place = (
        f"epoch {step['epoch']}/{step['epochs']}, step {step['step']}/{step['steps']}, "
        f"loss {step['loss']:.4f}, {step['examples_per_s']:.0f} images/s, {step['eta_s']:.0f} s left"
    )
    age = time.time() - step["time"]
    stopped = f"; no news for {age:.0f} s: it has stopped, the same command continues it"
    return f"model {log.parent.name}: {place}{stopped if age > STALE_S else ''}"


def _is_stale(log: Path) -> bool:
    return time.time() - log.stat().st_mtime > STALE_S
