"""Measure the time of a commit, compare it with a bare write of the same rows, for several sizes of the tables.

    python3 dev.py bench commit [--rows 5000] [--commits 20] [--existing 10000 1000000]

For each size of the tables, alternately in one process: (a) the rows as Parquet, written, flushed and renamed; (b) the
same rows as a segment (`write_segment`: after it the rows are durable); (c) `Catalog.commit` of that segment. The
existing rows are committed 50,000 at a time. `--store` takes a PostgreSQL address instead of SQLite.
"""

import argparse
import hashlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from catalog import Catalog, Workspace, open_catalog, rows, write_segment
from catalog.workspace.files import flush

FETCHED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None)


def photos(first: int, count: int) -> pa.Table:
    """Make rows of `photos` as a crawl of a photo site writes them."""
    return rows("photos", [photo(number) for number in range(first, first + count)])


def photo(number: int) -> dict[str, object]:
    name = hashlib.sha256(str(number).encode()).hexdigest()
    return {
        "photo_id": f"site:{name[:11]}",
        "source": "site",
        "source_photo_id": name[:11],
        "asset_sha256": name,
        "crawl_id": "0123456789abcdef",
        "page_url": f"https://photos.example.org/photos/{name[:11]}",
        "image_url": f"https://images.example.org/{name[:20]}?fm=jpg&q=85",
        "photographer": f"Photographer {number % 997}",
        "licence": "CC BY 4.0",
        "attribution": f"Photo by Photographer {number % 997}",
        "title": f"Picture {number} of a street in the evening",
        "training_allowed": True,
        "training_basis": "licence",
        "listed_width": 4000 + number % 7,
        "listed_height": 3000,
        "fetched_at": FETCHED_AT,
    }


def bare(table: pa.Table, folder: Path) -> None:
    """Write rows to a Parquet file, durable and atomic, without a catalog."""
    partial = folder / ".aside"
    pq.write_table(table, partial, compression="zstd")
    flush(partial)
    partial.rename(folder / "rows.parquet")
    flush(folder)


def fill(workspace: Workspace, catalog: Catalog, first: int, count: int) -> int:
    while count > 0:
        write_segment(workspace, {"photos": photos(first, min(count, 50_000))}, job="fill")
        catalog.commit()
        first, count = first + 50_000, count - 50_000
    return first


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU time in ms."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def measure(workspace: Workspace, first: int, count: int, commits: int) -> list[list[float]]:
    """Return wall and CPU times of bare write, segment and commit, one list each."""
    columns: list[list[float]] = [[] for _ in range(6)]
    with open_catalog(workspace) as catalog:
        for round_number in range(commits + 1):
            table = photos(first, count)
            first += count
            times = [
                *timed(lambda table=table: bare(table, workspace.home)),
                *timed(lambda table=table: write_segment(workspace, {"photos": table}, job="b")),
                *timed(catalog.commit),
            ]
            if round_number:  # the first one opens the connection
                for column, value in zip(columns, times, strict=True):
                    column.append(value)
    return columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--commits", type=int, default=20)
    parser.add_argument("--existing", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--store", default="sqlite")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-commit-"))
    workspace = Workspace.at(folder)
    (folder / "safelight.toml").write_text(f'[catalog]\nstore = "{options.store}"\n')
    number = 0
    print(
        "| rows there | rows | bare p50 | segment p50 | commit p50 | commit/bare | CPU bare | CPU commit |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for existing in sorted(options.existing):
        with open_catalog(workspace) as catalog:
            number = max(number, fill(workspace, catalog, number, existing - number))
        columns = measure(workspace, number, options.rows, options.commits)
        number += options.rows * (options.commits + 1)
        p50 = [statistics.median(values) for values in columns]
        print(
            f"| {existing:,} | {options.rows:,} | {p50[0]:.1f} ms | {p50[2]:.1f} ms | {p50[4]:.1f} ms | "
            f"{p50[4] / p50[0]:.2f} | {p50[1]:.1f} ms | {p50[5]:.1f} ms |",
            flush=True,
        )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
