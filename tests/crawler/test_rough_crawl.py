"""The proof of politeness: a crawl of a site with every fault, limited in its rate, and killed at random.

Whatever happens, nothing may be lost or held twice, no host may be asked before the time that it named, and no
host may hold up another.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from catalog import Workspace, open_catalog
from crawler.listing.vocabulary import photo_id
from crawler.report.audit import audit
from tests.factories import jpeg
from tests.fakes.faults import BUSY, FAULTS, GOOD, SLOW, FaultPlan
from tests.fakes.rough_site import RoughSite
from tests.fakes.site_log import SLACK_S
from tests.fakes.victim import MemoryWatch, Victim, packed

RATE = 20  # requests a second to one host
SETTINGS: dict[str, object] = {
    "allow_networks": "127.0.0.0/8",
    "limit_loopback": "true",
    "rate": RATE,
    "per_host": 2,
    "api_delay_s": 0.01,
    "min_bytes_per_s": 100,
    "max_bytes": 8 << 20,
    "max_attempts": 3,
    "backoff_s": 0.2,
    "quota_wait_s": 0.5,
    "unit_images": 32,
}


@dataclass(frozen=True)
class Rough:
    """How a site is crawled: pictures, kinds of fault that are left out, kills, and how slow host `slow` is."""

    count: int
    left_out: tuple[str, ...]
    kills: int
    slowness_s: float
    lateness_s: float = (
        0.0  # by how much requests may be late on their way, which makes them come together
    )


# The small one without faults after which the listing starts anew: that takes two seconds each time.
SMALL = Rough(110, ("api_quota", "api_503"), kills=1, slowness_s=0.8, lateness_s=SLACK_S)
LARGE = Rough(600, (), kills=3, slowness_s=2.5)


@dataclass(frozen=True)
class Crawled:
    """What the crawl left behind, what the site saw, and the most memory that it took."""

    workspace: Workspace
    site: RoughSite
    peak_bytes: int
    rough: Rough


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(SMALL, id="small", marks=pytest.mark.long),
        pytest.param(LARGE, id="large", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def crawled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crawled]:
    """Crawl, killed at random, until nothing is left."""
    rough: Rough = request.param
    names = [f"p/{number:03}" for number in range(rough.count)]
    plan = FaultPlan.spread(names, 0.01, [kind for kind in FAULTS if kind not in rough.left_out])
    pictures = {name: jpeg(seed=number) for number, name in enumerate(names)}
    home = tmp_path_factory.mktemp("rough") / "home"
    with RoughSite(pictures, plan, slowness_s=rough.slowness_s) as site:
        yield crawl_under_fire(home, site, rough)


def crawl_under_fire(home: Path, site: RoughSite, rough: Rough) -> Crawled:
    workspace, rng = Workspace.at(home), random.Random(5)
    settings = SETTINGS | {"grace_s": 1.25 * rough.slowness_s}
    order: tuple[str, ...] = ("run", "unsplash", "--api-base", site.url)
    peaks = []
    for _ in range(rough.kills):
        victim = Victim(workspace, *order, "--wait", **settings)
        watch = MemoryWatch(victim.process)
        images = rng.randint(1, rough.count // (2 * rough.kills + 2))
        assert victim.kill_when(site, images, rng.random() * 0.5)
        site.log.note_kill()
        peaks.append(watch.peak_bytes)
        order = ("resume",)
    victim = Victim(workspace, *order, "--wait", **settings)
    watch = MemoryWatch(victim.process)
    code, text = victim.finish(timeout_s=400)
    assert code == 0, text
    with FileLock(f"{workspace.frontier}.spider.lock", timeout=15):  # the spiders are gone, too
        return Crawled(workspace, site, max(*peaks, watch.peak_bytes), rough)


def test_nothing_is_lost_and_nothing_is_held_twice(crawled: Crawled) -> None:
    plan, workspace = crawled.site.plan, crawled.workspace
    with open_catalog(workspace) as catalog:
        photos = catalog.query("SELECT source_photo_id FROM photos").column(0).to_pylist()
        shas = catalog.query("SELECT sha256 FROM assets").column(0).to_pylist()
    assert sorted(photos) == sorted(plan.kept())
    assert len(shas) == len(plan.kept())
    assert packed(workspace) == dict.fromkeys(shas, 1)
    assert audit(workspace).problems == []


def test_every_picture_comes_to_its_end_once(crawled: Crawled) -> None:
    plan = crawled.site.plan
    with open_catalog(crawled.workspace) as catalog:
        fetches = catalog.records("SELECT * FROM fetches ORDER BY attempt")
    assert sum(row["outcome"] == "done" for row in fetches) == len(plan.kept())
    ends = {row["photo_id"]: (row["error_class"], row["error"]) for row in fetches}
    assert len(ends) == len(plan.names)
    for name in plan.names:
        fault = plan.fault_of.get(name)
        lost = fault is not None and not fault.kept
        expected = (fault.error_class, fault.error) if fault and lost else (None, None)
        assert ends[photo_id("unsplash", name)] == expected


def test_nobody_is_asked_before_the_time_that_he_named(crawled: Crawled) -> None:
    assert sum(seen.wait_s > 0 for seen in crawled.site.log.seen) >= 4
    assert crawled.site.log.early_retries() == []


def test_robots_txt_is_obeyed(crawled: Crawled) -> None:
    assert crawled.site.log.robots_violations(0.1 + crawled.rough.lateness_s) == []


def test_every_download_is_reported(crawled: Crawled) -> None:
    log, plan = crawled.site.log, crawled.site.plan
    assert log.missed_downloads() == []
    assert log.download_calls.keys() >= plan.kept()


def test_no_host_is_asked_more_often_than_its_rate(crawled: Crawled) -> None:
    site, more = crawled.site, round(RATE * crawled.rough.lateness_s)
    assert site.log.over_rate(1.0, RATE + more, hosts=site.hosts.values()) <= 1


def test_memory_is_bounded(crawled: Crawled) -> None:
    assert 0 < crawled.peak_bytes < 500_000_000


def test_no_host_waits_for_another(crawled: Crawled) -> None:
    """While one host is slow and another says "later", the sound ones are asked whenever they may be."""
    log, hosts = crawled.site.log, crawled.site.hosts
    start = next(seen.at for seen in log.seen if seen.at > max(log.kills) + SLACK_S)
    for role in GOOD:
        assert log.longest_idle(hosts[role], RATE, start) < 2.0
    assert log.last_image(*(hosts[role] for role in GOOD)) < log.last_image(
        hosts[SLOW], hosts[BUSY]
    )
