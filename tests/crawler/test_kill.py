"""A crawl that is killed again and again loses nothing and takes nothing twice."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from catalog import Workspace, open_catalog
from crawler.audit import audit
from tests.factories import jpeg
from tests.fakes.fault_site import KEY, FaultSite

ROOT = Path(__file__).resolve().parents[2]
UNIT = 24
AT_ONCE = 16  # API calls under way that a kill may cause to be made again


class Victim:
    """The command `safelight crawl ...` as a process."""

    def __init__(self, workspace: Workspace, *arguments: str) -> None:
        environment = os.environ | {
            "SAFELIGHT_HOME": str(workspace.home),
            "SAFELIGHT_UNSPLASH_KEY": KEY,
            "SAFELIGHT_CONTACT": "tests@example.org",
            "SAFELIGHT_CRAWL_UNIT_IMAGES": str(UNIT),
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

    def finish(self) -> tuple[int, str]:
        text, _ = self.process.communicate(timeout=100)
        return self.process.returncode, text


def crawl_under_fire(workspace: Workspace, pictures: Mapping[str, bytes], kills: int) -> None:
    rng = random.Random(11)
    most = max(1, len(pictures) // kills)
    with FaultSite(pictures) as site:
        site.slowness_s = 0.2  # so slow that even a fast machine is not done before the last kill
        killed = 0
        order: tuple[str, ...] = ("run", "unsplash", "--api-base", site.url)
        while killed < kills:
            victim = Victim(workspace, *order)
            assert victim.kill_when(site, rng.randint(0, most // 2), rng.random() * 0.15)
            killed += 1
            # The first may have died before it noted the crawl: then there is nothing to resume.
            order = ("resume",) if site.images else order
        code, text = Victim(workspace, *order).finish()
        assert code == 0, text
        assert site.images.keys() == site.downloads.keys() == pictures.keys()
        assert site.images.total() - len(pictures) <= UNIT * kills
        assert site.downloads.total() - len(pictures) <= AT_ONCE * kills
    check_nothing_lost_or_doubled(workspace, pictures)


def check_nothing_lost_or_doubled(workspace: Workspace, pictures: Mapping[str, bytes]) -> None:
    keys = {"photos": "source_photo_id", "assets": "sha256", "exif": "asset_sha256"}
    with open_catalog(workspace) as catalog:
        for table, key in keys.items():
            [row] = catalog.records(
                f"SELECT count(*) AS n, count(DISTINCT {key}) AS d FROM {table}"
            )
            assert (row["n"], row["d"]) == (len(pictures), len(pictures))
        [row] = catalog.records(
            "SELECT count(*) AS n, count(DISTINCT fetch_id) AS d, count(DISTINCT photo_id) AS p,"
            " count(*) FILTER (outcome = 'done') AS done FROM fetches"
        )
        names = catalog.query("SELECT source_photo_id FROM photos").column(0).to_pylist()
    assert row["n"] == row["d"]
    assert row["p"] == row["done"] == len(pictures)
    assert set(names) == set(pictures)
    packed = Counter(
        sha
        for pack in workspace.packs.iterdir()
        for sha in pq.read_table(pack, columns=["sha256"]).column(0).to_pylist()
    )
    assert len(packed) == len(pictures)
    assert set(packed.values()) == {1}
    assert audit(workspace).problems == []
    # The last spider is gone as well: its lock is free.
    with FileLock(f"{workspace.frontier}.spider.lock", timeout=15):
        pass


def pictures(count: int) -> dict[str, bytes]:
    return {f"p/{number:03}": jpeg(seed=number) for number in range(count)}


def test_three_kills_lose_nothing(workspace: Workspace) -> None:
    crawl_under_fire(workspace, pictures(90), kills=3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills_lose_nothing(workspace: Workspace) -> None:
    crawl_under_fire(workspace, pictures(600), kills=20)
