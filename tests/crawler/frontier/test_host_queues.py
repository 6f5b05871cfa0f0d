"""Hosts take turns, and each belongs to one worker."""

import time
from pathlib import Path

from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Cursor, HostPartition
from tests.crawler.frontier.listing import CRAWL, from_host


def test_hosts_take_turns_and_a_slow_one_holds_up_nobody(frontier: Frontier) -> None:
    frontier.add(CRAWL, from_host("slow", *"abcdef") + from_host("quick", *"ab"), Cursor(2))
    first = frontier.claim(CRAWL, 8, 10.0, each=2)
    assert [item.photo_id for item in first] == ["quick/a", "quick/b", "slow/a", "slow/b"] or [
        item.photo_id for item in first
    ] == ["slow/a", "slow/b", "quick/a", "quick/b"]
    assert frontier.claim(CRAWL, 8, 10.0, each=2, busy=["slow"]) == []
    assert len(frontier.claim(CRAWL, 8, 10.0, each=3)) == 3
    assert frontier.next_due(CRAWL) == 10.0


def test_a_closed_host_is_left_alone_whoever_asks(frontier: Frontier, tmp_path: Path) -> None:
    frontier.add(CRAWL, from_host("h", "a"), Cursor(2))
    now = time.time()
    frontier.pause_host("h", now + 50)
    frontier.pause_host("h", now + 10)  # a shorter wish does not shorten it
    assert frontier.claim(CRAWL, 1, now) == []
    assert frontier.next_due(CRAWL) == now + 50
    assert frontier.paused_hosts() == {"h": now + 50}
    frontier.add(CRAWL, from_host("h", "b"), Cursor(3))  # a new item does not open it
    assert frontier.claim(CRAWL, 1, now) == []
    assert len(frontier.claim(CRAWL, 9, now + 51)) == 2


def test_workers_share_hosts_and_no_host_has_two(frontier: Frontier) -> None:
    hosts = [f"host{number}.example" for number in range(40)]
    frontier.add(CRAWL, [item for host in hosts for item in from_host(host, "a")], Cursor(2))
    shares = [HostPartition(index, 3) for index in range(3)]
    found = [
        {item.host for item in frontier.claim(CRAWL, 99, 1.0, partition=partition)}
        for partition in shares
    ]
    assert all(found)
    assert sorted(host for part in found for host in part) == sorted(hosts)
    assert all(
        partition.has(host) for partition, part in zip(shares, found, strict=True) for host in part
    )
    assert {item.host for item in frontier.in_flight("worker-1")} == found[1]


def test_a_redirected_item_goes_to_the_worker_of_its_new_host(frontier: Frontier) -> None:
    frontier.add(CRAWL, from_host("a", "x"), Cursor(2))
    [item] = frontier.claim(CRAWL, 1, 1.0)
    frontier.requeue_redirect(item, "http://b.example/y")
    [moved] = frontier.claim(CRAWL, 1, 1.0)
    assert (moved.url, moved.host, moved.hops) == ("http://b.example/y", "b.example", 1)
    assert frontier.counts(CRAWL) == {"in_flight": 1}
