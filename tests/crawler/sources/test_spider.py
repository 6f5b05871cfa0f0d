import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import Workspace, open_catalog
from crawler.commands.crawl import crawl as command
from crawler.errors import CrawlError
from crawler.frontier.frontier import Frontier
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.session import StopRequest
from crawler.session.summary import CrawlSummary
from crawler.settings import CrawlSettings
from crawler.sources import UserSpiderSource
from crawler.spiders.user import load_spider, polite_settings
from tests.factories import jpeg
from tests.fakes.gallery_site import GallerySite

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/sources/spider.md").read_text("utf-8")
EXAMPLE = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0]
PICTURES = {f"p{n}": jpeg(seed=n) for n in range(7)}


@pytest.fixture(autouse=True)
def contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    file = tmp_path / "gallery.py"
    file.write_text(EXAMPLE)
    return file


def run(workspace: Workspace, source: UserSpiderSource, **options: object) -> CrawlSummary:
    settings = CrawlSettings(rate=200, allow_networks="127.0.0.0/8")
    return crawl(workspace, source, settings, CrawlOptions(**options))  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_example_of_the_documentation_works(workspace: Workspace, example: Path) -> None:
    with GallerySite(PICTURES) as site:
        source = UserSpiderSource(str(example), arguments={"start": f"{site.url}/pages/0"})
        summary = run(workspace, source)
        again = run(workspace, source)
        assert site.asked["/secret"] == 0  # robots.txt says so
        assert all("tests@example.org" in agent for agent in site.agents)
        assert set(site.images.values()) == {1}
    assert (summary.status, summary.listed, summary.done, summary.problem) == (
        "finished",
        7,
        7,
        "",
    )
    assert (summary.skipped, summary.errors) == (3, {})  # each page has a figure without a picture
    assert {name for name, n in again.rows.items() if n} == {"crawls"}
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT * FROM photos ORDER BY title")
        labels = catalog.records(
            "SELECT value, count(*) AS n FROM labels GROUP BY ALL ORDER BY value"
        )
    assert [row["title"] for row in rows] == sorted(PICTURES)
    assert {row["source"] for row in rows} == {"spider:gallery"}
    assert {row["licence"] for row in rows} == {"CC BY 4.0"}
    assert {(row["training_allowed"], row["training_basis"]) for row in rows} == {
        (False, "no_basis_recorded")
    }
    assert [(row["value"], row["n"]) for row in labels] == [("k0", 3), ("k1", 3), ("k2", 1)]


@pytest.mark.slow
def test_a_limit_ends_a_spider_in_good_order(workspace: Workspace, example: Path) -> None:
    with GallerySite(PICTURES) as site:
        words = ["spider", f"{example}:GallerySpider", "-a", f"start={site.url}/pages/0"]
        plan = CliRunner().invoke(command, ["plan", *words, "--limit", "1"])
        assert "at most 1 picture; pages and pictures at 5 a second" in plan.output
        home = ["--home", str(workspace.home)]
        done = CliRunner().invoke(
            command, ["run", *words, "--limit", "1", "--allow-private", *home]
        )
        assert done.exit_code == 0, done.output
        assert site.asked["/pages/2"] == 0


@pytest.mark.slow
def test_a_stopped_spider_keeps_its_items_and_begins_again(
    workspace: Workspace, example: Path
) -> None:
    stop = StopRequest()
    with GallerySite(PICTURES) as site:
        source = UserSpiderSource(str(example), arguments={"start": f"{site.url}/pages/0"})
        stop.request()
        first = run(workspace, source, stop=stop)
        assert first.status == "stopped"
        second = run(workspace, source, relist=False)
    assert (second.status, first.done + second.done) == ("finished", 7)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("raise RuntimeError('no')", "cannot be loaded: RuntimeError: no"),
        ("x = 1", "there are: none"),
        (EXAMPLE + "\n\nclass Other(GallerySpider):\n    name = 'o'\n", "GallerySpider, Other"),
    ],
)
def test_a_file_without_one_spider_says_so(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "odd_spider.py").write_text(text)
    with pytest.raises(CrawlError, match=problem):
        load_spider(tmp_path / "odd_spider.py")


RAISES = "        raise KeyError('no such cell')\n        for figure"
BROKEN: list[tuple[str, str, str, str]] = [
    # what is wrong, what is replaced by what in the example, what the crawl says
    ("callback", "        for figure", RAISES, "/pages/0: KeyError: 'no such cell'"),
    (
        "second page",
        "        for figure",
        "        if '/pages/0' not in response.url:\n            raise ValueError('odd')\n        for figure",
        "/pages/1: ValueError: odd",
    ),
    (
        "argument",
        "self.start_urls",
        "self.start_urls = [self.nothing]; self.start_urls",
        "'nothing'",
    ),
    (
        "start",
        "    def parse",
        "    async def start(self):\n        yield self.nothing\n\n    def parse",
        "'nothing'",
    ),
    (
        "closed",
        "    def parse",
        "    def closed(self, reason):\n        1 / 0\n\n    def parse",
        "ZeroDivisionError",
    ),
    (
        "item",
        "        for figure",
        "        yield {'image_url': 'http://a.example/', 'tags': 5}\n        for figure",
        "an item that cannot be read: TypeError",
    ),
    (
        "init",
        "    def parse",
        "    def __init__(self, album, **more):\n        super().__init__(**more)\n\n    def parse",
        "it cannot be started: TypeError",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(*about, id=name, marks=[] if name == "second page" else pytest.mark.slow)
        for name, *about in BROKEN
    ],
)
def test_a_spider_that_raises_fails_the_crawl_and_says_where(
    workspace: Workspace, tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in EXAMPLE
    (tmp_path / "broken.py").write_text(EXAMPLE.replace(old, new, 1))
    with GallerySite(PICTURES) as site:
        start = ["-a", f"start={site.url}/pages/0", "--allow-private"]
        home = ["--home", str(workspace.home)]
        done = CliRunner().invoke(
            command, ["run", "spider", str(tmp_path / "broken.py"), *start, *home]
        )
    assert done.exit_code == 1, done.output
    assert said in done.output
    [log] = workspace.logs.glob("spider-*.log")
    assert f"see {log}" in done.output
    assert done.output.count(said) == 1
    is_repeated = "'tags': 5" in new  # one bad item a page; every other exception is raised once
    assert ("times in all" in done.output) == is_repeated
    with Frontier(workspace.frontier) as frontier:
        assert [record.open for record in frontier.crawls()] == [True]  # `resume` runs it again


@pytest.mark.slow
def test_a_spider_that_reaches_no_page_fails_the_crawl(workspace: Workspace, example: Path) -> None:
    source = UserSpiderSource(str(example), arguments={"start": "http://127.0.0.1:9/pages/0"})
    summary = run(workspace, source)
    assert summary.status == "failed"
    assert "pages that did not come: 1, first " in summary.problem
    assert summary.problem.count("http://127.0.0.1:9/pages/0") == 1
    assert summary.problem.count("111: Connection refused") == 1


def test_a_file_cannot_be_less_polite_than_we_are(tmp_path: Path) -> None:
    rude = EXAMPLE.replace(
        '    name = "gallery"',
        '    name = "gallery"\n    custom_settings = {"ROBOTSTXT_OBEY": False, "DOWNLOAD_DELAY": 3}',
    )
    (tmp_path / "rude.py").write_text(rude)
    spider = load_spider(tmp_path / "rude.py")
    settings = polite_settings(UserSpiderSource("rude.py"), CrawlSettings(), spider)
    spider.update_settings(settings)
    assert settings.getbool("ROBOTSTXT_OBEY")
    assert settings.getfloat("DOWNLOAD_DELAY") == 3  # slower is kept, faster is not
    assert "tests@example.org" in settings["USER_AGENT"]


@pytest.mark.parametrize(
    ("item", "is_listed"),
    [
        ({}, False),
        ({"image_url": "no address"}, False),
        ({"image_url": "http://a.example/1", "posted_at": "soon"}, False),
        ({"image_url": "http://a.example/1", "posted_at": "2020-01-01", "tags": [1]}, True),
    ],
)
def test_items_are_checked_before_they_are_kept(item: dict[str, object], is_listed: bool) -> None:
    assert (UserSpiderSource("x.py").to_listed_photo(item, "x") is not None) is is_listed


def test_ids_and_a_basis_of_the_item_are_kept() -> None:
    item = {"image_url": "http://a.example/1", "id": 7, "training_basis": "CC0"}
    listed = UserSpiderSource("x.py").to_listed_photo(item, "x")
    assert listed
    assert (listed.photo["source_photo_id"], listed.photo["training_allowed"]) == ("7", True)


def test_scrapy_lists_the_spiders_of_the_repository() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scrapy", "list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == ["commons", "unsplash"], done.stderr
