"""Make and open the index of a release of a million pictures; bench_loader.py runs this script.

python -m benchmarks.million_rows make|open HOME
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.releases.manifest import content_digest

N = 1_000_000


def make_million(home: Path) -> None:
    """Write the index and the manifest of a release of a million pictures, without the pictures."""
    n, folder = N, home / "releases" / "million" / "1.0.0"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    text = rng.integers(0, 256, (n, 32), dtype=np.uint8).tobytes().hex()
    shas = sorted(text[start : start + 64] for start in range(0, len(text), 64))
    split = np.array(["train"] * (n - n // 10) + ["test"] * (n // 10))
    shard = [
        f"data/{name}-{number // 2000:05}-of-00512.parquet" for number, name in enumerate(split)
    ]
    index = pa.table(
        {
            "asset_sha256": shas, "source_photo_id": [sha[:11] for sha in shas], "split": split,
            "camera": rng.choice([f"camera {number}" for number in range(200)], n),
            "iso": rng.integers(50, 3200, n).astype(float), "iso_bin": pa.array(rng.integers(0, 3, n), pa.int32()),
            "weight": rng.random(n), "page_url": [f"https://example.org/{sha[:12]}" for sha in shas],
            "training_allowed": [True] * n, "shard": shard, "offset": np.arange(n) * 100_000,
            "length": np.full(n, 100_000), "sha256": shas,
        }
    )  # fmt: skip
    pq.write_table(index, folder / "_index.parquet", compression="zstd")
    manifest: dict[str, Any] = {
        "format": "safelight-release/1", "plan": {}, "bins": None, "seed": 0, "class_counts": {}, "shards": [],
        "schema": {field.name: str(field.type) for field in index.schema}, "n_items": n, "files": [],
        "splits": {"train": n - n // 10, "test": n // 10}, "name": "million", "version": "1.0.0",
    }  # fmt: skip
    manifest["digest"] = content_digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def open_million(home: Path) -> dict[str, float]:
    """Open that release as a loader and measure it."""
    import safelight

    open_loader = safelight.loader
    before, cpu, wall = peak_mb(), time.process_time(), time.perf_counter()
    loader = open_loader("million", size=224, batch_size=64, labels=["iso_bin"], workspace=home)
    opened = {"cpu_s": time.process_time() - cpu, "seconds": time.perf_counter() - wall}
    wall = time.perf_counter()
    assert len(loader) == -(-N // 64)
    opened |= {"order_s": time.perf_counter() - wall, "before_mb": before, "peak_mb": peak_mb()}
    return opened


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    job, home = sys.argv[1:]
    if job == "make":
        make_million(Path(home))
    else:
        print(json.dumps(open_million(Path(home))))


if __name__ == "__main__":
    main()
