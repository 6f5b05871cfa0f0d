"""The report of a crawl: its numbers are the catalog's, and nothing hostile comes through."""

import re
import shutil
from base64 import b64decode
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from PIL import Image

from catalog import Workspace, open_catalog
from crawler.commands.crawl import crawl as command
from crawler.errors import CrawlNotFoundError
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import ListedPhoto
from crawler.listing.source_contract import (
    BaseSource,
    CrawlContext,
    Discovery,
    FetchBytes,
    ListingPage,
    http_byte_fetcher,
    list_pages,
)
from crawler.listing.vocabulary import photo_id
from crawler.report import drawing, findings, samples, write_report
from crawler.report.page import context, render, web_link
from crawler.report.scope import find_scope
from crawler.session.crawl import crawl as run_crawl
from crawler.settings import CrawlSettings
from crawler.sources import FolderSource
from tests.factories import jpeg, picture, plain_jpeg
from tests.fakes.fault_site import FaultSite

HOSTILE = '<img src=x onerror="alert(1)">'


class Parts(HTMLParser):
    """Collect the tags of a page, its addresses, and the cells of each table by caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")
        if tag in ("td", "th", "caption", "small"):
            self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "caption", "small"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "caption":
            self.tables[data] = self._rows
        elif self._inside in ("td", "th"):
            self._rows[-1][-1] += data.strip()


@dataclass(frozen=True)
class SiteSource(BaseSource):
    """Pictures of a site by their names, with a row about a photo whose bytes nobody wants."""

    url: str
    names: tuple[str, ...]
    name: ClassVar[str] = "site"

    async def discover(self, context: CrawlContext) -> Discovery:
        """List everything on one page."""
        alone = self._to_listed_photo("alone").photo | {"photo_id": photo_id("site", "alone")}
        rows = {"photos": [alone | {"crawl_id": context.crawl_id}]}
        return list_pages(
            context, [ListingPage([self._to_listed_photo(name) for name in self.names], rows)]
        )

    def byte_fetcher(self, settings: CrawlSettings) -> AbstractAsyncContextManager[FetchBytes]:
        """Fetch over HTTP."""
        return http_byte_fetcher(settings)

    def _to_listed_photo(self, name: str) -> ListedPhoto:
        photo: dict[str, object] = {
            "source": "site",
            "source_photo_id": name,
            "title": f"about {name}",
            "page_url": "javascript:alert(1)" if name == "p1" else f"https://photos.example/{name}",
            "photographer": "Ann Lens",
            "licence": "CC BY 4.0",
            "attribution": "Photo by Ann Lens",
            "redistribution_allowed": name != "p2",
        }
        path = name if "/" in name else f"images/{quote(name)}"
        return ListedPhoto(photo_id("site", name), photo, f"{self.url}/{path}", "127.0.0.1")


@pytest.fixture(scope="module")
def crawled(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a crawl of a site that fails in several ways, and one of a folder."""
    top = tmp_path_factory.mktemp("report")
    shutil.copytree(empty_home, top / "home")
    workspace = Workspace.at(top / "home")
    pictures = {f"p{n}": jpeg(seed=n, model=f"Model {n % 3}") for n in range(12)}
    pictures["none"] = plain_jpeg(picture(seed=50))
    pictures[HOSTILE] = jpeg(seed=60)
    pictures |= {"html": b"<html>", "gone": b"", "again": jpeg(seed=61), "secret": b""}
    pictures["copy"] = pictures["p0"]
    pictures["broken"] = jpeg(seed=62)[:700]
    settings = CrawlSettings(allow_private=True, backoff_s=0.05)
    with FaultSite(pictures, robots="User-agent: *\nDisallow: /images/secret") as site:
        site.faults = {"gone": [404], "again": [503, 500]}
        source = SiteSource(site.url, (*pictures, "tagged/X-Robots-Tag=noai"))
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("SAFELIGHT_CONTACT", "tests@example.org")
            assert run_crawl(workspace, source, settings).status == "finished"
    for name in ("cats/1", "cats/2", "dogs <b>/1"):
        path = top / "folder" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(seed=100 + len(name) + int(name[-1]), tags={"GPSLatitudeRef": "N"}))
    assert run_crawl(workspace, FolderSource(str(top / "folder"))).status == "finished"
    return workspace


@pytest.fixture(scope="module")
def page(crawled: Workspace) -> str:
    """The page about all crawls, written by the command."""
    words = ["report", "--home", str(crawled.home)]
    printed = CliRunner().invoke(command, words, catch_exceptions=False).stdout
    return Path(printed.strip()).read_text("utf-8")


def crawl_ids(workspace: Workspace) -> dict[str, str]:
    with Frontier(workspace.frontier) as frontier:
        return {record.source: record.crawl_id for record in frontier.crawls()}


def one(workspace: Workspace, sql: str) -> object:
    with open_catalog(workspace) as catalog:
        [row] = catalog.records(sql)
    [value] = row.values()
    return value


def test_the_numbers_are_those_of_the_catalog(crawled: Workspace, page: str) -> None:
    assert (crawled.reports / "crawl" / "all" / "index.html").read_text("utf-8") == page
    parts = Parts(page)
    funnel = {row[0]: row[1] for row in parts.tables["Each step with the count that reached it"]}
    sql = {
        "listed": "SELECT 21 + 3",
        "tried": "SELECT count(DISTINCT photo_id) FROM fetches",
        "brought in": "SELECT count(asset_sha256) FROM photos",
        "distinct files": "SELECT count(*) FROM assets",
        "readable header": "SELECT count(*) FROM assets WHERE header_status = 'ok'",
        "with EXIF settings": "SELECT count(*) FROM exif JOIN assets ON sha256 = asset_sha256"
        " WHERE f_number IS NOT NULL AND header_status = 'ok'",
    }
    assert {name: int(funnel[name]) for name in sql} == {
        name: one(crawled, text) for name, text in sql.items()
    }
    assert [int(funnel[name]) for name in sql] == [24, 24, 20, 19, 18, 17]
    errors = {
        row[2]: (row[3], row[5]) for row in parts.tables["Failed attempts by host and error"][1:]
    }
    assert errors == {
        "http_404": ("1", "1"),
        "http_500": ("1", "0"),
        "http_503": ("1", "0"),
        "not_an_image": ("1", "1"),
        "robots_disallowed": ("1", "1"),
        "opted_out": ("1", "1"),
    }
    kinds = {
        (row[0], row[1]): (row[2], row[3])
        for row in parts.tables["Failed attempts by class and error"][1:]
    }
    assert kinds["transient", "http_503"] == ("1", "1")
    assert sum(int(n) for _, n in kinds.values()) == one(
        crawled, "SELECT count(*) FROM fetches WHERE outcome = 'failed'"
    )
    labels = {row[0]: row[1] for row in parts.tables["Labels: folder, stated by folder_name"][1:]}
    assert labels == {"cats": "2", "dogs <b>": "1"}


def test_coverage_hosts_and_time_agree_with_the_rows(crawled: Workspace) -> None:
    with Frontier(crawled.frontier) as frontier, open_catalog(crawled) as catalog:
        scope = find_scope(catalog, frontier.crawls(), None)
        totals = findings.totals(scope)
        everything, *by_source = findings.exif_by_source(scope)
        hosts = {row["host"]: row for row in findings.hosts(scope)}
        line = findings.timeline(scope)
        cameras = findings.exif_by_camera(scope)
    assert (totals["done"], totals["failed"], totals["retries"], totals["waiting"]) == (20, 4, 2, 0)
    assert totals["bytes"] == one(crawled, "SELECT sum(bytes) FROM fetches WHERE outcome = 'done'")
    assert (everything["n"], everything["iso"]) == (19, pytest.approx(18 / 19))
    assert {row["source"]: row["n"] for row in by_source} == {
        "site": 16,
        "folder": 3,
        "site, listed only": 1,
    }
    assert (hosts["127.0.0.1"]["attempts"], hosts["127.0.0.1"]["retries"]) == (23, 2)
    assert 0 < float(str(hosts["127.0.0.1"]["p50_ms"])) <= float(str(hosts["127.0.0.1"]["p95_ms"]))
    assert sum(done for _, done, _ in line.bins) == 20
    assert sum(failed for *_, failed in line.bins) == 6
    assert len(line.bins) <= findings.MOST_BINS
    assert {row["name"]: row["n"] for row in cameras}["acme model 0"] == 4


@pytest.mark.slow
def test_pictures_that_were_asked_for_again_are_no_retries(
    workspace: Workspace, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(3):
        (photos / f"{n}.jpg").write_bytes(jpeg(seed=n))
    (photos / "bad.jpg").write_bytes(b"")
    run_crawl(workspace, FolderSource(str(photos)))
    (photos / "0.jpg").write_bytes(jpeg(seed=70, model="Later"))
    (photos / "bad.jpg").write_bytes(jpeg(seed=71))
    run_crawl(workspace, FolderSource(str(photos)))
    with Frontier(workspace.frontier) as frontier, open_catalog(workspace) as catalog:
        scope = find_scope(catalog, frontier.crawls(), None)
        totals = findings.totals(scope)
        funnel = [step.n for step in findings.funnel(scope, totals["tried"], totals["done"])]
        [host] = findings.hosts(scope)
        text = render(context(scope, workspace))
    assert (totals["attempts"], totals["retries"], totals["again"], host["retries"]) == (6, 1, 1, 1)
    assert funnel == [4] * 6  # five files came in; the one that was replaced is counted apart
    assert totals["older"] == 1
    assert "Older files of changed pictures</dt><dd>1<" in text


def test_one_crawl_shows_only_its_own(crawled: Workspace, tmp_path: Path) -> None:
    wanted = crawl_ids(crawled)["folder"]
    path = write_report(crawled, wanted[:6], tmp_path / "out")
    text = path.read_text("utf-8")
    assert path == tmp_path / "out" / "index.html"
    assert wanted in text
    assert "http_404" not in text
    assert "Nothing failed." in text
    assert crawl_ids(crawled)["site"] not in text


def test_hostile_text_stays_text_and_nothing_is_loaded(page: str) -> None:
    text, parts = page, Parts(page)
    assert HOSTILE not in text
    assert "&lt;img src=x onerror=" in text
    assert "dogs &lt;b&gt;" in text
    assert {"script", "link", "iframe", "b"} & set(parts.tags) <= {"b"}
    loaded = [address for address in parts.addresses if not address.startswith("data:")]
    assert all(address.startswith("https://photos.example/") for address in loaded)
    assert "javascript:" not in text
    assert "<b>1 of them may not be passed on</b>" in text
    assert "gps" not in text.lower()


def test_thumbnails_are_small_and_say_nothing_of_their_own(page: str) -> None:
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == 18  # every distinct file that can be decoded
    assert page.count("cannot be decoded") == 1
    small = Image.open(BytesIO(b64decode(pictures[0])))
    assert max(small.size) <= samples.SIDE_PX
    assert not small.getexif()


def test_the_same_crawl_gives_the_same_page(crawled: Workspace, page: str) -> None:
    again = write_report(crawled).read_text("utf-8")
    first, second = (re.sub(r"written [\d :-]+ UTC", "", text) for text in (page, again))
    assert first == second


def test_links_that_are_no_web_address_are_no_links() -> None:
    assert web_link("javascript:alert(1)") is None
    assert web_link("http://[broken") is None
    assert web_link(None) is None
    assert web_link("https://me:pw@a.org/?client_id=K&w=1") == "https://a.org/?w=1"


def test_an_unknown_crawl_is_named_and_a_new_one_has_a_page(workspace: Workspace) -> None:
    with pytest.raises(CrawlNotFoundError, match="has no crawl yet"):
        write_report(workspace)
    with Frontier(workspace.frontier) as frontier:
        frontier.open_crawl("c1", "folder", {"path": "p"})
    with pytest.raises(CrawlNotFoundError, match="zzz does not exist; newest: c1"):
        write_report(workspace, "zzz")
    text = write_report(workspace, "c").read_text("utf-8")
    assert "No attempt has ended yet." in text
    assert "No picture came in." in text
    parts = Parts(text)
    assert list(parts.tables) == ["Each step with the count that reached it"]
    assert "<i " not in text  # nothing is no bar


def test_opt_outs_name_their_header_or_file(page: str) -> None:
    assert Parts(page).tables["Opt-outs by host, with their header or file"][1:] == [
        ["127.0.0.1", "robots_disallowed", "robots.txt", "1"],
        ["127.0.0.1", "opted_out", "X-Robots-Tag: noai", "1"],
    ]


def test_bars_never_leave_the_drawing() -> None:
    text = drawing.stacked_bars([("a", 1000, 1), ("b", 0, 0), ("<c>", 0, 1000)])
    heights = [float(found) for found in re.findall(r'height="([\d.]+)"', text)]
    assert max(heights) <= 120
    assert min(height for height in heights if height) >= 1.5
    assert "<c>" not in text


def test_a_table_that_was_cut_says_so(crawled: Workspace) -> None:
    with Frontier(crawled.frontier) as frontier, open_catalog(crawled) as catalog:
        values = context(find_scope(catalog, frontier.crawls(), None), crawled)
    assert "largest" not in render(values)
    assert "Failed attempts by host and error, the 6 largest" in render({**values, "most": 6})
