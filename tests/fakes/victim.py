"""The command `safelight crawl ...` as a process that is killed, and a watch on the memory that it takes."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from catalog import Workspace
from tests.fakes.fault_site import KEY, FaultSite

ROOT = Path(__file__).resolve().parents[2]


class Victim:
    """A crawl under way; `settings` are those of the crawl by name, as text."""

    def __init__(self, workspace: Workspace, *arguments: str, **settings: object) -> None:
        environment = os.environ | {
            "SAFELIGHT_HOME": str(workspace.home),
            "SAFELIGHT_UNSPLASH_KEY": KEY,
            "SAFELIGHT_CONTACT": "tests@example.org",
            **{f"SAFELIGHT_CRAWL_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "safelight", "crawl", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_when(self, site: FaultSite, images: int, after_s: float) -> bool:
        """Kill it some time after so many images were served; say whether it was still alive."""
        goal = site.images.total() + images
        end = time.monotonic() + 60
        while self.process.poll() is None and site.images.total() < goal:
            assert time.monotonic() < end
            time.sleep(0.005)
        time.sleep(after_s)
        alive = self.process.poll() is None
        self.process.kill()
        self.process.communicate()
        return alive

    def finish(self, timeout_s: float = 100) -> tuple[int, str]:
        text, _ = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, text


class MemoryWatch:
    """The most memory that a process and those it started held at once.

    That is the sum of their proportional sizes, sampled (a page that two share counts once: a child just forked
    shares all of them), or the high-water mark of the first of them when that is more.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.peak_bytes = 0
        self._process = process
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while self._process.poll() is None:
            family = _family(self._process.pid)
            together = sum(_size(pid, "smaps_rollup", "Pss:") for pid in family)
            alone = _size(self._process.pid, "status", "VmHWM:")
            self.peak_bytes = max(self.peak_bytes, together, alone)
            time.sleep(0.05)


def _family(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").glob("*/children"))
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except OSError:  # it is gone
        return []
    return [pid, *(one for child in children for one in _family(child))]


def _size(pid: int, file: str, name: str) -> int:
    """Return one size that the kernel tells of a process, in bytes; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def packed(workspace: Workspace) -> Mapping[str, int]:
    """Return how often each SHA-256 is in the packs."""
    return Counter(
        sha
        for pack in workspace.packs.iterdir()
        for sha in pq.read_table(pack, columns=["sha256"]).column(0).to_pylist()
    )
