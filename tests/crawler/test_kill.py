"""A crawl that is killed again and again loses nothing and takes nothing twice."""

import random
from collections.abc import Mapping

import pytest
from filelock import FileLock

from catalog import Workspace, open_catalog
from crawler.report.audit import audit
from tests.factories import jpeg
from tests.fakes.fault_site import FaultSite
from tests.fakes.victim import Victim, packed

UNIT = 24
AT_ONCE = 16  # API calls under way that a kill may cause to be made again


def crawl_under_fire(workspace: Workspace, pictures: Mapping[str, bytes], kills: int) -> None:
    rng = random.Random(11)
    most = max(1, len(pictures) // kills)
    with FaultSite(pictures) as site:
        site.slowness_s = 0.2  # so slow that even a fast machine is not done before the last kill
        killed = 0
        order: tuple[str, ...] = ("run", "unsplash", "--api-base", site.url)
        while killed < kills:
            victim = Victim(workspace, *order, unit_images=UNIT)
            assert victim.kill_when(site, rng.randint(0, most // 2), rng.random() * 0.15)
            killed += 1
            # The first may have died before it noted the crawl: then there is nothing to resume.
            order = ("resume",) if site.images else order
        code, text = Victim(workspace, *order, unit_images=UNIT).finish()
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
    in_packs = packed(workspace)
    assert len(in_packs) == len(pictures)
    assert set(in_packs.values()) == {1}
    assert audit(workspace).problems == []
    # The last spider is gone as well: its lock is free.
    with FileLock(f"{workspace.frontier}.spider.lock", timeout=15):
        pass


def pictures(count: int) -> dict[str, bytes]:
    return {f"p/{number:03}": jpeg(seed=number) for number in range(count)}


@pytest.mark.long
def test_a_kill_loses_nothing(workspace: Workspace) -> None:
    crawl_under_fire(workspace, pictures(40), kills=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills_lose_nothing(workspace: Workspace) -> None:
    crawl_under_fire(workspace, pictures(600), kills=20)
