"""Train `good_photos` on pictures that take more memory than allowed; print by how much the process has grown, in MB.

python -m tests.training.fit.trained_in_little_memory FOLDER ROWS CACHE_MB
"""

import io
import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from PIL import Image

from tests.training.made_release import LooseRelease
from training.data.stores.pictures import SampleStore
from training.fit.checkpoint import Checkpoints
from training.fit.examples import make_examples
from training.fit.recipe import Labels
from training.fit.task import Task
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun
from training.recipes.good_photos import RECIPE, SMOKE

FILES = 20
SIZE = (960, 720)
CONFIG = SMOKE.changed(["width_px=480", "widths=4,4,4,4", "epochs=1", "batch_size=1"])


def peak_mb() -> float:
    """Return the most memory that this program has had; `ru_maxrss` also counts the process that started it."""
    [line] = re.findall(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(line) / 1024


def large_pictures(folder: Path) -> LooseRelease:
    """Write JPEGs of random squares behind each other into one file."""
    rng, places, body = np.random.default_rng(0), [], b""
    for number in range(FILES):
        squares = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        out = io.BytesIO()
        squares.resize(SIZE, Image.Resampling.NEAREST).save(out, "JPEG")
        places.append({"shard": "bytes", "offset": len(body), "length": len(out.getvalue())})
        places[-1] |= {"width": SIZE[0], "height": SIZE[1], "group_id": str(number)}
        body += out.getvalue()
    (folder / "bytes").write_bytes(body)
    return LooseRelease(folder, pa.Table.from_pylist(places))


def main(folder: Path, n: int, cache_mb: int) -> None:
    """Train one epoch on `n` rows that are `FILES` files, under names of their own."""
    torch.set_num_threads(1)
    release = large_pictures(folder)
    files = pl.DataFrame(release.index())
    index = pl.concat([files] * (n // FILES)).with_columns(
        asset_sha256=pl.format("{}", pl.int_range(n)),
        good=pl.Series(np.arange(n) % 2 == 0),
    )
    task = Task.on(RECIPE, CONFIG, Labels(index, {}))
    cache = cache_mb * 2**20
    with SampleStore(release, index, task.view, cache_bytes=cache, threads=1) as store:
        one = make_examples(store, task.heads, np.arange(2))
        rows = make_examples(store, task.heads, np.arange(n))
        run = TrainingRun(CONFIG, "digest", "split", torch.device("cpu"))
        for part, place in ((one, "first"), (rows, "all")):
            training = Training(task.build(), task.objective, part, one, run)
            before = peak_mb()
            fit(training, Checkpoints(folder / place, "model"))
        height, width = task.view.size_of(SIZE[1], SIZE[0])  # type: ignore[attr-defined]  # of a whole picture
        sys.stdout.write(f"{peak_mb() - before:.0f} {n * 3 * height * width / 2**20:.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
