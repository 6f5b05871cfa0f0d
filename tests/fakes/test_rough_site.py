"""The rough site must misbehave as planned, and its log must see each kind of impoliteness."""

import http.client
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.factories import jpeg
from tests.fakes.fault_site import KEY
from tests.fakes.faults import FAULTS, ROLES, SHY, SLOW, TLS, Fault, FaultPlan
from tests.fakes.rough_answers import ANSWERS, PRIVATE
from tests.fakes.rough_site import RoughSite
from tests.fakes.site_log import RobotsRule, Seen, SiteLog

NAMES = tuple(f"p/{number}" for number in range(80))


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return {name: jpeg(seed=number) for number, name in enumerate(NAMES)}


@pytest.fixture
def site(pictures: dict[str, bytes]) -> Iterator[RoughSite]:
    with RoughSite(pictures, FaultPlan.spread(NAMES, 0.01)) as running:
        yield running


def ask(url: str, key: str = "") -> tuple[int, bytes]:
    """Ask as no polite crawler would: at once, and for anything."""
    request = Request(url, headers={"Authorization": f"Client-ID {key}"})
    try:
        with urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def first(site: RoughSite, kind: str) -> str:
    return site.plan.ids[kind][0]


def sound_on(site: RoughSite, role: str) -> list[str]:
    plan = site.plan
    return [n for n in plan.names if n not in plan.fault_of and plan.host_of(n) == role]


# The plan


def test_a_plan_gives_each_kind_its_share_and_no_picture_two() -> None:
    names = [f"{number:03}" for number in range(600)]
    plan = FaultPlan.spread(names, 0.01)
    assert {len(ids) for ids in plan.ids.values()} == {6}
    assert len(plan.fault_of) == 6 * len(FAULTS)
    assert plan == FaultPlan.spread(names, 0.01)
    assert plan.ids != FaultPlan.spread(names, 0.01, seed=8).ids
    lost = sum(not fault.kept for fault in FAULTS.values())
    assert len(plan.kept()) == 600 - 6 * lost
    assert {plan.host_of(name) for name in names} == set(ROLES)


def test_attempts_follow_from_the_fault() -> None:
    assert Fault("x").attempts(4) == 1
    assert Fault("x", "empty").attempts(4) == 1
    assert Fault("x", "http_500", "transient").attempts(4) == 4
    assert Fault("x", "http_429", "transient", 2).attempts(4) == 3


def test_every_fault_is_made_somewhere() -> None:
    elsewhere = {"api_quota", "api_503", "bad_tls", "no_dns", "listed_twice", "no_detail"}
    assert FAULTS.keys() == ANSWERS.keys() | PRIVATE.keys() | elsewhere | {"disallowed"}


# The log: first a client that does all that it must not do


def test_a_retry_before_its_time_is_seen(site: RoughSite) -> None:
    name = first(site, "429_seconds")
    assert ask(site.address(name))[0] == 429
    time.sleep(0.1)
    ask(site.address(name))
    [problem] = site.log.early_retries()
    assert "asked for 1.000 s" in problem


def test_a_date_is_a_promise_too(site: RoughSite) -> None:
    name = first(site, "503_date")
    ask(site.address(name))
    [seen] = site.log.images(name)
    assert 0.3 < seen.wait_s <= 1.4
    ask(site.address(name))
    assert len(site.log.early_retries()) == 1


def test_the_neighbours_of_a_picture_have_to_wait_as_well(site: RoughSite) -> None:
    name, neighbour = first(site, "503_seconds"), first(site, "429_date")
    ask(site.address(name))
    ask(site.address(neighbour))  # may have been on its way
    assert site.log.early_retries() == []
    assert len(site.log.early_retries(slack_s=0.0)) == 1
    ask(site.address(sound_on(site, "even")[0]))  # another host
    assert len(site.log.early_retries(slack_s=0.0)) == 1


def test_who_waits_or_was_killed_before_it_could_read_breaks_no_promise() -> None:
    answer = Seen(10.0, "h", "/images/a", "a", status=429, answered_at=10.1, wait_s=1.0)
    good = Seen(11.11, "h", "/images/a", "a")
    early = Seen(10.9, "h", "/images/a", "a")
    assert SiteLog(seen=[answer, good]).early_retries() == []
    assert len(SiteLog(seen=[answer, early]).early_retries()) == 1
    assert SiteLog(seen=[answer, early], kills=[10.15]).early_retries() == []
    assert len(SiteLog(seen=[answer, early], kills=[10.8]).early_retries()) == 1


def test_a_disallowed_path_and_an_unread_robots_txt_are_seen(site: RoughSite) -> None:
    name = first(site, "disallowed")
    assert ask(site.address(name)) == (200, site.pictures[name])
    unread, barred = site.log.robots_violations()
    assert "before robots.txt was read" in unread
    assert "is disallowed" in barred


def test_a_crawl_delay_that_is_not_kept_is_seen(site: RoughSite) -> None:
    one, two = sound_on(site, SHY)[:2]
    base = f"http://{site.hosts[SHY]}"
    assert ask(f"{base}/robots.txt")[1].decode() == RobotsRule(("/closed/",), 0.3).text()
    ask(site.address(one))
    assert site.log.robots_violations() == []
    ask(site.address(two))
    [problem] = site.log.robots_violations()
    assert "after another" in problem


def row_of_images(*times: float) -> SiteLog:
    images = [Seen(at, "h", f"/{n}.jpg", f"p/{n}") for n, at in enumerate(times)]
    robots = Seen(0.0, "h", "/robots.txt", answered_at=0.0)
    return SiteLog({"h": RobotsRule(delay_s=0.3)}, [robots, *images])


def test_requests_that_were_late_on_their_way_break_no_crawl_delay_but_a_quick_row_does() -> None:
    late = row_of_images(1.0, 1.56, 1.60, 1.9, 2.2)  # the second was sent at 1.3
    assert late.robots_violations(0.4) == []
    assert late.robots_violations(0.1)
    quick = row_of_images(*(1.0 + 0.25 * n for n in range(10)))  # 0.05 s each, 0.45 s together
    assert len(quick.robots_violations(0.4)) == 1
    assert len(row_of_images(1.0, 1.01, 1.02).robots_violations(0.4)) == 1


def test_too_many_requests_in_any_window_are_seen(site: RoughSite) -> None:
    host = site.hosts[SLOW]
    for _ in range(3):
        ask(f"http://{host}/robots.txt")
    time.sleep(0.3)
    for _ in range(2):
        ask(f"http://{host}/robots.txt")
    assert site.log.busiest(10.0) == {host: 5}
    assert site.log.busiest(0.25) == {host: 3}
    assert (site.log.over_rate(10.0, 4), site.log.over_rate(10.0, 5)) == (1, 0)
    assert SiteLog().over_rate(1.0, 0) == 0


def test_a_window_may_begin_at_any_request() -> None:
    log = SiteLog(seen=[Seen(at, "h", "/x") for at in (0.0, 0.9, 1.1, 1.2, 1.89, 1.95)])
    assert log.busiest(1.0) == {"h": 4}


def test_a_download_that_was_not_reported_is_seen(site: RoughSite) -> None:
    one, two = sound_on(site, "even")[:2]
    assert ask(f"{site.url}/photos/{quote(one, safe='')}/download", KEY)[0] == 200
    for name in (one, two):
        ask(site.address(name))
    assert site.log.missed_downloads() == [two]
    assert site.log.download_calls == {one: 1}


def test_a_host_that_nobody_asks_although_there_is_work_is_seen() -> None:
    def seen(at: float, name: str, path: str = "/images/x", host: str = "h") -> Seen:
        return Seen(at, host, path, name, answered_at=at)

    known = [seen(0.0, name, "/photos/x/download?ixid=1", "api") for name in "abc"]
    late = seen(8.0, "d", "/photos/x/download?ixid=1", "api")
    log = SiteLog(
        seen=[*known, seen(1.0, "a"), seen(1.5, "b"), seen(4.0, "c"), late, seen(8.5, "d")]
    )
    assert log.longest_idle("h", 2.0, since=1.0) == 2.0  # c might have come at 2.0; d at 8.0
    assert log.longest_idle("h", 2.0, since=4.0) == 0.5
    again = SiteLog(seen=[*known, seen(1.0, "a"), seen(9.0, "a")])  # a retry waits for good reasons
    assert again.longest_idle("h", 2.0, since=0.5) == 0.5


def test_the_last_picture_of_a_host_is_known(site: RoughSite) -> None:
    for name in (sound_on(site, "even")[0], first(site, "500_forever"), sound_on(site, "odd")[0]):
        ask(site.address(name))
    even, odd = (site.hosts[role] for role in ("even", "odd"))
    assert site.log.last_image(even) < site.log.last_image(odd) == site.log.last_image(even, odd)


# The faults that a test of the crawler cannot tell from others


def test_addresses_lead_where_the_fault_wants_them(site: RoughSite) -> None:
    def address(kind: str) -> str:
        return site.address(first(site, kind))

    assert address("metadata").startswith("http://169.254.169.254:9/images/")
    assert address("no_dns").startswith("http://nothing.invalid/")
    assert urlsplit(address("bad_tls")).scheme == "https"
    assert urlsplit(address("bad_tls")).netloc == site.hosts[TLS]
    for kind, base in PRIVATE.items():
        parts = urlsplit(address(f"{kind}_redirect"))
        line = http.client.HTTPConnection(parts.netloc)
        line.request("GET", parts.path)
        assert str(line.getresponse().headers["Location"]).startswith(f"{base}/")
        line.close()


def test_a_photo_may_be_listed_on_two_pages(site: RoughSite) -> None:
    name = first(site, "listed_twice")
    one, two = (place for place, listed in enumerate(site.order) if listed == name)
    assert one // 30 != two // 30


def test_a_used_up_quota_is_restored(site: RoughSite) -> None:
    name = first(site, "api_quota")
    url = f"{site.url}/photos/{quote(name, safe='')}"
    assert ask(url, KEY) == (403, b"Rate Limit Exceeded")
    assert ask(url, KEY)[0] == 200


def test_the_site_outlives_a_client_that_goes_away(site: RoughSite) -> None:
    for kind in ("stall", "drip", "huge_length"):
        parts = urlsplit(site.address(first(site, kind)))
        line = http.client.HTTPConnection(parts.netloc, timeout=0.1)
        line.request("GET", parts.path)
        with suppress(TimeoutError):
            line.getresponse()
        line.close()
    time.sleep(0.2)
    assert ask(site.address(sound_on(site, "even")[0]))[0] == 200
    [huge] = site.log.images(first(site, "huge_length"))
    assert huge.sent < 1_000_000
