import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crawler.failures import Failure
from crawler.frontier import LISTED, READY, Cursor, Frontier, Item, Listed, Settlement

CRAWL = "c1"


@pytest.fixture
def frontier(tmp_path: Path) -> Iterator[Frontier]:
    with Frontier(tmp_path / "frontier.sqlite") as opened:
        opened.open_crawl(CRAWL, "folder", {"path": "p"})
        yield opened


def listed(*names: str, stage: int = READY, version: str = "") -> list[Listed]:
    return [Listed(name, {"title": name}, f"u/{name}", "h", version, stage) for name in names]


def done(item: Item) -> Settlement:
    return Settlement(item.seq, item.photo_id, "done", item.attempts + 1)


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
    frontier.hold(["a"], [])
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


def test_retry_takes_one_class_and_starts_refused_photos_from_the_api(frontier: Frontier) -> None:
    frontier.add(CRAWL, listed("a", "b", "c", stage=LISTED), Cursor())
    for name in ("a", "b"):
        frontier.locate(CRAWL, name, "u", "h")
    frontier.refuse(CRAWL, "c", Failure("transient", "http_500"))
    states = {"a": ("dead", "transient"), "b": ("failed", "final"), "c": ("dead", "transient")}
    for item in frontier.claim(CRAWL, 3, now=0.0):
        state, kind = states[item.photo_id]
        frontier.settle([Settlement(item.seq, item.photo_id, state, 4, 0, kind, "e")])  # type: ignore[arg-type]  # literals above
    assert frontier.errors(CRAWL) == {"e": 3}
    assert frontier.retry(CRAWL, "transient") == 2
    assert [item.photo_id for item in frontier.unprepared(CRAWL)] == ["c"]
    [item] = frontier.claim(CRAWL, 3, now=0.0)
    assert (item.photo_id, item.attempts, item.base) == ("a", 4, 4)
    assert frontier.retry(CRAWL, None) == 1


def test_new_files_are_told_from_known_ones(frontier: Frontier) -> None:
    frontier.settle([], ["s1"])
    assert frontier.new_assets(["s1", "s2", "s2"]) == {"s2"}
    frontier.forget_held()
    assert frontier.held() == (0, 0)


def test_the_quota_of_a_key_is_kept_and_calls_are_counted(frontier: Frontier) -> None:
    assert frontier.quota("k") is None
    frontier.note_quota("k", 50, 49)
    frontier.note_quota("k", None, 0, 99.0)
    quota = frontier.quota("k")
    assert quota
    assert (quota.per_hour, quota.remaining, quota.blocked_until, quota.calls) == (50, 0, 99.0, 2)


def test_every_hot_query_goes_through_an_index(frontier: Frontier) -> None:
    queries = (
        "SELECT seq FROM items WHERE crawl_id = ? AND state = 'queued' AND stage = 2"
        " AND not_before <= 9 ORDER BY not_before, seq LIMIT 9",
        "SELECT min(not_before) FROM items WHERE crawl_id = ? AND state = 'queued' AND stage = 2",
        "SELECT 1 FROM items WHERE crawl_id = ? AND photo_id = 'a'",
    )
    for sql in queries:
        plan = str(frontier._read(f"EXPLAIN QUERY PLAN {sql}", CRAWL))
        assert "SEARCH items USING" in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan


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
