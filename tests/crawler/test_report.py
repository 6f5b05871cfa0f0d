"""The report of a crawl: its numbers are the catalog's, and nothing hostile comes through."""

import re
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from catalog import Workspace, open_catalog
from crawler.cli import crawl
from crawler.errors import CrawlNotFoundError
from crawler.frontier import Frontier
from crawler.report import drawing, findings, samples, write_report
from crawler.report.page import context, render, web_link
from crawler.report.scope import find_scope
from tests.factories import jpeg, picture, plain_jpeg
from tests.fakes.fault_site import KEY, FaultSite

HOSTILE = '<img src=x onerror="alert(1)">'


def call(workspace: Workspace, *arguments: str) -> Result:
    environment = {"SAFELIGHT_HOME": str(workspace.home), "SAFELIGHT_UNSPLASH_KEY": KEY}
    environment |= {"SAFELIGHT_CONTACT": "tests@example.org", "SAFELIGHT_CRAWL_BACKOFF_S": "0.05"}
    return CliRunner().invoke(crawl, arguments, env=environment, catch_exceptions=False)


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


@pytest.fixture(scope="module")
def crawled(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a crawl of a site that fails in several ways, and one of a folder."""
    import shutil

    top = tmp_path_factory.mktemp("report")
    shutil.copytree(empty_home, top / "home")
    workspace = Workspace.at(top / "home")
    pictures = {f"p{n}": jpeg(seed=n, model=f"Model {n % 3}") for n in range(12)}
    pictures["none"] = plain_jpeg(picture(seed=50))
    pictures[HOSTILE] = jpeg(seed=60)
    pictures |= {
        "html": b"<html>",
        "gone": b"",
        "again": jpeg(seed=61),
        "secret": b"",
        "copy": jpeg(seed=0, model="Model 0"),
    }
    with FaultSite(pictures, robots="User-agent: *\nDisallow: /images/secret") as site:
        site.faults = {"gone": [404], "again": [503, 500]}
        assert call(workspace, "run", "unsplash", "--api-base", site.url).exit_code == 0
    for name in ("cats/1", "cats/2", "dogs <b>/1"):
        path = top / "folder" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(seed=100 + len(name) + int(name[-1]), tags={"GPSLatitudeRef": "N"}))
    assert call(workspace, "run", "folder", str(top / "folder")).exit_code == 0
    return workspace


@pytest.fixture(scope="module")
def page(crawled: Workspace) -> str:
    """The page about all crawls, written by the command."""
    return Path(call(crawled, "report").output.strip()).read_text("utf-8")


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
        "listed": "SELECT 19 + 3",
        "tried": "SELECT count(DISTINCT photo_id) FROM fetches",
        "brought in": "SELECT count(*) FROM photos",
        "distinct files": "SELECT count(*) FROM assets",
        "readable header": "SELECT count(*) FROM assets WHERE header_status = 'ok'",
        "with EXIF settings": "SELECT count(*) FROM exif WHERE f_number IS NOT NULL",
    }
    assert {name: int(funnel[name]) for name in sql} == {
        name: one(crawled, text) for name, text in sql.items()
    }
    assert [int(funnel[name]) for name in sql] == [22, 22, 19, 18, 18, 17]
    errors = {
        row[2]: (row[3], row[5]) for row in parts.tables["Failed attempts by host and error"][1:]
    }
    assert errors == {
        "http_404": ("1", "1"),
        "http_500": ("1", "0"),
        "http_503": ("1", "0"),
        "not_an_image": ("1", "1"),
        "robots_disallowed": ("1", "1"),
    }
    labels = {row[0]: row[1] for row in parts.tables["Labels: folder, said by folder_name"][1:]}
    assert labels == {"cats": "2", "dogs <b>": "1"}


def test_coverage_hosts_and_time_agree_with_the_rows(crawled: Workspace) -> None:
    with Frontier(crawled.frontier) as frontier, open_catalog(crawled) as catalog:
        scope = find_scope(catalog, frontier.crawls(), None)
        totals = findings.totals(scope)
        everything, *by_source = findings.exif_by_source(scope)
        hosts = {row["host"]: row for row in findings.hosts(scope)}
        line = findings.timeline(scope)
        cameras = findings.exif_by_camera(scope)
        values = context(scope, crawled)
    assert (totals["done"], totals["failed"], totals["retries"], totals["waiting"]) == (19, 3, 2, 0)
    assert totals["bytes"] == one(crawled, "SELECT sum(bytes) FROM fetches WHERE outcome = 'done'")
    assert (everything["n"], everything["iso"]) == (18, pytest.approx(17 / 18))
    assert {row["source"]: row["n"] for row in by_source} == {"unsplash": 15, "folder": 3}
    assert (hosts["127.0.0.1"]["attempts"], hosts["127.0.0.1"]["retries"]) == (21, 2)
    assert 0 < float(str(hosts["127.0.0.1"]["p50_ms"])) <= float(str(hosts["127.0.0.1"]["p95_ms"]))
    assert sum(done for _, done, _ in line.bins) == 19
    assert sum(failed for *_, failed in line.bins) == 5
    assert len(line.bins) <= findings.MOST_BINS
    assert {row["name"]: row["n"] for row in cameras}["acme model 0"] == 4
    assert values["kept_here"] == 0
    assert "may not be passed on" not in render(values)
    assert "<b>3 of them may not be passed on</b>" in render({**values, "kept_here": 3})


def test_one_crawl_shows_only_its_own(crawled: Workspace, tmp_path: Path) -> None:
    wanted = crawl_ids(crawled)["folder"]
    path = write_report(crawled, wanted[:6], tmp_path / "out")
    text = path.read_text("utf-8")
    assert path == tmp_path / "out" / "index.html"
    assert wanted in text
    assert "http_404" not in text
    assert "Nothing failed." in text
    assert crawl_ids(crawled)["unsplash"] not in text


def test_hostile_text_stays_text_and_nothing_is_loaded(page: str) -> None:
    text, parts = page, Parts(page)
    assert HOSTILE not in text
    assert "&lt;img src=x onerror=" in text
    assert "dogs &lt;b&gt;" in text
    assert {"script", "link", "iframe", "b"} & set(parts.tags) <= {"b"}
    loaded = [address for address in parts.addresses if not address.startswith("data:")]
    assert all(address.startswith("https://photos.example/") for address in loaded)
    assert KEY not in text
    assert "gps" not in text.lower()


def test_thumbnails_are_small_and_say_nothing_of_their_own(page: str) -> None:
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == 18  # every distinct file
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
    with pytest.raises(CrawlNotFoundError, match="none yet"):
        write_report(workspace)
    with Frontier(workspace.frontier) as frontier:
        frontier.open_crawl("c1", "folder", {"path": "p"})
    with pytest.raises(CrawlNotFoundError, match="zzz does not exist; newest: c1"):
        write_report(workspace, "zzz")
    text = write_report(workspace, "c").read_text("utf-8")
    assert "No attempt has ended yet." in text
    assert "No picture came in." in text


def test_opt_outs_stand_with_what_said_so(page: str) -> None:
    [row] = Parts(page).tables["Opt-outs by host, and what said so"][1:]
    assert row == ["127.0.0.1", "robots_disallowed", "robots.txt", "1"]


def test_bars_never_leave_the_drawing() -> None:
    text = drawing.stacked_bars([("a", 1000, 1), ("b", 0, 0), ("<c>", 0, 1000)])
    heights = [float(found) for found in re.findall(r'height="([\d.]+)"', text)]
    assert max(heights) <= 120
    assert min(height for height in heights if height) >= 1.5
    assert "<c>" not in text
