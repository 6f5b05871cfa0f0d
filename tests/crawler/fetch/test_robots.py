import asyncio

import pytest
from multidict import CIMultiDict

from crawler.fetch.robots import RobotsCache, RobotsUnavailableError, opt_out


def cache(status: int, text: str = "") -> tuple[RobotsCache, list[str]]:
    asked: list[str] = []

    async def read(url: str) -> tuple[int, str]:
        asked.append(url)
        return status, text

    return RobotsCache(read), asked


def test_rules_of_our_own_name_come_before_those_for_all() -> None:
    text = "User-agent: *\nDisallow: /\n\nUser-agent: safelight\nDisallow: /private\nCrawl-delay: 3"
    robots, asked = cache(200, text)

    async def check() -> None:
        rules = await robots.rules("https://a.example/x")
        assert rules.allow("https://a.example/x.jpg")
        assert not rules.allow("https://a.example/private/x.jpg")
        assert rules.delay_s == 3
        await asyncio.gather(*(robots.rules("https://a.example/y") for _ in range(9)))
        await robots.rules("https://a.example:8443/y")

    asyncio.run(check())
    assert asked == ["https://a.example/robots.txt", "https://a.example:8443/robots.txt"]


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_missing_robots_txt_allows_everything(status: int) -> None:
    robots, _ = cache(status, "User-agent: *\nDisallow: /")
    assert asyncio.run(robots.rules("https://a.example/x")).allow("https://a.example/x")


def test_a_failing_robots_txt_forbids_and_is_asked_for_again() -> None:
    robots, asked = cache(503)

    async def twice() -> None:
        for _ in range(2):
            with pytest.raises(RobotsUnavailableError):
                await robots.rules("https://a.example/x")

    asyncio.run(twice())
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("lines", "binds"),
    [
        (["noai"], True),
        (["noindex", "NoImageAI"], True),
        (["noindex, nofollow"], False),
        (["safelight: noai"], True),
        (["googlebot: noai"], False),
        (["googlebot: noindex, noai", "noimageai"], True),
        (["max-image-preview: large, noai"], True),
        ([], False),
    ],
)
def test_opt_outs_in_headers_bind_us(lines: list[str], binds: bool) -> None:
    headers = CIMultiDict([("X-Robots-Tag", line) for line in lines])
    assert bool(opt_out(headers)) == binds


def test_a_reservation_of_text_and_data_mining_binds_us() -> None:
    assert opt_out(CIMultiDict([("tdm-reservation", "1")])) == "TDM-Reservation: 1"
    assert opt_out(CIMultiDict([("tdm-reservation", "0")])) is None
