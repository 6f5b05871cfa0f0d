import multiprocessing
import os
import sqlite3
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from catalog import Workspace
from crawler.fetch.failures import Failure
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import LISTED, Cursor, Item, ListedPhoto, Settlement
from crawler.frontier.takedown import FrontierQueue
from tests.crawler.frontier.listing import CRAWL, done, from_host, listed


def test_what_is_added_twice_is_there_once(frontier: Frontier) -> None:
    assert frontier.add(CRAWL, listed("a", "b"), Cursor(page=2)) == 2
    assert frontier.add(CRAWL, listed("b", "c"), Cursor(page=3)) == 1
    assert frontier.counts(CRAWL) == {"queued": 3}
    assert frontier.cursor(CRAWL) == Cursor(page=3)


def test_items_are_claimed_once_and_in_order_of_listing(frontier: Frontier) -> None:
    frontier.add(CRAWL, listed("b", "a", "c"), Cursor())
    assert [item.photo_id for item in frontier.claim(CRAWL, 2, now=1.0)] == ["b", "a"]
    assert [item.photo_id for item in frontier.claim(CRAWL, 2, now=1.0)] == ["c"]
    assert frontier.claim(CRAWL, 2, now=1.0) == []


def test_an_item_waits_for_its_time(frontier: Frontier) -> None:
    frontier.add(CRAWL, listed("a"), Cursor())
    [item] = frontier.claim(CRAWL, 1, now=0.0)
    again = Settlement(item.seq, "a", "queued", 1, 50.0, "transient", "http_500")
    frontier.settle([again])
    assert frontier.claim(CRAWL, 1, now=49.0) == []
    assert frontier.next_due(CRAWL) == 50.0
    [item] = frontier.claim(CRAWL, 1, now=50.0)
    assert item.attempts == 1


def test_a_changed_version_queues_a_done_item_again(frontier: Frontier) -> None:
    frontier.add(CRAWL, listed("a", version="1"), Cursor())
    frontier.settle([done(item) for item in frontier.claim(CRAWL, 1, now=0.0)])
    assert frontier.add(CRAWL, listed("a", version="1"), Cursor()) == 0
    assert frontier.add(CRAWL, listed("a", version="2"), Cursor()) == 1
    [item] = frontier.claim(CRAWL, 1, now=0.0)
    assert (item.attempts, item.base) == (1, 1)


def test_photos_that_another_crawl_holds_are_done(frontier: Frontier) -> None:
    frontier.add_held(["a"], [])
    assert frontier.add(CRAWL, listed("a", "b"), Cursor(), skip_held=True) == 1
    assert frontier.counts(CRAWL) == {"done": 1, "queued": 1}


def test_a_photo_passes_the_stages_of_an_api_and_can_be_claimed_then(frontier: Frontier) -> None:
    frontier.add(CRAWL, listed("a", "b", stage=LISTED), Cursor())
    assert frontier.claim(CRAWL, 2, now=0.0) == []
    frontier.describe(CRAWL, "a", {"title": "more"})
    assert [item.photo for item in frontier.unprepared(CRAWL)] == [
        {"title": "more"},
        {"title": "b"},
    ]
    frontier.locate(CRAWL, "a", "http://h/a.jpg", "h")
    frontier.refuse(CRAWL, "b", Failure("final", "http_404"))
    first, second = frontier.claim(CRAWL, 2, now=0.0)
    assert (first.url, first.refusal) == ("http://h/a.jpg", None)
    assert second.refusal == Failure("final", "http_404")
    frontier.locate(CRAWL, "a", "http://late/", "late")  # a late answer changes nothing
    frontier.release([first])
    assert frontier.claim(CRAWL, 1, now=0.0)[0].url == "http://h/a.jpg"


def test_new_files_are_told_from_known_ones(frontier: Frontier) -> None:
    frontier.settle([], ["s1"])
    assert frontier.claim_assets(["s1", "s2", "s2"], "a") == ({"s2"}, set())
    assert frontier.claim_assets(["s2", "s3"], "b") == ({"s3"}, {"s2"})
    assert frontier.claim_assets(["s2"], "a") == ({"s2"}, set())
    frontier.release_assets("a")
    assert frontier.claim_assets(["s2"], "b") == ({"s2"}, set())
    frontier.settle([], ["s2"])
    assert frontier.claim_assets(["s2"], "a") == (set(), set())
    frontier.clear_held()
    assert frontier.held_counts() == (0, 0)


def test_photos_that_a_new_listing_does_not_hold_have_vanished(frontier: Frontier) -> None:
    frontier.add(CRAWL, from_host("h", "a", "b"), Cursor(2, finished=True))
    for item in frontier.claim(CRAWL, 2, 1.0):
        frontier.settle([Settlement(item.seq, item.photo_id, "done", 1)])
    frontier.relist(CRAWL)
    again = frontier.cursor(CRAWL)
    assert again == Cursor(listing=2)
    frontier.add(CRAWL, from_host("h", "b"), replace(again, page=2))
    assert frontier.vanished(CRAWL) == []  # the listing has not ended
    frontier.add(CRAWL, [], replace(again, page=2, finished=True))
    assert [item.photo_id for item in frontier.vanished(CRAWL)] == ["h/a"]


def test_old_photos_are_asked_for_again_with_what_is_known_of_them(frontier: Frontier) -> None:
    frontier.add(CRAWL, from_host("h", "a"), Cursor(2))
    [item] = frontier.claim(CRAWL, 1, 1.0)
    frontier.settle([Settlement(item.seq, item.photo_id, "done", 1, etag='"e"', modified="Mon")])
    assert frontier.recrawl(CRAWL, time.time() - 60) == 0
    assert frontier.recrawl(CRAWL, time.time() + 60) == 1
    [again] = frontier.claim(CRAWL, 1, time.time())
    assert (again.etag, again.modified, again.attempts, again.base) == ('"e"', "Mon", 1, 1)
    assert again.settled_at > 0


def test_repeats_at_the_end_are_counted(frontier: Frontier) -> None:
    assert frontier.repeats_in_a_row(CRAWL) == 0
    frontier.add(CRAWL, from_host("h", *"abcd"), Cursor(2))
    outcomes = [None, "repeat", None, "repeat"]
    for item, outcome in zip(frontier.claim(CRAWL, 4, 1.0), outcomes, strict=True):
        frontier.settle([Settlement(item.seq, item.photo_id, "done", 1, error=outcome)])
    assert frontier.repeats_in_a_row(CRAWL) == 1


def test_a_frontier_of_older_code_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    db = sqlite3.connect(path)
    db.executescript(
        """
        CREATE TABLE items (
          seq INTEGER PRIMARY KEY, crawl_id TEXT NOT NULL, photo_id TEXT NOT NULL,
          url TEXT NOT NULL, host TEXT NOT NULL, photo TEXT NOT NULL, version TEXT NOT NULL,
          stage INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
          base INTEGER NOT NULL DEFAULT 0, not_before REAL NOT NULL DEFAULT 0,
          error_class TEXT, error TEXT, refusal TEXT, UNIQUE (crawl_id, photo_id));
        INSERT INTO items (crawl_id, photo_id, url, host, photo, version, stage, state)
          VALUES ('c1', 'p1', 'http://h/1', 'h', '{}', '', 2, 'queued'),
                 ('c1', 'p2', 'http://h/2', 'h', '{}', '', 2, 'done');
        """
    )
    db.close()
    with Frontier(path) as frontier:
        assert [item.photo_id for item in frontier.claim("c1", 9, 1.0)] == ["p1"]
        assert frontier.claim("c1", 9, 1.0) == []


def test_the_quota_of_a_key_is_kept_and_calls_are_counted(frontier: Frontier) -> None:
    assert frontier.quota("k") is None
    frontier.record_response("k", 50, 49)
    frontier.record_response("k", None, 0, 99.0)
    quota = frontier.quota("k")
    assert quota
    assert (quota.per_hour, quota.remaining, quota.blocked_until, quota.calls) == (50, 0, 99.0, 2)


def test_every_hot_query_goes_through_an_index(frontier: Frontier) -> None:
    asked: list[str] = []
    frontier._db.set_trace_callback(asked.append)
    frontier.add(CRAWL, from_host("h", "a", "b"), Cursor(2))
    items = frontier.claim(CRAWL, 1, 1.0)
    frontier.settle([Settlement(item.seq, item.photo_id, "done", 1) for item in items], ["s"])
    frontier.claim_assets(["s"], "a")
    frontier.next_due(CRAWL)
    frontier.unprepared(CRAWL)
    frontier.in_flight()
    frontier.counts(CRAWL)
    frontier._db.set_trace_callback(None)
    plain = [sql for sql in asked if sql.startswith(("SELECT", "UPDATE", "DELETE"))]
    assert len(plain) > 10
    for sql in plain:
        steps = [row[3] for row in frontier._read(f"EXPLAIN QUERY PLAN {sql}")]
        # A full index of the items in flight is a scan of those few.
        whole = [
            s
            for s in steps
            if s.startswith("SCAN") and "json_each" not in s and "in_flight" not in s
        ]
        assert whole == [], sql


def _die_inside_a_transaction(path: Path) -> None:
    frontier = Frontier(path)
    with frontier._transaction():
        frontier.add(CRAWL, listed("never"), Cursor(page=9))
        os._exit(1)


def test_a_transaction_cut_by_death_leaves_nothing(tmp_path: Path) -> None:
    with Frontier(tmp_path / "f.sqlite") as frontier:
        frontier.open_crawl(CRAWL, "folder", {})
        frontier.add(CRAWL, listed("a"), Cursor(page=2))
        context = multiprocessing.get_context("spawn")
        child = context.Process(target=_die_inside_a_transaction, args=(tmp_path / "f.sqlite",))
        child.start()
        child.join(30)
        assert child.exitcode == 1
        assert frontier.counts(CRAWL) == {"queued": 1}
        assert frontier.cursor(CRAWL).page == 2


class NothingIsLost(RuleBasedStateMachine):
    """Whatever happens in whatever order, every listed photo is in exactly one state."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.frontier = Frontier(Path(self.folder.name) / "f.sqlite", durable=False)
        self.frontier.open_crawl(CRAWL, "folder", {})
        self.known: set[str] = set()
        self.held: list[Item] = []
        self.finished: set[str] = set()

    @rule(names=st.lists(st.sampled_from("abcdefgh"), unique=True))
    def list_a_page(self, names: list[str]) -> None:
        assert self.frontier.add(CRAWL, listed(*names), Cursor()) == len(set(names) - self.known)
        self.known |= set(names)

    @rule(limit=st.integers(0, 4))
    def claim(self, limit: int) -> None:
        claimed = self.frontier.claim(CRAWL, limit, now=1.0)
        assert not {item.photo_id for item in claimed} & {item.photo_id for item in self.held}
        assert not {item.photo_id for item in claimed} & self.finished
        self.held += claimed

    @rule(state=st.sampled_from(["done", "failed", "dead", "queued"]), data=st.data())
    def settle_some(self, state: str, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, len(self.held)))
        ended, self.held = self.held[:count], self.held[count:]
        self.frontier.settle(
            [Settlement(item.seq, item.photo_id, state, item.attempts + 1) for item in ended]  # type: ignore[arg-type]  # sampled above
        )
        self.finished |= {item.photo_id for item in ended} if state != "queued" else set()

    @rule()
    def die_and_come_back(self) -> None:
        self.frontier.close()
        self.frontier = Frontier(Path(self.folder.name) / "f.sqlite", durable=False)
        self.frontier.release(self.frontier.in_flight())
        self.held = []

    @invariant()
    def nothing_is_lost(self) -> None:
        counts = self.frontier.counts(CRAWL)
        assert sum(counts.values()) == len(self.known)
        assert counts.get("in_flight", 0) == len(self.held)
        ended = counts.get("done", 0) + counts.get("failed", 0) + counts.get("dead", 0)
        assert ended == len(self.finished)

    def teardown(self) -> None:
        self.frontier.close()
        self.folder.cleanup()


NothingIsLost.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


TestNothingIsLost = NothingIsLost.TestCase


def test_what_a_purge_deletes_is_given_up_with_its_address(workspace: Workspace) -> None:
    with Frontier(workspace.frontier) as frontier:
        frontier.open_crawl("c", "test", {})
        listed = [
            ListedPhoto(n, {"title": n}, f"https://a.test/{n}", "a.test") for n in ("p1", "p2")
        ]
        frontier.add("c", listed, Cursor())
        items = frontier.claim("c", 2, 1e12)
        frontier.settle([Settlement(i.seq, i.photo_id, "done", 1) for i in items], ["s1", "s2"])
    assert FrontierQueue(workspace).give_up({"p1"}, {"s1"}) == 1
    with Frontier(workspace.frontier) as frontier:
        assert frontier.done_photos() == ["p2"]
        [letter] = frontier.dead_letters("c", "error = 'tombstoned'")
        assert letter.url == "https://a.test/p1"
        assert frontier.held_counts() == (1, 1)
