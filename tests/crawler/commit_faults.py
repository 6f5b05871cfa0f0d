"""Crawls whose commits meet a fault: a database, a bucket, a lock or a folder that is away for a while."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from catalog import Workspace, open_catalog
from crawler.frontier.frontier import Frontier
from crawler.report.audit import audit
from tests.catalog.buckets import Bucket
from tests.catalog.postgres_server import PostgresServer
from tests.factories import jpeg
from tests.fakes.fault_site import FaultSite
from tests.fakes.victim import Victim

PICTURES = 36
AWAY_S = 4.0
LOCK_TIMEOUT_S = 1.5  # less than a lock is held here


@dataclass(frozen=True)
class Place:
    """Where a workspace keeps its tables and files."""

    workspace: Workspace
    address: str = ""
    postgres: PostgresServer | None = None
    bucket: Bucket | None = None


def stop_the_database(place: Place) -> None:
    """Stop PostgreSQL for a moment."""
    assert place.postgres
    place.postgres.stop()
    time.sleep(AWAY_S)
    place.postgres.start()


def end_connections(place: Place) -> None:
    """End all connections to the database, again and again."""
    assert place.postgres
    end = time.monotonic() + AWAY_S
    while time.monotonic() < end:
        place.postgres.end_connections(place.address)
        time.sleep(random.uniform(0.05, 0.4))


def refuse_everything(place: Place) -> None:
    """Let the bucket answer 403."""
    assert place.bucket
    place.bucket.fail(403, seconds=AWAY_S)
    time.sleep(AWAY_S)


def break_once(place: Place) -> None:
    """Let the bucket answer one request with 500."""
    assert place.bucket
    place.bucket.fail(500, count=1)


def hold_the_lock(place: Place) -> None:
    """Hold the writer lock for longer than a commit waits for it."""
    if place.postgres:
        from catalog.lake.choose_store import open_store

        with open_store(place.workspace).lock():
            time.sleep(AWAY_S)
    else:
        with FileLock(place.workspace.lake / "writer.lock"):
            time.sleep(AWAY_S)


def move_the_tables(place: Place) -> None:
    """Take the folder of the tables away and put it back."""
    data = place.workspace.lake / "data"
    while not data.exists():
        time.sleep(0.01)
    aside = data.rename(data.with_name("aside"))
    time.sleep(AWAY_S)
    aside.rename(data)  # fails when somebody has made a new one, with files


Fault = Callable[[Place], None]


@contextmanager
def crawl_of(
    place: Place, folder: Path, *more: str, **settings: object
) -> Iterator[tuple[Victim, FaultSite]]:
    """Crawl `PICTURES` slow pictures in a process, with many small commits."""
    pictures = {f"p{number}": jpeg(seed=number) for number in range(PICTURES)}
    with FaultSite(pictures) as site:
        site.slowness_s = 0.3
        listed = folder / "list.csv"
        listed.write_text("url\n" + "".join(f"{site.url}/images/{name}\n" for name in pictures))
        often = {"publish_s": 0.8, "unit_images": 8, "unit_s": 0.5, "concurrency": 2, "drain_s": 5}
        order = ("run", "urls", str(listed), "--allow-private", *more)
        victim = Victim(place.workspace, *order, **{**often, **settings})
        try:
            yield victim, site
        finally:
            victim.process.kill()
            victim.process.wait()


def begun(site: FaultSite, victim: Victim, pictures: int = 1) -> None:
    """Wait until the crawl has asked for so many pictures."""
    end = time.monotonic() + 120
    while site.images.total() < pictures:
        assert victim.process.poll() is None, victim.finish()[1]
        assert time.monotonic() < end
        time.sleep(0.02)


def check_all_is_there(workspace: Workspace, site: FaultSite) -> None:
    """Check that nothing was lost, fetched twice, or is in the tables twice."""
    assert set(site.images.values()) == {1}, site.images
    with open_catalog(workspace) as catalog:
        for table, key in (("photos", "photo_id"), ("assets", "sha256"), ("fetches", "fetch_id")):
            [row] = catalog.records(
                f"SELECT count(*) AS n, count(DISTINCT {key}) AS d FROM {table}"
            )
            assert row == {"n": PICTURES, "d": PICTURES}, table
    with Frontier(workspace.frontier) as frontier:
        assert [record.counts for record in frontier.crawls()] == [{"done": PICTURES}]
    assert audit(workspace).problems == []


def copy_of(home: Path, to: Path) -> Workspace:
    """Copy a workspace with empty tables."""
    shutil.copytree(home, to)
    return Workspace.at(to)
