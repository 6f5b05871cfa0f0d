"""What the sandbox costs a statement, beside the same statement in DuckDB in this process.

python benchmarks/bench_query.py [--photos 100000] [--rounds 30] [--output FILE.md]

Rounds are interleaved. CPU is that of the template and of all children it has forked (the server's own share of a
statement is a few system calls), so it says more than wall time on a machine that others use.
"""

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil
import pyarrow as pa

from catalog import TABLES, Catalog, Workspace, open_catalog, write_segment
from catalog.sandbox import Limits, QueryJob, QueryPool
from catalog.sandbox.walls import landlock
from catalog.tables.table_type import MOMENT

STATEMENTS = {
    "SELECT 1": "SELECT 1",
    "count(*)": "SELECT count(*) FROM photos",
    "200 rows of v_photos": "SELECT * FROM v_photos ORDER BY photo_id LIMIT 200",
    "group by photographer": "SELECT photographer, count(*) FROM photos GROUP BY ALL ORDER BY ALL LIMIT 50",
    "50,000 rows out": "SELECT photo_id, title, fetched_at FROM photos LIMIT 50000",
}
ENDLESS = "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))"
DEADLINE_S = 0.5


@dataclass(frozen=True)
class StatementTimes:
    """Wall and CPU times of one statement, in milliseconds."""

    wall: list[float]
    cpu: list[float]


def make_home(home: Path, photos: int) -> Workspace:
    """Fill a workspace with rows of photos without files: the statements read tables only."""
    workspace = Workspace.at(home)
    n = range(photos)
    at = pa.array([1_700_000_000_000_000 + i for i in n], pa.int64()).cast(MOMENT)
    shas = [f"{i:064x}" for i in n]
    tables = {
        "photos": pa.table(
            {
                "photo_id": [f"p{i:08}" for i in n],
                "source": ["made"] * photos,
                "asset_sha256": shas,
                "photographer": [f"photographer {i % 2_000}" for i in n],
                "title": [f"a photograph of hill {i}" for i in n],
                "fetched_at": at,
            }
        ),
        "exif": pa.table(
            {
                "asset_sha256": shas,
                "exif_source": ["file"] * photos,
                "iso": [float(i % 6400) for i in n],
            }
        ),
    }
    assert set(tables) <= set(TABLES)
    write_segment(workspace, tables, job="bench")
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return workspace


def timed(work: Callable[[], object], cpu: Callable[[], float]) -> tuple[float, float]:
    before, started = cpu(), time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3, (cpu() - before) * 1e3


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


class SandboxClient:
    """A query pool on its own event loop."""

    def __init__(self, workspace: Workspace) -> None:
        self.runner = asyncio.Runner()
        self.pool = self.runner.run(self._start(workspace))

    async def _start(self, workspace: Workspace) -> QueryPool:
        pool = QueryPool(workspace, Limits(timeout_s=60))
        await pool.start()
        return pool

    def run(self, sql: str, limits: Limits | None = None) -> str:
        """Run a statement to its end; return its state."""
        with tempfile.TemporaryFile() as target:
            job = QueryJob(sql)
            outcome = self.runner.run(self.pool.run(job, limits or self.pool.limits, target))
            return outcome.state

    @property
    def pid(self) -> int:
        """The process whose children run the statements."""
        return self.pool.template_pid

    def close(self) -> None:
        """Close the pool and its event loop."""
        self.runner.run(self.pool.close())
        self.runner.close()


def compare(
    catalog: Catalog, sandbox: SandboxClient, sql: str, rounds: int
) -> tuple[StatementTimes, StatementTimes]:
    plain, sandboxed = StatementTimes([], []), StatementTimes([], [])
    own_process = psutil.Process()

    def own_cpu() -> float:
        times = own_process.cpu_times()
        return float(times.user + times.system)

    for _ in range(rounds):
        for times, work, cpu in (
            (plain, lambda: catalog.query(sql), own_cpu),
            (sandboxed, lambda: sandbox.run(sql), lambda: cpu_of(sandbox.pid)),
        ):
            wall, spent = timed(work, cpu)
            times.wall.append(wall)
            times.cpu.append(spent)
    return plain, sandboxed


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def row(name: str, plain: StatementTimes, sandboxed: StatementTimes) -> str:
    cells = [
        f"{statistics.median(plain.wall):.1f}",
        f"{statistics.median(sandboxed.wall):.1f}",
        f"{quantile(sandboxed.wall, 0.95):.1f}",
        f"{statistics.fmean(plain.cpu):.0f}",
        f"{statistics.fmean(sandboxed.cpu):.0f}",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def report(photos: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_home(Path(folder) / "home", photos)
        started = time.perf_counter()
        sandbox = SandboxClient(workspace)
        cold_ms = (time.perf_counter() - started) * 1e3
        with open_catalog(workspace) as catalog:
            lines = []
            for name, sql in STATEMENTS.items():
                catalog.query(sql)
                sandbox.run(sql)
                lines.append(row(name, *compare(catalog, sandbox, sql, rounds)))
        late = []
        for _ in range(5):
            started = time.perf_counter()
            assert sandbox.run(ENDLESS, Limits(timeout_s=DEADLINE_S)) == "timed_out"
            late.append((time.perf_counter() - started - DEADLINE_S) * 1e3)
        closed = [name for name, is_closed in sandbox.pool.closed.items() if is_closed]
        rss_mb = psutil.Process(sandbox.pid).memory_info().rss / 2**20
        sandbox.close()
    return f"""# What the sandbox costs a statement

`python benchmarks/bench_query.py --photos {photos} --rounds {rounds}`

{photos:,} photos; {rounds} rounds, interleaved; DuckDB {duckdb.__version__}, Python {platform.python_version()}, \
{os.cpu_count()} cores, Linux {platform.release().split("-")[0]}, Landlock version {landlock.version()}; \
load average at the end {os.getloadavg()[0]:.1f} (the machine was not ours alone if this is above 2).

Milliseconds; `plain` is DuckDB in this process.

| statement | plain, wall p50 | sandbox, wall p50 | sandbox, wall p95 | plain, mean CPU | sandbox, mean CPU |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}

Start of the sandbox (copy of the catalog, template process, test of the walls): {cold_ms:.0f} ms, once for each server.
A statement past its deadline of {DEADLINE_S} s was gone {statistics.median(late):.0f} ms after it \
(worst of {len(late)}: {max(late):.0f} ms). The template holds {rss_mb:.0f} MB; children share them.
Walls that held: {", ".join(closed)}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    text = report(options.photos, options.rounds)
    print(text)
    if options.output:
        options.output.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
