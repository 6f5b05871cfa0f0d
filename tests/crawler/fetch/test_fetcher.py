import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

import pytest

from crawler.fetch.fetcher import FetchResponse, open_fetcher
from crawler.settings import CrawlSettings
from tests.fakes.fault_site import FaultSite

QUICK = CrawlSettings(
    allow_private=True, grace_s=0.2, deadline_s=2.0, max_bytes=1000, min_bytes_per_s=1e4
)
AGENT = "safelight/test (+tests@example.org)"


@pytest.fixture(scope="module")
def site() -> Iterator[FaultSite]:
    with FaultSite() as running:
        yield running


def fetch(*urls: str, settings: CrawlSettings = QUICK) -> list[FetchResponse]:
    async def all_of_them() -> list[FetchResponse]:
        async with open_fetcher(settings, AGENT) as fetcher:
            return [await fetcher.fetch(url) for url in urls]

    return asyncio.run(all_of_them())


def failure(answer: FetchResponse) -> tuple[str, str]:
    assert answer.failure
    assert not answer.body
    return answer.failure.error_class, answer.failure.error


def test_bytes_come_in_with_what_the_server_said(site: FaultSite) -> None:
    [answer] = fetch(f"{site.url}/fine")
    assert (answer.body, answer.failure, answer.http_status) == (b"fine", None, 200)
    assert (answer.etag, answer.content_type) == ('"e"', "image/jpeg")
    assert answer.duration_ms > 0
    assert AGENT in site.agents


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("status/404", ("final", "http_404")),
        ("status/401", ("final", "http_401")),
        ("status/500", ("transient", "http_500")),
        ("status/304", ("final", "http_304")),
        ("limit", ("transient", "rate_limited")),
        ("big/1001", ("final", "too_big")),
        ("cut", ("transient", "truncated_body")),
        ("drip", ("transient", "too_slow")),
        ("silence", ("transient", "timeout")),
        ("loop/a", ("final", "redirect_loop")),
        ("far/0", ("final", "too_many_redirects")),
        ("to/x?url=ftp://example.org/", ("final", "bad_url")),
        ("to/x?url=http://[", ("final", "bad_url")),
        ("tagged/" + quote("X-Robots-Tag=noindex, noai", safe=""), ("final", "opted_out")),
        ("tagged/TDM-Reservation=1", ("final", "opted_out")),
    ],
)
def test_each_fault_has_a_class_and_a_word(
    site: FaultSite, path: str, expected: tuple[str, str]
) -> None:
    [answer] = fetch(f"{site.url}/{path}")
    assert failure(answer) == expected


def test_an_opt_out_of_another_robot_does_not_bind_us(site: FaultSite) -> None:
    [answer] = fetch(f"{site.url}/tagged/" + quote("X-Robots-Tag=otherbot: noai", safe=""))
    assert answer.body == b"bytes"


def test_a_slow_answer_is_cut_by_the_deadline(site: FaultSite) -> None:
    patient = replace(QUICK, grace_s=9, deadline_s=0.3)
    [answer] = fetch(f"{site.url}/drip", settings=patient)
    assert failure(answer) == ("transient", "timeout")


def test_a_redirect_leads_to_the_bytes(site: FaultSite) -> None:
    [answer] = fetch(f"{site.url}/to/x?url=/fine")
    assert (answer.body, answer.url) == (b"fine", f"{site.url}/fine")


def test_retry_after_is_kept_as_a_floor(site: FaultSite) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    for wait, expected in (("0.4", 0.4), (date, 3600.0)):
        [answer] = fetch(f"{site.url}/later/{quote(wait)}")
        assert answer.failure
        assert answer.failure.error == "http_429"
        assert answer.failure.retry_after_s == pytest.approx(expected, rel=0.01)


def test_a_host_that_asks_for_a_pause_gets_it(site: FaultSite) -> None:
    first, second = fetch(f"{site.url}/later/0.3", f"{site.url}/fine")
    assert first.failure
    assert second.body == b"fine"  # the wait at the gate is no part of its duration


def test_private_addresses_are_refused(site: FaultSite) -> None:
    public = replace(QUICK, allow_private=False)
    port = site.url.rpartition(":")[2]
    before = sum(site.asked.values())
    urls = (f"{site.url}/fine", f"http://localhost:{port}/fine", "http://[::ffff:10.0.0.1]/")
    for answer in fetch(*urls, settings=public):
        assert failure(answer) == ("suspicious", "private_address")
    assert sum(site.asked.values()) == before


def test_unreachable_hosts_are_transient() -> None:
    closed, unknown = fetch("http://127.0.0.1:9/x", "http://no-such-host.invalid/x")
    assert failure(closed) == ("transient", "robots_unavailable")
    assert failure(unknown) == ("transient", "robots_unavailable")


def test_robots_txt_is_obeyed_and_read_once() -> None:
    with FaultSite(robots="User-agent: safelight\nDisallow: /html\n") as site:
        refused, fine, again = fetch(f"{site.url}/html", f"{site.url}/fine", f"{site.url}/fine")
        assert failure(refused) == ("final", "robots_disallowed")
        assert fine.body == again.body == b"fine"
        assert site.asked["/robots.txt"] == 1


def test_an_unavailable_robots_txt_forbids_for_now() -> None:
    with FaultSite(robots="down") as site:
        first, second = fetch(f"{site.url}/fine", f"{site.url}/fine")
        assert failure(first) == failure(second) == ("transient", "robots_unavailable")
        assert site.asked["/fine"] == 0
