"""Measure the cost of curation per picture by size of the collection, of a second run, and of 1,000 more pictures.

    python -m benchmarks.bench_curate_scale --output FILE [--sizes 5000,20000] [--vectors 1000000]

Each size has a workspace of thumbnails made from a seed: all are distinct except every 50th, which is the previous one
encoded again. Vectors come from a small embedder, so that the benchmark measures the search and not the network. Each
size runs in its own process, whose peak memory is reported. 100,000 pictures take some tens of minutes.
"""

import argparse
import hashlib
import json
import logging
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.code_version import commit
from catalog import Workspace, open_catalog, rows, write_segment
from curation.duplicates.index import Descriptors, IndexFolder, SimilarityIndex
from curation.duplicates.limits import CandidateLimits
from curation.run.run import curate
from curation.settings import CurateSettings
from curation.similarity.neighbours import DIM, NeighbourLists

WIDTH, HEIGHT, SEGMENT, MORE = 160, 120, 2000, 1000
COPY_EVERY = 50
CRAWLED = datetime(2025, 6, 1)  # noqa: DTZ001 - the catalog keeps UTC without a zone


class BlockEmbedder:
    """A fast embedder: averages of 16 x 16 blocks minus their mean, 972 numbers."""

    model_id = "blocks@1"

    def load(self) -> None:
        """Do nothing: there are no weights."""

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pictures (N, 288, 288, 3) to L2-normalised vectors (N, 972)."""
        blocks = pictures.reshape(len(pictures), 18, 16, 18, 16, 3).mean(axis=(2, 4))
        flat = blocks.reshape(len(pictures), -1)
        flat -= flat.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(flat, axis=1, keepdims=True)
        return np.asarray(flat / np.maximum(norm, 1e-9), np.float32)


def thumbnail(number: int) -> bytes:
    """Make picture `number`: noise of three sizes; every 50th is the one before it at another quality."""
    is_copy = number % COPY_EVERY == COPY_EVERY - 1
    rng = np.random.default_rng(number - is_copy)
    canvas = np.full((HEIGHT, WIDTH, 3), 127, np.float32)
    for cells, strength in ((4, 55), (12, 40), (40, 25)):
        noise = rng.normal(0, strength, (cells * 3 // 4, cells, 3)).astype(np.float32)
        canvas += cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    out = BytesIO()
    picture = Image.fromarray(canvas.clip(0, 255).astype(np.uint8))
    picture.save(out, "JPEG", quality=60 if is_copy else 85)
    return out.getvalue()


def fill(workspace: Workspace, first: int, n: int) -> None:
    """Write and commit pictures as a crawl does."""
    for start in range(first, first + n, SEGMENT):
        numbers = range(start, min(start + SEGMENT, first + n))
        bodies = [thumbnail(number) for number in numbers]
        shas = [hashlib.sha256(body).hexdigest() for body in bodies]
        numbered = list(zip(numbers, shas, bodies, strict=True))
        tables = {
            "assets": [
                {
                    "sha256": sha,
                    "bytes": len(body),
                    "mime": "image/jpeg",
                    "width": WIDTH,
                    "height": HEIGHT,
                    "jpeg_quality": 85,
                    "first_seen": CRAWLED,
                }
                for _, sha, body in numbered
            ],
            "photos": [
                {
                    "photo_id": f"{number:032x}",
                    "source": "folder",
                    "source_photo_id": str(number),
                    "asset_sha256": sha,
                    "fetched_at": CRAWLED,
                    "training_allowed": True,
                }
                for number, sha, _ in numbered
            ],
            "exif": [
                {
                    "asset_sha256": sha,
                    "exif_source": "file",
                    "status": "ok",
                    "f_number": (2.0, 4.0, 8.0)[number % 3],
                    "iso": (100.0, 400.0, 3200.0)[number // 3 % 3],
                    "exposure_time": (1 / 500, 1 / 100, 1 / 10)[number // 9 % 3],
                    "camera": f"acme {number // 20}",
                }
                for number, sha, _ in numbered
            ],
        }
        typed = {name: rows(name, records) for name, records in tables.items()}
        images = [(sha, body) for _, sha, body in numbered]
        write_segment(workspace, typed, job="crawl:bench", images=images)
        with open_catalog(workspace) as catalog:
            catalog.commit()


class StepTimes(logging.Handler):
    """A log handler that collects the seconds of each step from the log line of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Read `stages 1.0 s, duplicates 2.0 s` out of the line of a run."""
        if record.name == "curation.run.run" and isinstance(record.args, tuple):
            for lap in str(record.args[-1]).split(", "):
                name, seconds = lap.removesuffix(" s").rsplit(" ", 1)
                self.seconds[name] = float(seconds)


def measure_size(n: int) -> dict[str, object]:
    """Curate `n` pictures, curate again, add 1,000 and curate; seconds are CPU seconds but for the steps."""
    step_times = StepTimes()
    logging.getLogger("curation").addHandler(step_times)
    logging.getLogger("curation").setLevel(logging.INFO)
    settings = CurateSettings(runner="threads")
    result: dict[str, object] = {"n": n}
    with tempfile.TemporaryDirectory() as home:
        workspace = Workspace.at(home)
        fill(workspace, 0, n)
        for name in ("first", "again", "more"):
            if name == "more":
                fill(workspace, n, MORE)
            step_times.seconds = {}
            cpu, wall = time.process_time(), time.perf_counter()
            summary = curate(workspace, None, settings, embedder=BlockEmbedder())
            result[name] = {
                "cpu_s": time.process_time() - cpu,
                "wall_s": time.perf_counter() - wall,
                "step_times": step_times.seconds,
                "groups": summary.n_duplicate_groups,
            }
        index = next((workspace.home / "derived" / "similarity").glob("*.arrow"))
        result["index_mb"] = index.stat().st_size / 1e6
    result["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def measure_index(n: int) -> dict[str, object]:
    """Add 1,000 pictures to an index of `n` random vectors, save it, load it, list its pairs."""
    rng = np.random.default_rng(0)
    limits = CandidateLimits()

    def described(first: int, count: int) -> Descriptors:
        names = sorted(
            hashlib.sha256(str(i).encode()).hexdigest() for i in range(first, first + count)
        )
        vectors = rng.integers(-43, 44, (count, DIM), np.int8)  # spread as wide as real ones
        hashes = rng.integers(0, 256, (count, 32), np.uint8)
        return Descriptors(names, vectors, hashes, np.full(count, 99, np.int8))

    near = NeighbourLists.empty(n, limits.nearest)
    near.ids[:, 0] = np.roll(np.arange(n), 1)  # every picture has a neighbour
    near.closeness[:, 0] = 120_000
    index = SimilarityIndex(limits, described(0, n), near, NeighbourLists.empty(n, limits.nearest))
    seconds = {}
    with tempfile.TemporaryDirectory() as home:
        folder = IndexFolder(Path(home), "bench", limits)
        clock = time.process_time()
        index = index.updated(described(n, MORE))
        seconds["add 1,000"], clock = time.process_time() - clock, time.process_time()
        size = folder.save(index).stat().st_size / 1e6
        seconds["write"], clock = time.process_time() - clock, time.process_time()
        del index, near
        index = folder.load()
        seconds["read"], clock = time.process_time() - clock, time.process_time()
        n_pairs = len(index.pairs().left)
        seconds["list pairs"] = time.process_time() - clock
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"n": n, "seconds": seconds, "index_mb": size, "pairs": n_pairs, "rss_mb": rss}


def run_in_child(*arguments: str) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.bench_curate_scale", *arguments]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, object] = json.loads(process.stdout.splitlines()[-1])
    print(result, flush=True)
    return result


def report(sizes: list[dict], vectors: dict | None) -> str:
    steps = list(dict.fromkeys(step for size in sizes for step in size["first"]["step_times"]))
    columns = [
        "pictures",
        "CPU ms each",
        *(f"{step}, s per 1,000" for step in steps),
        "again, s",
        "1,000 more, s",
        "copies found",
        "index, MB",
        "greatest memory, MB",
    ]
    lines = [
        "# Curation of many thumbnails",
        "",
        "CPU milliseconds per picture of a whole first run, seconds on the clock per 1,000 pictures of its steps,",
        "CPU seconds of a second run over the same pictures and of a run after 1,000 more came in.",
        "",
        f"| {' | '.join(columns)} |",
        "|" + " ---: |" * len(columns),
    ]
    for size_result in sizes:
        n, first = size_result["n"], size_result["first"]
        cells = [
            f"{n:,}",
            f"{1000 * first['cpu_s'] / n:.2f}",
            *(f"{1000 * first['step_times'].get(step, 0) / n:.2f}" for step in steps),
            f"{size_result['again']['cpu_s']:.1f}",
            f"{size_result['more']['cpu_s']:.1f}",
            f"{first['groups']:,} of {n // COPY_EVERY:,}",
            f"{size_result['index_mb']:.0f}",
            f"{size_result['rss_mb']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if vectors:
        times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in vectors["seconds"].items())
        lines += [
            "",
            f"An index of {vectors['n']:,} random vectors and hashes: {times} (CPU); "
            f"{vectors['index_mb']:.0f} MB on disk, {vectors['pairs']:,} pairs, "
            f"greatest memory {vectors['rss_mb']:.0f} MB.",
        ]
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("duckdb", "faiss-cpu", "numpy", "polars")
    )
    lines += [
        "",
        "Command: `python -m benchmarks.bench_curate_scale --output FILE --sizes "
        + ",".join(str(size_result["n"]) for size_result in sizes)
        + (f" --vectors {vectors['n']}`" if vectors else "`"),
        "",
        f"Commit {commit()}, Python {platform.python_version()}, {libraries}; 2 CPU cores,",
        "no GPU, shared with other work: steps are on the clock and suffer from it, CPU figures do not. The",
        "embedder averages blocks; the default network adds some 40 ms a picture, whatever their number.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--output", type=Path)
    arguments.add_argument("--sizes", default="5000,20000")
    arguments.add_argument("--vectors", type=int, default=0)
    arguments.add_argument("--one", type=int, help="measure one size in this process")
    options = arguments.parse_args()
    if options.one:
        print(json.dumps(measure_size(options.one)))
    elif options.output is None:
        print(json.dumps(measure_index(options.vectors)))
    else:
        sizes = [run_in_child("--one", size) for size in options.sizes.split(",")]
        vectors = run_in_child("--vectors", str(options.vectors)) if options.vectors else None
        options.output.write_text(report(sizes, vectors), "utf-8")


if __name__ == "__main__":
    main()
