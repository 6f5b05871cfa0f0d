"""A crawl through an API that fails now and then and has a quota; pictures fail too, and it is killed at random."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from filelock import FileLock

from catalog import Workspace, open_catalog
from crawler.report.audit import audit
from tests.factories import jpeg
from tests.fakes.faults import FAULTS, FaultPlan
from tests.fakes.shaky_api_site import ShakyApiSite
from tests.fakes.victim import Victim, packed

# Those of the API are the shaky site's, and those that cost seconds of waiting each have their own test.
LEFT_OUT = ("api_quota", "api_503", "no_detail", "drip", "stall", "huge_length", "gzip_bomb")
SETTINGS: dict[str, object] = {
    "allow_networks": "127.0.0.0/8",
    "backoff_s": 0.1,
    "unit_images": 16,
    "unit_s": 1,
    "publish_s": 1,
}


@dataclass(frozen=True)
class Shaky:
    """How a crawl is made hard: pictures, kills, the share of calls that fail, and the quota of the API."""

    count: int
    kills: int
    share: float
    quota: int
    window_s: float


SMALL = Shaky(24, 0, 0.1, 45, 1.5)
LARGE = Shaky(300, 6, 0.01, 150, 4.0)


@dataclass(frozen=True)
class Crawled:
    """What the crawl left behind and what the site saw."""

    workspace: Workspace
    site: ShakyApiSite


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(SMALL, id="small", marks=pytest.mark.long),
        pytest.param(LARGE, id="large", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def crawled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crawled]:
    """Crawl until nothing is left."""
    shaky: Shaky = request.param
    names = [f"p/{number:03}" for number in range(shaky.count)]
    kinds = [kind for kind in FAULTS if kind not in LEFT_OUT]
    few = kinds if shaky.count >= 300 else ["truncated", "429_seconds", "gone_404", "reset"]
    plan = FaultPlan.spread(names, 0.01, few)
    pictures = {name: jpeg(seed=number) for number, name in enumerate(names)}
    workspace = Workspace.at(tmp_path_factory.mktemp("shaky") / "home")
    limits = {"share": shaky.share, "quota": shaky.quota, "window_s": shaky.window_s}
    with ShakyApiSite(pictures, plan, **limits) as site:  # type: ignore[arg-type]  # a float, an int, a float
        crawl_under_fire(workspace, site, shaky)
        yield Crawled(workspace, site)


def crawl_under_fire(workspace: Workspace, site: ShakyApiSite, shaky: Shaky) -> None:
    rng = random.Random(8)
    settings = SETTINGS | {"quota_wait_s": 1.2 * shaky.window_s}
    order: tuple[str, ...] = ("run", "unsplash", "--api-base", site.url)
    killed = 0
    while killed < shaky.kills:
        before = site.api_calls
        victim = Victim(workspace, *order, "--wait", **settings)
        goal = before + rng.randint(1, max(1, 2 * shaky.count // (shaky.kills + 1)))
        while victim.process.poll() is None and site.api_calls < goal:
            time.sleep(0.005)
        time.sleep(rng.random() * 0.3)
        assert victim.process.poll() is None, victim.finish()
        victim.process.kill()
        victim.process.communicate()
        killed += 1
        order = ("resume",)
    code, text = Victim(workspace, *order, "--wait", **settings).finish(timeout_s=600)
    assert code == 0, text
    with FileLock(f"{workspace.frontier}.spider.lock", timeout=15):  # the spiders are gone, too
        pass


def test_nothing_is_lost_and_nothing_is_held_twice(crawled: Crawled) -> None:
    assert crawled.site.api_faults.total() > 0
    with open_catalog(crawled.workspace) as catalog:
        photos = catalog.query("SELECT source_photo_id FROM photos").column(0).to_pylist()
        shas = catalog.query("SELECT sha256 FROM assets").column(0).to_pylist()
        lost = catalog.query("SELECT error FROM fetches WHERE error LIKE 'api%'").column(0)
    assert sorted(photos) == sorted(crawled.site.plan.kept())
    assert packed(crawled.workspace) == dict.fromkeys(shas, 1)
    assert lost.to_pylist() == []
    assert audit(crawled.workspace).problems == []


def test_no_call_is_over_the_quota(crawled: Crawled) -> None:
    site = crawled.site
    assert site.over_quota == 0, f"of {site.api_calls} calls"
    assert site.api_calls > site._quota  # so that the quota was used up at least once


def test_every_download_is_reported(crawled: Crawled) -> None:
    assert crawled.site.log.missed_downloads() == []
