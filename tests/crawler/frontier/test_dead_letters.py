"""Failed photos are listed and retried, chosen by class or predicate."""

import pytest

from crawler.errors import PredicateError
from crawler.fetch.failures import Failure
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import LISTED, Cursor, Settlement
from tests.crawler.frontier.listing import CRAWL, from_host, listed


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


def give_up(frontier: Frontier) -> None:
    frontier.add(CRAWL, from_host("h", *"abc") + from_host("i", "d"), Cursor(2))
    for number, item in enumerate(frontier.claim(CRAWL, 9, 1.0)):
        letter = (4, 0.0, "final", f"http_40{number}", "said so", 400 + number)
        frontier.settle([Settlement(item.seq, item.photo_id, "failed", *letter)])  # type: ignore[arg-type]  # as it is


def test_dead_letters_are_chosen_by_a_predicate(frontier: Frontier) -> None:
    give_up(frontier)
    found = frontier.dead_letters(CRAWL, "host = 'h' AND http_status > 400")
    assert [letter.url for letter in found] == ["http://h/b", "http://h/c"]
    assert frontier.retry(CRAWL, None, "error LIKE 'http_40%' AND url LIKE '%/d'") == 1
    assert [item.photo_id for item in frontier.claim(CRAWL, 9, 1.0)] == ["i/d"]
    assert len(frontier.dead_letters(CRAWL)) == 3


@pytest.mark.parametrize(
    "where",
    [
        "nonsense",
        "1; DELETE FROM items",
        "1) UNION SELECT seq FROM items --",
        "seq IN (SELECT rowid FROM crawls)",
        "EXISTS (SELECT 1 FROM quotas)",
        "load_extension('x')",
        "1 = (SELECT count(*) FROM sqlite_master)",
    ],
)
def test_a_predicate_can_only_read_dead_letters(frontier: Frontier, where: str) -> None:
    give_up(frontier)
    with pytest.raises(PredicateError, match="--where"):
        frontier.retry(CRAWL, None, where)
    assert frontier.counts(CRAWL) == {"failed": 4}
