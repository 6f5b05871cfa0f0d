# ruff: noqa: RUF001 - odd characters are what it is about
"""Whatever spelling an address has, the crawler connects to public addresses only."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings, strategies as st
from scrapy import Request
from twisted.internet._resolver import GAIResolver
from twisted.internet.testing import MemoryReactorClock
from twisted.web.client import Agent

from catalog import Workspace
from catalog.pull.public_addresses import Address, is_allowed_address, is_public, parse_networks
from crawler.fetch.fetcher import FetchResponse, open_fetcher
from crawler.fetch.hosts import host_of, is_refused
from crawler.session.crawl import crawl
from crawler.settings import CrawlSettings
from crawler.sources import UserSpiderSource
from crawler.spiders.resolver import PublicNameResolver
from tests.crawler.address_spellings import GATEWAYS, LOOPBACK, NETWORKS, PUBLIC
from tests.fakes.fault_site import FaultSite

QUICK = CrawlSettings(grace_s=0.5, deadline_s=2.0)
PRIVATE = (*LOOPBACK, *GATEWAYS, *NETWORKS)
AGENT = "safelight/test (+tests@example.org)"


@pytest.fixture(scope="module")
def site() -> Iterator[FaultSite]:
    with FaultSite() as running:
        yield running


def fetch(urls: list[str], limits: CrawlSettings) -> list[FetchResponse]:
    async def all_of_them() -> list[FetchResponse]:
        async with open_fetcher(limits, AGENT) as fetcher:
            return await asyncio.gather(*(fetcher.fetch(url) for url in urls))

    return asyncio.run(all_of_them())


def refused(answer: FetchResponse) -> bool:
    assert answer.failure, answer.url
    # A host that cannot be read is not asked either; a name with a `%` or a zero-width character is none.
    return answer.failure.error in ("private_address", "bad_url")


def test_no_spelling_of_this_machine_is_asked(site: FaultSite) -> None:
    port = site.url.rpartition(":")[2]
    before = site.asked.total()
    answers = fetch([f"http://{host}:{port}/fine" for host in PRIVATE], QUICK)
    assert [answer.url for answer in answers if not refused(answer)] == []
    assert site.asked.total() == before


def test_no_redirect_leads_to_a_spelling_of_this_machine() -> None:
    """The site is allowed by its address, 127.0.0.2; it redirects to others."""
    here = replace(QUICK, allow_networks="127.0.0.2/32")
    with FaultSite() as site:
        port = site.url.rpartition(":")[2]
        start = site.also_listen("127.0.0.2")
        targets = [quote(f"http://{host}:{port}/fine") for host in PRIVATE]
        answers = fetch([f"{start}/to/x?url={target}" for target in targets], here)
        assert [answer.url for answer in answers if not refused(answer)] == []
        assert site.asked["/fine"] == 0
        assert site.asked["/to/x"] == len(PRIVATE)


def test_robots_txt_does_not_lead_to_a_spelling_of_this_machine() -> None:
    here = replace(QUICK, allow_networks="127.0.0.2/32")
    with FaultSite() as site:
        port = site.url.rpartition(":")[2]
        site.robots_target = f"http://①②⑦.⓪.⓪.①:{port}/fine"
        [answer] = fetch([f"{site.also_listen('127.0.0.2')}/html"], here)
        assert answer.failure
        assert answer.failure.error == "private_address"
        assert site.asked["/fine"] == site.asked["/html"] == 0


@pytest.mark.parametrize("host", PUBLIC)
def test_public_addresses_are_not_refused(host: str) -> None:
    assert not is_refused(host, CrawlSettings())


def test_an_allowed_gateway_still_refuses_what_it_must_not_reach() -> None:
    networks = parse_networks("64:ff9b::/96")
    assert is_allowed_address(ip_address("64:ff9b::8.8.8.8"), networks)
    assert not is_allowed_address(ip_address("64:ff9b::127.0.0.1"), networks)


def test_all_spellings_of_a_host_share_its_pace() -> None:
    spellings = (
        "http://Photos.Example/a",
        "http://photos.example.:80/a",
        "http://ｐhotos。example/a",
    )
    assert {host_of(url) for url in spellings} == {"photos.example"}
    assert host_of("http://0x7f.1:81/") == host_of("http://①②⑦.0.0.1:81/") == "127.0.0.1:81"


def test_a_path_is_judged_by_robots_txt_as_it_is_asked_for() -> None:
    with FaultSite(robots="User-agent: *\nDisallow: /html\n") as site:
        loopback = replace(QUICK, allow_private=True)
        paths = ("/html", "/x/../html", "/./html", "/%68tml", "/x/%2e%2e/html")
        answers = fetch([f"{site.url}{path}" for path in paths], loopback)
        assert [answer.failure and answer.failure.error for answer in answers] == [
            "robots_disallowed"
        ] * len(paths)
        assert site.asked["/html"] == 0


SPIDER = """
import scrapy

class Hostile(scrapy.Spider):
    name = "hostile"
    custom_settings = {"DOWNLOAD_HANDLERS": {"file": "scrapy.core.downloader.handlers.file.FileDownloadHandler"}}

    async def start(self):
        for url in open(self.urls).read().split("\\n"):
            try:
                yield scrapy.Request(url, self.parse, errback=lambda failure: None, dont_filter=True)
            except ValueError:
                pass

    def parse(self, response):
        yield {"image_url": "http://photos.example/" + str(len(response.body)), "title": response.url}
"""


@pytest.mark.slow
def test_no_spider_is_led_to_this_machine(
    site: FaultSite, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")
    port = site.url.rpartition(":")[2]
    odd = ("file:///etc/hostname", "ftp://127.0.0.1/x", f"http://127.0.0.1:{port}#@8.8.8.8/")
    # Documentation networks and the like would only cost time: nothing there answers.
    urls = [*(f"http://{host}:{port}/fine" for host in (*LOOPBACK, *GATEWAYS)), *odd]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    (tmp_path / "hostile.py").write_text(SPIDER)
    before = site.asked.total()
    source = UserSpiderSource(
        str(tmp_path / "hostile.py"), arguments={"urls": str(tmp_path / "urls.txt")}
    )
    summary = crawl(workspace, source, CrawlSettings(rate=1000))
    assert (summary.listed, site.asked.total()) == (0, before)
    assert "private address" in summary.problem
    assert "--allow-private" in summary.problem


# The property: what a fake network is asked to connect to is public.

DIGITS = ("0123456789", "０１２３４５６７８９", "⓪①②③④⑤⑥⑦⑧⑨", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗", "⁰¹²³⁴⁵⁶⁷⁸⁹")
DOTS = ".。．｡"

ipv4 = st.one_of(
    st.sampled_from(["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.9.9", "0.0.0.0"]).map(
        IPv4Address
    ),
    st.ip_addresses(v=4),
)
ipv6 = st.one_of(
    st.sampled_from(["::1", "::", "fe80::1", "fd00::7", "ff02::1"]).map(IPv6Address),
    st.ip_addresses(v=6),
    st.builds(
        lambda prefix, inner: IPv6Address(int(IPv6Address(prefix)) | int(inner)),
        st.sampled_from(["::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::", "2606:4700::5efe:0:0"]),
        ipv4,
    ),
    st.builds(lambda inner: IPv6Address(0x2002 << 112 | int(inner) << 80), ipv4),
)


@st.composite
def spelled_ipv4(draw: st.DrawFn) -> str:
    """Write an IPv4 address in one to four numbers of any base, digits and dots of any alphabet."""
    number = int(draw(ipv4))
    parts = draw(st.integers(1, 4))
    high = [number >> 8 * (3 - place) & 255 for place in range(parts - 1)]
    low = number & (1 << 8 * (5 - parts)) - 1
    text = ""
    for place, value in enumerate([*high, low]):
        written = draw(st.sampled_from(["{:d}", "{:#x}", "{:#X}", "0{:o}", "00{:o}", "0x00{:x}"]))
        text += (draw(st.sampled_from(DOTS)) if place else "") + written.format(value)
    alphabets = st.sampled_from(DIGITS)
    text = "".join(draw(alphabets)[int(c)] if c in DIGITS[0] else c for c in text)
    return text + draw(st.sampled_from(["", "", ".", "。", "..", "%2e", "%00", "\u00ad"]))


@st.composite
def spelled_ipv6(draw: st.DrawFn) -> str:
    address = draw(ipv6)
    written = draw(st.sampled_from([address.compressed, address.exploded]))
    if draw(st.booleans()):
        head, _, _ = address.exploded.rpartition(":")
        head, _, _ = head.rpartition(":")
        written = f"{head}:{IPv4Address(int(address) & 0xFFFFFFFF)}"
    written = draw(st.sampled_from([written, written.upper()]))
    zone = draw(st.sampled_from(["", "", "%lo", "%25lo", "%25eth0", "%1"]))
    return f"[{written}{zone}]"


names = st.sampled_from(
    [
        "localhost",
        "LOCALHOST.",
        "ｌｏｃａｌｈｏｓｔ",
        "rebinding.example",
        "a.localhost",
        "xn--80ak6aa92e",
    ]
)
hosts = st.one_of(spelled_ipv4(), spelled_ipv6(), names, st.text(min_size=1, max_size=20))
users = st.sampled_from(["", "", "me@", "me:pw@", "8.8.8.8@", "8.8.8.8:80@", "8.8.8.8%40"])
ports = st.sampled_from(["", ":80", ":8080", ":443", ":0"])
urls = st.builds(lambda user, host, port: f"http://{user}{host}{port}/x", users, hosts, ports)
answers_of_dns = st.lists(st.one_of(ipv4, ipv6), min_size=1, max_size=3)


class FakeNetwork(asyncio.SelectorEventLoop):
    """An event loop whose resolver answers as told, and which notes what it is to connect to."""

    def __init__(self, answers: list[Address]) -> None:
        super().__init__()
        self.answers, self.connected = answers, list[str]()

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Answer a literal as the C library does, which knows old spellings, and a name as told."""
        return addrinfo(str(host), int(port or 0), self.answers)

    async def sock_connect(self, _: Any, address: Any) -> None:
        self.connected.append(str(address[0]))
        raise ConnectionRefusedError


def addrinfo(host: str, port: int, answers: list[Address]) -> list[Any]:
    with suppress(OSError, UnicodeError, ValueError):
        answers = [ip_address(socket.inet_ntoa(socket.inet_aton(host)))]
    return [
        (
            *(
                socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
            ),
            (str(address), port, 0, 0) if address.version == 6 else (str(address), port),
        )
        for address in answers
    ]


def connected_by_client(url: str, answers: list[Address]) -> list[str]:
    network = FakeNetwork(answers)

    async def ask() -> FetchResponse:
        async with open_fetcher(QUICK, AGENT) as fetcher:
            return await fetcher.fetch(url)

    try:
        assert network.run_until_complete(ask()).failure
    finally:
        network.run_until_complete(network.shutdown_default_executor())
        network.close()
    return network.connected


@settings(max_examples=100, deadline=None)
@given(url=urls, answers=answers_of_dns)
def test_what_the_client_connects_to_is_public(url: str, answers: list[Address]) -> None:
    connected = connected_by_client(url, answers)
    assert all(is_public(ip_address(address)) for address in connected), (url, answers, connected)


class FakeReactor(MemoryReactorClock):
    """A reactor that notes what it is to connect to; its thread pool works at once."""

    def callFromThread(self, work: Any, *about: Any) -> None:
        work(*about)

    def callInThreadWithCallback(self, heard: Any, work: Any, *about: Any, **more: Any) -> None:
        heard(True, work(*about, **more))


def connected_by_scrapy(url: str, answers: list[Address]) -> list[str]:
    """Ask as Scrapy's downloader does: the request cleans the address, Twisted's agent connects."""
    reactor = FakeReactor()
    reactor.nameResolver = GAIResolver(
        reactor, lambda: reactor, lambda host, port, *_: addrinfo(host, port, answers)
    )
    reactor.nameResolver = PublicNameResolver(reactor, 0)
    with suppress(ValueError):  # no address: nothing is asked
        Agent(reactor).request(b"GET", Request(url).url.encode()).addErrback(lambda _: None)
    reactor.advance(1)
    return [str(address).partition("%")[0] for address, *_ in reactor.tcpClients]


@settings(max_examples=100, deadline=None)
@given(url=urls, answers=answers_of_dns)
def test_what_scrapy_connects_to_is_public(url: str, answers: list[Address]) -> None:
    connected = connected_by_scrapy(url, answers)
    assert all(is_public(ip_address(address)) for address in connected), (url, answers, connected)


def test_the_fake_networks_see_public_connections() -> None:
    """Otherwise the two properties would hold of nothing."""
    far = ip_address("8.8.8.8")
    for url in ("http://8.8.8.8/x", "http://photos.example/x"):
        assert set(connected_by_client(url, [far])) == {"8.8.8.8"}
        assert connected_by_scrapy(url, [far]) == ["8.8.8.8"]
        assert connected_by_scrapy("http://photos.example/x", [far, ip_address("::1")]) == []
