import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from catalog import CommitError, Workspace
from crawler.fetch.failures import Failure
from crawler.fetch.fetcher import FetchResponse
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Item
from crawler.listing.source_contract import CrawlContext, Discovery, FetchBytes, Source
from crawler.session.committer import Committer
from crawler.session.progress import CrawlProgress
from crawler.session.session import Session, StopRequest
from crawler.session.worker import Worker
from crawler.settings import CrawlSettings
from crawler.sources import FolderSource
from tests.factories import jpeg

CRAWL = "c1"
QUICK = CrawlSettings(backoff_s=0.01, drain_s=1.0)
BUSY = Failure("transient", "http_503", http_status=503)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    top = tmp_path / "photos"
    top.mkdir()
    for number in range(12):
        (top / f"{number:02}.jpg").write_bytes(jpeg(seed=number))
    return top


class Bench:
    """A workspace without tables, where sessions run and leave their segments in the spool."""

    def __init__(self, home: Path) -> None:
        self.workspace = Workspace.at(home)
        self.frontier = Frontier(self.workspace.frontier)
        self.frontier.open_crawl(CRAWL, "folder", {})
        self.published = 0
        self.slowness_s = 0.0
        self.errors: list[Exception] = []

    def run(
        self,
        source: Source,
        settings: CrawlSettings = QUICK,
        stop: StopRequest | None = None,
        report: Callable[[CrawlProgress], None] = lambda _: None,
        *,
        wait: bool = False,
    ) -> tuple[Session, Discovery]:
        stop = stop or StopRequest()
        context = CrawlContext(self.workspace, self.frontier, CRAWL, settings, stop.is_requested)
        crew = Worker(context, source, is_immediate=stop.is_immediate)
        self.committer = Committer(self._publish, self.workspace, settings, stop.is_requested)
        session = Session(context, source, crew, self.committer, stop, wait=wait)
        return session, asyncio.run(session.run(report))

    def _publish(self) -> dict[str, int]:
        if self.errors:
            raise self.errors.pop(0)
        self.published += 1
        time.sleep(self.slowness_s)
        return {"photos": 1}

    def rows(self, table: str) -> list[dict[str, object]]:
        return [
            row
            for path in self.workspace.spool.glob(f"*/{table}.parquet")
            for row in pq.read_table(path).to_pylist()
        ]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "home")
    yield made
    made.frontier.close()


class Clumsy(FolderSource):
    """A folder that fails as a script says: name -> failures before the file comes; None: never comes."""

    script: dict[str, list[Failure] | None]

    @asynccontextmanager
    async def byte_fetcher(self, settings: CrawlSettings) -> AsyncIterator[FetchBytes]:
        async with super().byte_fetcher(settings) as fetch:

            async def clumsily(item: Item) -> FetchResponse:
                waiting = self.script.get(item.url, [])
                if waiting is None:
                    await asyncio.Event().wait()
                    raise AssertionError(item)
                return (
                    FetchResponse(item.url, failure=waiting.pop(0))
                    if waiting
                    else await fetch(item)
                )

            yield clumsily


def clumsy(top: Path, script: dict[str, list[Failure] | None]) -> Clumsy:
    source = Clumsy(str(top))
    object.__setattr__(source, "script", script)
    return source


def test_transient_failures_are_tried_again_and_every_attempt_is_a_row(
    bench: Bench, photos: Path
) -> None:
    gone = Failure("final", "gone")
    source = clumsy(photos, {"03.jpg": [BUSY, BUSY], "04.jpg": [BUSY] * 9, "05.jpg": [gone]})
    session, found = bench.run(source)
    assert found == Discovery("finished")
    assert (session.progress.done, session.progress.failed) == (10, 2)
    assert session.progress.errors == {"http_503": 1, "gone": 1}
    tries = sorted(
        (row["attempt"], row["outcome"]) for row in bench.rows("fetches") if row["url"] == "03.jpg"
    )
    assert tries == [(1, "failed"), (2, "failed"), (3, "done")]
    assert len([row for row in bench.rows("fetches") if row["url"] == "04.jpg"]) == 4
    assert bench.frontier.counts(CRAWL) == {"done": 10, "dead": 1, "failed": 1}


def test_a_file_that_always_ends_at_the_same_byte_is_not_asked_for_a_fourth_time(
    bench: Bench, photos: Path
) -> None:
    def cut(received: int) -> Failure:
        return Failure("transient", "truncated_body", f"{received} of 900 bytes", 200)

    script: dict[str, list[Failure] | None] = {
        "03.jpg": [cut(512)] * 9,
        "04.jpg": [cut(512), cut(600), cut(700)],  # a bad line: another byte each time
        "05.jpg": [cut(0)] * 3,  # nothing came at all
        "06.jpg": [cut(512), BUSY, cut(512)],
        "07.jpg": [cut(512), cut(512)],  # half a file in a cache, for a moment
    }
    bench.run(clumsy(photos, script))
    attempts = [row["url"] for row in bench.rows("fetches")]
    assert [attempts.count(f"{number:02}.jpg") for number in (3, 4, 5, 6, 7)] == [3, 4, 4, 4, 3]
    assert bench.frontier.counts(CRAWL) == {"done": 11, "dead": 1}


def test_a_unit_is_written_when_it_is_full_of_bytes(bench: Bench, photos: Path) -> None:
    bench.run(FolderSource(str(photos)), replace(QUICK, unit_bytes=1, concurrency=1))
    assert len(list(bench.workspace.spool.iterdir())) == 12
    assert len(bench.rows("photos")) == 12


def test_a_unit_is_written_when_it_is_old(bench: Bench, photos: Path) -> None:
    stop = StopRequest()

    def stop_then(progress: CrawlProgress) -> None:
        if progress.done == 11:
            stop.request()
            stop.request()

    settings = replace(QUICK, unit_s=0.1)
    session, _ = bench.run(clumsy(photos, {"05.jpg": None}), settings, stop, stop_then)
    assert session.progress.done == 11
    assert bench.frontier.counts(CRAWL) == {"done": 11, "queued": 1}


def test_never_more_than_one_unit_is_in_flight(bench: Bench, photos: Path) -> None:
    most = 0

    def watch(progress: CrawlProgress) -> None:
        nonlocal most
        most = max(most, bench.frontier.counts(CRAWL).get("in_flight", 0))

    bench.run(FolderSource(str(photos)), replace(QUICK, unit_images=5), report=watch)
    assert 0 < most <= 5
    assert bench.frontier.counts(CRAWL) == {"done": 12}


def test_stopping_ends_what_is_in_work_and_keeps_it(bench: Bench, photos: Path) -> None:
    stop = StopRequest()

    def stop_soon(progress: CrawlProgress) -> None:
        if progress.done >= 2:
            stop.request()

    settings = replace(QUICK, concurrency=1, unit_images=2)
    session, _ = bench.run(FolderSource(str(photos)), settings, stop, stop_soon)
    done = session.progress.done
    assert 2 <= done < 12
    assert bench.frontier.counts(CRAWL) == {"done": done, "queued": 12 - done}
    assert len(bench.rows("photos")) == done
    bench.run(FolderSource(str(photos)))
    assert bench.frontier.counts(CRAWL) == {"done": 12}


def test_an_impatient_stop_gives_back_what_is_in_work(bench: Bench, photos: Path) -> None:
    stop = StopRequest()

    def when_busy(progress: CrawlProgress) -> None:
        if bench.frontier.counts(CRAWL).get("in_flight", 0) == 12:
            stop.request()
            stop.request()

    never = clumsy(photos, {f"{number:02}.jpg": None for number in range(12)})
    bench.run(never, replace(QUICK, drain_s=60.0), stop, when_busy)
    assert bench.frontier.counts(CRAWL) == {"queued": 12}


def test_a_stop_waits_no_longer_than_the_drain(bench: Bench, photos: Path) -> None:
    stop = StopRequest()
    never = clumsy(photos, {f"{number:02}.jpg": None for number in range(12)})
    bench.run(never, replace(QUICK, drain_s=0.1), stop, lambda _: stop.request())
    assert "in_flight" not in bench.frontier.counts(CRAWL)


def test_a_crash_in_the_middle_keeps_what_came_in(bench: Bench, photos: Path) -> None:
    def crash(progress: CrawlProgress) -> None:
        if progress.done:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bench.run(FolderSource(str(photos)), replace(QUICK, unit_images=4), report=crash)
    counts = bench.frontier.counts(CRAWL)
    assert counts["done"] >= 4
    assert counts["done"] + counts.get("queued", 0) == 12
    assert len(bench.rows("photos")) == counts["done"]


class Broken(FolderSource):
    """A folder whose listing ends after one file, for want of quota, until it is asked again."""

    @property
    def config(self) -> dict[str, str | int | None]:
        return {}

    async def discover(self, context: CrawlContext) -> Discovery:
        cursor = context.frontier.cursor(context.crawl_id)
        everything = [photo for page in self.pages(context.crawl_id) for photo in page.photos]
        files = everything[cursor.seen : cursor.seen + 6]
        ahead = replace(cursor, seen=cursor.seen + len(files))
        context.frontier.add(context.crawl_id, files, ahead)
        return Discovery("quota", wait_until=0.0) if files else Discovery("finished")


def test_a_used_up_quota_ends_the_session_after_its_pictures(bench: Bench, photos: Path) -> None:
    session, found = bench.run(Broken(str(photos)))
    assert (found.status, session.progress.done) == ("quota", 6)


def test_waiting_for_the_quota_goes_on_by_itself(bench: Bench, photos: Path) -> None:
    session, found = bench.run(Broken(str(photos)), wait=True)
    assert (found.status, session.progress.done) == ("finished", 12)


def test_a_long_session_publishes_now_and_then(bench: Bench, photos: Path) -> None:
    settings = replace(QUICK, publish_s=0.0, unit_images=4)
    bench.run(FolderSource(str(photos)), settings)
    assert bench.published >= 1
    assert bench.committer.rows == {"photos": bench.published}


def test_what_is_published_when_a_session_ends_counts(bench: Bench, photos: Path) -> None:
    bench.slowness_s = 1.0
    bench.run(FolderSource(str(photos)), replace(QUICK, publish_s=0.0))
    assert bench.published >= 1
    assert bench.committer.rows == {"photos": bench.published}


AWAY = CommitError("the database does not answer", 2, is_transient=True)
WRONG = CommitError("a row does not fit", 2, is_transient=False)


def test_a_commit_that_fails_is_said_and_tried_again_while_fetching_goes_on(
    bench: Bench, photos: Path
) -> None:
    bench.errors, lines = [AWAY], []

    def hear(progress: CrawlProgress) -> None:
        lines.append(progress.line(time.monotonic()))
        time.sleep(0.1 if progress.commit_failure else 0.0)

    settings = replace(QUICK, publish_s=0.0, unit_images=1, concurrency=1)
    slow = clumsy(photos, {f"{number:02}.jpg": [BUSY] for number in range(12)})
    session, _ = bench.run(slow, replace(settings, backoff_s=0.3), report=hear)
    assert session.progress.done == 12
    assert any("commit failed once: the database does not answer; retrying in" in x for x in lines)
    assert bench.committer.commit_until_done()
    assert bench.committer.commit_failure is None


@pytest.mark.parametrize(("errors", "patience_s"), [([AWAY] * 99, 0.5), ([WRONG] * 99, 600.0)])
def test_a_session_whose_commits_fail_for_too_long_ends_in_good_order(
    bench: Bench, photos: Path, errors: list[Exception], patience_s: float
) -> None:
    bench.errors = errors
    never = clumsy(photos, {"05.jpg": None})
    settings = replace(QUICK, publish_s=0.0, commit_retry_s=patience_s, drain_s=0.2, unit_s=0.1)
    session, _ = bench.run(never, settings)
    assert session.progress.done == 11
    assert bench.frontier.counts(CRAWL) == {"done": 11, "queued": 1}
    assert bench.committer.commit_failure
    assert not bench.committer.commit_until_done()


def test_an_error_that_is_a_bug_ends_the_session_and_is_raised(bench: Bench, photos: Path) -> None:
    bench.errors = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        bench.run(clumsy(photos, {"05.jpg": None}), replace(QUICK, publish_s=0.0))
    assert bench.frontier.counts(CRAWL).get("in_flight", 0) == 0


def test_threads_may_ask_to_stop() -> None:
    stop = StopRequest()
    thread = threading.Thread(target=stop.request)
    thread.start()
    thread.join()
    assert stop.is_requested()
    assert not stop.is_immediate()
