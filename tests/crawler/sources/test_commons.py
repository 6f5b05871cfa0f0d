import asyncio
import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from scrapy import Request
from scrapy.exceptions import CannotResolveHostError, CloseSpider
from scrapy.http import TextResponse
from twisted.python.failure import Failure

from catalog import SafelightError, Workspace, open_catalog
from crawler.commands.crawl import crawl as command
from crawler.errors import CrawlError
from crawler.frontier.frontier import Frontier
from crawler.listing.call_failure import CallFailure
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.summary import CrawlSummary
from crawler.settings import CrawlSettings
from crawler.sources import CommonsSource
from crawler.sources.commons import plain, training
from crawler.spiders.commons import CommonsSpider
from tests.factories import jpeg, picture, plain_jpeg
from tests.fakes.commons_site import CommonsSite

FILES = {f"p{n}.jpg": jpeg(seed=n) for n in range(7)}
CATEGORIES = {
    "Piers": ["p0.jpg", "p1.jpg", "p2.jpg", "p3.jpg", "Category:Old piers", "Category:New piers"],
    "Old piers": ["p4.jpg", "p0.jpg", "Category:Piers"],
    "New piers": ["p5.jpg", "Category:Deep"],
    "Deep": ["p6.jpg"],
}
LAG = {
    "error": {"code": "maxlag", "info": "Waiting for 10.64.48.35: 5.5 seconds lagged", "lag": 5.5}
}


@pytest.fixture(autouse=True)
def contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


def run(workspace: Workspace, source: CommonsSource) -> CrawlSummary:
    return crawl(workspace, source, CrawlSettings(backoff_s=0.01))


@pytest.mark.long
def test_a_category_is_walked_paged_and_kept(workspace: Workspace) -> None:
    bare = {"p1.jpg": plain_jpeg(picture(seed=1))}
    about = {
        "p2.jpg": {"missing": True},
        "p3.jpg": {"mime": "image/svg+xml"},
        "p5.jpg": {
            "extmetadata": {"LicenseShortName": {"value": "CC BY-NC 2.0"}},
            "metadata": None,
        },
    }
    with CommonsSite(FILES | bare, CATEGORIES, about) as site:
        site.split = True
        site.refusals = [(200, {"Retry-After": "0"}, LAG), (503, {}, "busy")]
        source = CommonsSource("category", "Piers", recurse=1, api_base=f"{site.url}/w/api.php")
        summary = run(workspace, source)
        assert all(query["maxlag"] == "5" for query in site.queries)
        assert all("tests@example.org" in agent for agent in site.agents)
        again = run(workspace, source)
    # p0 lies in two categories; Deep lies too deep; one file has no information, one is no picture.
    assert (summary.status, summary.done, summary.skipped) == ("finished", 4, 1)
    assert summary.calls["page"] >= 2
    assert {name for name, n in again.rows.items() if n} == {"crawls"}
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT * FROM v_photos ORDER BY source_photo_id")
        exif = catalog.records("SELECT * FROM exif WHERE exif_source = 'api'")
    first, second, *_, last = rows
    assert [row["source_photo_id"] for row in rows] == ["1000", "1001", "1004", "1005"]
    assert (first["photographer"], first["title"]) == ("Ann&Co", "A pier at dawn")
    assert first["photographer_url"] == "https://commons.example/wiki/User:Ann"
    assert first["licence"] == "CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0)"
    assert first["attribution"] == "Ann&Co, CC BY-SA 4.0, via Wikimedia Commons"
    assert first["tags"] == ["Piers", "Dawn"]
    assert (first["listed_width"], first["listed_height"]) == (4000, 3000)
    assert (first["training_allowed"], first["training_basis"]) == (True, "CC BY-SA 4.0")
    assert (last["training_allowed"], last["training_basis"]) == (
        False,
        "licence_limits_use: CC BY-NC 2.0",
    )
    assert (last["photographer"], last["title"]) == ("Uploader", "p5.jpg")
    # Only the file that says nothing itself is spoken for by what the API read in it.
    assert [(row["f_number"], row["iso"], row["exposure_time"]) for row in exif] == [
        (2.8, 200, 0.004)
    ]
    assert second["camera"] == "nikon d90"
    assert "52.12" not in str(rows + exif)


@pytest.mark.slow
def test_a_search_and_a_window_of_dates_ask_as_the_api_wants(workspace: Workspace) -> None:
    with CommonsSite(FILES, {}) as site:
        base = f"{site.url}/w/api.php"
        found = run(workspace, CommonsSource("search", "red pier", limit=5, api_base=base))
        assert (found.done, found.calls["page"]) == (5, 2)
        assert site.queries[0]["gsrsearch"] == "filetype:bitmap red pier"
        site.queries.clear()
        window = CommonsSource(
            "dates", start="2020-06-01", end="2020-06-02", width=640, api_base=base
        )
        assert run(workspace, window).listed == 7
        assert site.queries[0]["gaistart"] == "2020-06-01T00:00:00Z"
        assert site.queries[1]["gaicontinue"] == "file|3"
    with open_catalog(workspace) as catalog:
        urls = catalog.records("SELECT image_url FROM photos WHERE image_url LIKE '%?width=640'")
    assert urls


@pytest.mark.parametrize(
    ("status", "headers", "said", "ended"),
    [
        (200, {}, {"error": {"code": "badvalue", "info": "no such thing"}}, "badvalue"),
        (403, {}, "Set a user agent", "http_403"),
        (429, {"Retry-After": "3600"}, "", "quota"),
    ],
)
def test_a_refusal_ends_the_listing_with_its_reason(
    tmp_path: Path, status: int, headers: dict[str, str], said: object, ended: str
) -> None:
    with Frontier(tmp_path / "f.sqlite") as frontier:
        frontier.open_crawl("c", "commons", {})
        spider = CommonsSpider(CommonsSource("search", "x"), frontier, "c", CrawlSettings())
        with pytest.raises(CloseSpider):
            feed(spider, status, headers, said)
        found = spider.discovery
        assert ended in (found.status, found.problem) or ended in found.problem
        assert (found.wait_until > time.time() + 3000) == (status == 429)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, ["no object"]),
        (200, "<html>"),
        (200, ""),
        (200, '{"query": {"pages": [{"pa'),
        (200, {}),
        (200, {"warnings": {}}),
        (200, {"query": ["x"], "batchcomplete": True}),
        (200, {"query": {"pages": ["x"]}, "batchcomplete": True}),
        (200, {"query": {"pages": [{"imageinfo": ["x"]}]}, "batchcomplete": True}),
        (200, {"error": {"code": "internal_api_error_DBQueryError", "info": "x"}}),
        (200, {"error": "x"}),
        (204, ""),
        (302, ""),
        (502, "<html>"),
    ],
)
def test_a_call_without_an_answer_is_made_again(tmp_path: Path, status: int, said: object) -> None:
    with Frontier(tmp_path / "f.sqlite") as frontier:
        frontier.open_crawl("c", "commons", {})
        quick = CrawlSettings(backoff_s=0.0001)
        spider = CommonsSpider(CommonsSource("search", "x"), frontier, "c", quick)
        for _ in range(8):
            assert len(feed(spider, status, {}, said)) == 1
        assert feed(spider, 200, {}, {"batchcomplete": True}) == []
        assert spider.discovery.status == "finished"


def test_patience_with_a_lagging_server_ends(tmp_path: Path) -> None:
    with Frontier(tmp_path / "f.sqlite") as frontier:
        frontier.open_crawl("c", "commons", {})
        quick = CrawlSettings(backoff_s=0.0001)
        spider = CommonsSpider(CommonsSource("search", "x"), frontier, "c", quick)
        for _ in range(8):
            assert len(feed(spider, 200, {}, LAG)) == 1
        with pytest.raises(CloseSpider):
            feed(spider, 200, {}, LAG)
        assert "maxlag" in spider.discovery.problem


def test_a_host_without_address_is_tried_less_often_and_each_failure_is_reported(
    tmp_path: Path,
) -> None:
    reports: list[CallFailure | None] = []
    with Frontier(tmp_path / "f.sqlite") as frontier:
        frontier.open_crawl("c", "commons", {})
        quick = CrawlSettings(backoff_s=0.0001)
        source = CommonsSource("search", "x" * 500)
        spider = CommonsSpider(source, frontier, "c", quick, report_call=reports.append)
        address = source.url(source.position(""))
        error = CannotResolveHostError("DNS lookup failed: no results for hostname lookup: x.y.")
        for _ in range(quick.max_attempts - 1):
            assert fail(spider, error).url == address
        with pytest.raises(CloseSpider):
            fail(spider, error)
    assert spider.discovery.problem == (
        "the API keeps failing: DNS lookup failed: no results for hostname lookup: x.y; "
        f"API call: {address}"
    )
    lines = [report.line() for report in reports if report]
    assert len(lines) == quick.max_attempts - 1
    assert lines[0] == (
        "the API does not answer; next try in 0 s: "
        "DNS lookup failed: no results for hostname lookup: x.y"
    )


def test_a_refused_connection_is_tried_as_often_as_a_busy_server(tmp_path: Path) -> None:
    reports: list[CallFailure | None] = []
    with Frontier(tmp_path / "f.sqlite") as frontier:
        frontier.open_crawl("c", "commons", {})
        quick = CrawlSettings(backoff_s=0.0001)
        source = CommonsSource("search", "x")
        spider = CommonsSpider(source, frontier, "c", quick, report_call=reports.append)
        for _ in range(8):
            fail(spider, ConnectionRefusedError("connection refused"))
        assert feed(spider, 200, {}, {"batchcomplete": True}) == []
    assert reports[-1] is None, "the API has answered again"
    assert None not in reports[:-1]


def fail(spider: CommonsSpider, error: Exception) -> Request:
    """Tell the spider that its call had no response; return the call that it makes again."""

    async def collect() -> list[Request]:
        [request] = [request async for request in spider.start()]
        failure = Failure(error)
        failure.request = request
        return [made async for made in spider.failed(failure)]

    [again] = asyncio.run(collect())
    return again


@pytest.mark.slow
def test_a_crawl_without_network_shows_the_failure_and_its_cause(tmp_path: Path) -> None:
    source = CommonsSource("search", "x", api_base="https://no-such-host.invalid/w/api.php")
    lines: list[str] = []
    options = CrawlOptions(report=lambda progress: lines.append(progress.line(time.monotonic())))
    home = Workspace.at(tmp_path / "home")
    summary = crawl(home, source, CrawlSettings(backoff_s=0.3), options)
    assert summary.status == "failed"
    assert "no-such-host.invalid/w/api.php?action=query" in summary.problem
    shown = {re.sub(r" \d+ s", " N s", line) for line in lines}
    assert any(
        line.startswith("the API does not answer; next try in N s: ") and "no-such-host" in line
        for line in shown
    )


def feed(
    spider: CommonsSpider, status: int, headers: dict[str, str], said: object
) -> list[Request]:
    """Hand an answer to the spider; return the requests that it makes."""

    async def collect() -> list[Request]:
        [request] = [request async for request in spider.start()]
        body = (said if isinstance(said, str) else json.dumps(said)).encode()
        response = TextResponse(request.url, status, headers, body, request=request)
        return [made async for made in spider.parse(response, **request.cb_kwargs)]

    return asyncio.run(collect())


@pytest.mark.slow
def test_a_walk_goes_on_where_it_was_interrupted(workspace: Workspace) -> None:
    with CommonsSite(FILES, CATEGORIES) as site:
        source = CommonsSource("category", "Piers", recurse=2, api_base=f"{site.url}/w/api.php")
        bad = (200, {}, {"error": {"code": "badvalue", "info": "x"}})
        site.refusals = [None, None, None, bad]
        first = run(workspace, source)
        asked = len(site.queries)
        second = crawl(workspace, source, CrawlSettings(), CrawlOptions(relist=False))
    assert (first.status, second.status) == ("failed", "finished")
    assert first.done + second.done == 7
    assert site.queries[asked] == site.queries[asked - 1]  # the call that was refused


@pytest.mark.slow
def test_the_token_of_the_api_is_kept_with_the_page(workspace: Workspace) -> None:
    with CommonsSite(FILES, CATEGORIES) as site:
        source = CommonsSource("category", "Piers", api_base=f"{site.url}/w/api.php", limit=4)
        first = source.position("")
        token = first.text()
        assert source.position(token).text() == token
        run(workspace, source)
        assert [query.get("gcmcontinue") for query in site.queries] == [None, "file|3"]


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("CC0", True),
        ("CC BY 2.0", True),
        ("CC BY-SA 3.0 de", True),
        ("cc-by-sa-4.0", True),
        ("Public domain", True),
        ("PD-USGov", True),
        ("CC BY-NC-SA 4.0", False),
        ("CC BY-ND 4.0", False),
        ("GFDL", False),
        ("FAL", False),
        ("CC BY-SA-like terms of mine", False),
        ("", False),
        (None, False),
    ],
)
def test_only_known_free_licences_allow_training(licence: str | None, allowed: bool) -> None:
    assert training(licence)[0] is allowed
    assert training(licence)[1]


def test_html_is_taken_out_of_what_people_wrote() -> None:
    assert plain("<script>alert(1)</script>Ann <i>Lens</i> &lt;3") == "Ann Lens <3"
    assert plain("") == ""


def test_dates_need_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CrawlError, match="--from and --to"):
        CommonsSource("dates", start="2020-01-01").check()


@pytest.mark.slow
def test_the_command_plans_and_runs(workspace: Workspace) -> None:
    with CommonsSite(FILES, CATEGORIES) as site:
        base = ["--api-base", f"{site.url}/w/api.php"]
        words = ["commons", "--category", "Piers", "--recurse", "1", *base]
        plan = CliRunner().invoke(command, ["plan", *words])
        assert plan.output == (
            "4 files, 1 API call, no key\n2 subcategories are not counted in this\n"
        )
        search = ["plan", "commons", "--search", "x", "--limit", "3", *base]
        assert "3 files, 1 API call" in CliRunner().invoke(command, search).output
        nobody = CliRunner().invoke(command, ["plan", "commons", "--category", "None", *base])
        assert isinstance(nobody.exception, SafelightError)
        done = CliRunner().invoke(command, ["run", *words, "--home", str(workspace.home)])
        assert done.exit_code == 0, done.output
    assert CliRunner().invoke(command, ["run", "commons"]).exit_code == 2
