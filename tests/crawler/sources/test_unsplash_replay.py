"""The source against a site that plays the API's own objects back: each photo once, changes and deletions seen."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from scrapy import Request
from scrapy.exceptions import CloseSpider
from scrapy.http import TextResponse

from catalog import Workspace, open_catalog
from crawler.commands.crawl import crawl as command
from crawler.errors import CrawlError
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import LISTED, ListedPhoto
from crawler.listing.vocabulary import photo_id
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.summary import CrawlSummary
from crawler.settings import CrawlSettings
from crawler.sources import UnsplashSource
from crawler.sources.unsplash import LICENCE
from crawler.spiders.unsplash import UnsplashSpider
from tests.factories import picture, plain_jpeg
from tests.fakes.fault_site import KEY
from tests.fakes.replay_site import ReplaySite
from tests.real_data import REAL, members, needs


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")
    monkeypatch.setenv("SAFELIGHT_UNSPLASH_KEY", KEY)


def made(n: int, **more: object) -> dict[str, Any]:
    """Make an object with the parts of a recorded one that we read."""
    return {
        "id": f"id-{n:08d}",
        "created_at": "2015-04-10T12:03:03-04:00",
        "updated_at": "2020-01-01T00:00:00Z",
        "width": 3000,
        "height": 2000,
        "user": {"name": f"Ann {n}", "links": {"html": f"https://unsplash.com/@ann{n}"}},
        "links": {"html": f"https://unsplash.com/photos/{n}", "download_location": "https://x/y"},
        **more,
    }


def pictures(objects: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    return {
        str(said["id"]): plain_jpeg(picture((24, 16), seed=n)) for n, said in enumerate(objects)
    }


def run(workspace: Workspace, source: UnsplashSource, *, relist: bool = True) -> CrawlSummary:
    return crawl(workspace, source, CrawlSettings(), CrawlOptions(relist=relist))


@pytest.mark.long
@needs("unsplash/photos.jsonl")
def test_recorded_photos_land_once_with_their_settings(workspace: Workspace) -> None:
    lines = (REAL / "unsplash/photos.jsonl").read_text("utf-8").splitlines()
    objects = [json.loads(line) for line in lines]
    with ReplaySite(objects, pictures(objects)) as site:
        first = run(workspace, UnsplashSource(api_base=site.url))
        again = run(workspace, UnsplashSource(api_base=site.url))
        assert set(site.downloads.values()) == {1}
        assert set(site.images.values()) == {1}
    assert (first.status, first.listed, first.done, first.failed) == (
        "finished",
        170,
        170,
        0,
    )
    assert {name for name, n in again.rows.items() if n} == {"crawls"}
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT * FROM v_photos")
    assert {row["source_photo_id"] for row in rows} == {said["id"] for said in objects}
    assert len(rows) == 170
    assert {row["licence"] for row in rows} == {LICENCE}
    for name in ("photographer", "photographer_url", "attribution", "page_url", "image_url"):
        assert all(row[name] for row in rows), name
    assert all(len(str(row["asset_sha256"])) == 64 for row in rows)
    said = {one["id"]: one["exif"] for one in objects if any((one.get("exif") or {}).values())}
    told = {row["source_photo_id"]: row for row in rows if row["source_exif_json"]}
    assert len(told) == 5
    for name, exif in said.items():
        assert told[name]["iso"] == (float(exif["iso"]) if exif["iso"] else None)
        assert (told[name]["f_number"] is None) == (not exif["aperture"])
        assert (told[name]["exposure_time"] is None) == (not exif["exposure_time"])


def id_in(body: bytes) -> str:
    """Return the id of the photo that a response is about, or one that stands for none."""
    with suppress(ValueError):
        said = json.loads(body)
        return str(said.get("id", "x")) if isinstance(said, dict) else "x"
    return "x"


def feed(callback: Any, body: bytes, **about: Any) -> None:
    """Hand a response to a callback of the spider."""
    request = Request("https://api.example/photos/x", callback, cb_kwargs=about)
    answer = TextResponse(request.url, body=body, request=request)

    async def collect() -> None:
        async for _ in callback(answer, **about):
            pass

    asyncio.run(collect())


@needs("unsplash/responses.tar")
def test_recorded_responses_are_read_whatever_they_are(tmp_path: Path) -> None:
    photos = refused = n = 0
    source = UnsplashSource(api_base="https://api.example")
    once = CrawlSettings(max_attempts=1)
    with Frontier(tmp_path / "f.sqlite") as frontier:
        for name, body in members("unsplash/responses.tar"):
            n += 1
            frontier.open_crawl(name, "unsplash", {})
            spider = UnsplashSpider(source, frontier, name, once, key="k")
            wanted = id_in(body)
            listed = ListedPhoto(
                photo_id("unsplash", wanted), {"source_photo_id": wanted}, stage=LISTED
            )
            frontier.add(name, [listed], frontier.cursor(name))
            [item] = frontier.unprepared(name)
            feed(spider.parse_detail, body, item=item)
            spider.closed("finished")
            refused += not frontier.unprepared(name)
            try:
                feed(spider.parse_page, body, page=1)
                photos += frontier.cursor(name).seen
            except CloseSpider:
                assert "api_bad_answer" in spider.discovery.problem
    assert n == 42
    assert photos > 60
    assert refused > 10  # lists, links and errors are no photo


@pytest.mark.slow
def test_a_changed_photo_is_fetched_again_and_a_deleted_one_gets_a_tombstone(
    workspace: Workspace,
) -> None:
    objects = [made(n) for n in range(4)]
    ids = [str(said["id"]) for said in objects]
    with ReplaySite(objects, pictures(objects)) as site:
        source = UnsplashSource("user-likes", "ann", api_base=site.url)
        assert run(workspace, source).done == 4
        site.objects[ids[0]]["updated_at"] = "2021-02-03T00:00:00Z"
        site.pictures[ids[0]] = plain_jpeg(picture((24, 16), seed=99))
        site.delete(ids[1])
        site.order.remove(ids[2])  # liked no more, but still there
        second = run(workspace, source)
        assert (second.done, second.calls.get("check")) == (1, 2)
        third = run(workspace, source)
        # What is known to be deleted is not asked for again; what is only not listed is.
        assert third.calls.get("check") == 1
        assert third.done == 0
    with open_catalog(workspace) as catalog:
        stones = catalog.records("SELECT kind, value, reason, blocks FROM tombstones")
        [count] = catalog.records("SELECT count(*) AS n FROM photos")
    assert stones == [
        {
            "kind": "photo",
            "value": photo_id("unsplash", ids[1]),
            "reason": "deleted_at_source",
            "blocks": False,
        }
    ]
    assert count["n"] == 5


@pytest.mark.slow
def test_ids_and_random_photos_are_listings_too(workspace: Workspace, tmp_path: Path) -> None:
    exif = {"aperture": "2.8", "iso": 100, "exposure_time": "1/100"}
    objects = [made(n, exif=exif) for n in range(5)]
    ids = [str(said["id"]) for said in objects]
    (tmp_path / "ids.txt").write_text(
        f"{ids[0]}\nhttps://unsplash.com/photos/red-sea-{ids[1]}\n\n{ids[0]}\n"
    )
    with ReplaySite(objects, pictures(objects)) as site:
        listed = run(workspace, UnsplashSource("ids", str(tmp_path / "ids.txt"), api_base=site.url))
        assert (listed.listed, listed.done, listed.calls["page"]) == (2, 2, 0)
        source = UnsplashSource("random", limit=4, api_base=site.url, orientation="portrait")
        drawn = run(workspace, source)
        assert site.queries == [{"count": "4", "orientation": "portrait"}]
    # Two were held already; an object with EXIF in it needs no call for the detail.
    assert (drawn.listed, drawn.done) == (4, 2)
    assert drawn.calls == {"page": 1, "detail": 0, "download": 2}
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT DISTINCT f_number FROM v_photos")
    assert rows == [{"f_number": 2.8}]


@pytest.mark.parametrize(
    ("source", "query"),
    [
        (UnsplashSource(order_by="oldest"), "page=3&per_page=30&order_by=oldest"),
        (
            UnsplashSource("search", "sea", color="blue", content_filter="high"),
            "query=sea&page=3&per_page=30&color=blue&content_filter=high",
        ),
        (UnsplashSource("random", limit=9), "count=30"),
    ],
)
def test_filters_are_asked_for(source: UnsplashSource, query: str) -> None:
    assert source.page_url(3).partition("?")[2] == query


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            UnsplashSource("topic", "sea", color="blue"),
            "color works with these listings only: search",
        ),
        (UnsplashSource("random"), "needs the number"),
        (UnsplashSource("ids", "/no/such/file"), "cannot be read"),
    ],
)
def test_a_listing_that_cannot_be_asked_for_says_so(source: UnsplashSource, said: str) -> None:
    with pytest.raises(CrawlError, match=said):
        source.check()


def test_filters_that_are_not_used_do_not_rename_a_crawl() -> None:
    assert set(UnsplashSource().config) == {
        "listing",
        "value",
        "limit",
        "api_base",
        "training_basis",
    }
    source = UnsplashSource("search", "x", color="blue")
    assert UnsplashSource(**source.config) == source


def test_the_plan_names_cheaper_roads(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    words = ["plan", "unsplash", "--home", str(workspace.home)]
    ids = CliRunner().invoke(command, [*words, "--ids", str(tmp_path / "ids.txt")])
    assert "3 photos, 6 API calls" in ids.output
    assert "do not count against" in ids.output
    assert "crawl run unsplash-dataset" in ids.output
    random = CliRunner().invoke(command, [*words, "--random", "60"])
    assert "60 photos, 122 API calls" in random.output
    both = CliRunner().invoke(command, [*words, "--random", "60", "--user", "ann"])
    assert both.exit_code == 2
