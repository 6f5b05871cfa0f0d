"""A training that is killed: it writes what each step saw, and the state of its loader, until somebody kills it.

One process plays all ranks of one step after another. `FOLDER/steps.jsonl` has one line a step: its epoch and the
pictures of all ranks; `FOLDER/state.json` is the state after the latest whole step.
"""

import hashlib
import itertools
import json
import time
from pathlib import Path
from typing import Any

import safelight
import training.data.loader  # noqa: F401 - the server of forks loads it once

SEED = 5
STEP_S = 0.03


def train(home: str, folder: Path, ranks: int, threads: int, batch_size: int) -> None:
    """Go on from the saved state, for ever."""
    state = folder / "state.json"
    loaders = [
        safelight.loader(
            "pets", size=12, batch_size=batch_size, crop="random", flip=True, seed=SEED, rank=rank, world_size=ranks,
            threads=threads, workspace=home,
        )
        for rank in range(ranks)
    ]  # fmt: skip
    if state.exists():
        for loader in loaders:
            loader.load_state_dict(json.loads(state.read_text()))
    for epoch in itertools.count(loaders[0].epoch):
        for step in zip(*loaders, strict=True):
            time.sleep(STEP_S)
            pictures = [picture for batch in step for picture in fingerprints(batch)]
            with (folder / "steps.jsonl").open("a") as log:
                log.write(json.dumps({"epoch": epoch, "pictures": pictures}) + "\n")
            (folder / "state.next").write_text(json.dumps(loaders[0].state_dict()))
            (folder / "state.next").rename(state)


def fingerprints(batch: dict[str, Any]) -> list[list[str]]:
    """Name the pictures of a batch that count, each with a hash of its pixels."""
    return [
        [name, hashlib.sha256(image.numpy().tobytes()).hexdigest()[:16]]
        for name, image, counts in zip(batch["id"], batch["image"], batch["mask"], strict=True)
        if counts
    ]
