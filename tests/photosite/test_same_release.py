"""The same plan gives the same release, whatever port the site has got."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from catalog.releases.from_run import publish_run
from crawler.session.crawl import crawl
from crawler.sources.unsplash import UnsplashSource
from curation.run.plan import CurationPlan
from curation.run.run import curate
from curation.settings import CurateSettings
from photosite.plan.plan import DemoPlan
from photosite.run import BASIS
from photosite.site.site import PhotoSite
from tests.curation.small_catalog import SmallEmbedder

QUIET = CurateSettings(runner="threads", workers=1, faces="off")
PLAN = DemoPlan(seed=7, photos=36)


@contextmanager
def served(plan: DemoPlan) -> Iterator[str]:
    """Serve a plan from another thread on a free port; give the address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    site = PhotoSite(plan)
    try:
        asyncio.run_coroutine_threadsafe(site.__aenter__(), loop).result()
        yield site.url
        asyncio.run_coroutine_threadsafe(site.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


COLUMNS = "source_photo_id, source, photographer, photographer_url, licence, attribution, page_url, asset_sha256"


def crawled(home: Workspace, address: str) -> list[dict[str, object]]:
    """Crawl the site; give what a release takes of its photos."""
    crawl(home, UnsplashSource(api_base=address, training_basis=BASIS))
    with open_catalog(home) as catalog:
        return catalog.records(f"SELECT {COLUMNS} FROM photos ORDER BY ALL")


@pytest.fixture(autouse=True)
def _demo_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_UNSPLASH_KEY", "demo")
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


@pytest.mark.long
def test_two_ports_give_equal_rows_that_name_no_port(tmp_path: Path) -> None:
    plan = DemoPlan(seed=7, photos=12)
    with served(plan) as first, served(plan) as second:
        assert first != second
        rows = [crawled(Workspace.at(tmp_path / a[-5:]), a) for a in (first, second)]
    assert rows[0] == rows[1]
    assert len(rows[0]) >= 8
    assert "127.0.0.1" not in str(rows)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_ports_give_one_digest(tmp_path: Path) -> None:
    digests = []
    for number in range(2):
        home = Workspace.at(tmp_path / str(number))
        with served(PLAN) as address:
            crawled(home, address)
        run = curate(home, CurationPlan(allow_thin=True), QUIET, embedder=SmallEmbedder())
        digests.append(publish_run(home, "demo", run.run_id).digest)
    assert digests[0] == digests[1]
