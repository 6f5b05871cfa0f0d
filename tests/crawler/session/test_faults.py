"""One crawl of a site that has every fault, and one test for what each fault must come to.

The crawl goes through the whole of it: listing, details, downloads, bytes, commits. What each kind must leave in the
catalog is written in `tests/fakes/faults.py`.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from catalog import Workspace, open_catalog
from crawler.listing.vocabulary import photo_id
from crawler.report.audit import audit
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.summary import CrawlSummary
from crawler.settings import MIB, CrawlSettings
from crawler.sources.unsplash import UnsplashSource
from tests.factories import jpeg
from tests.fakes.fault_site import KEY
from tests.fakes.faults import FAULTS, SHY, FaultPlan
from tests.fakes.rough_site import RoughSite
from tests.fakes.site_log import SLACK_S

NAMES = tuple(f"p/{number:03}" for number in range(110))
MOST = 3  # attempts
QUOTA_S = 0.5
SETTINGS = CrawlSettings(
    allow_networks="127.0.0.0/8",
    grace_s=1.5,
    deadline_s=8.0,
    min_bytes_per_s=1000.0,
    max_bytes=8 * MIB,
    max_attempts=MOST,
    backoff_s=0.05,
    quota_wait_s=QUOTA_S,
    unit_s=0.5,
    drain_s=1.0,
)
Row = dict[str, object]

BUSY_SLACK_S = 2 * SLACK_S  # seen: 0.63 s with three workers on two cores


@dataclass(frozen=True)
class Crawled:
    """What a crawl of the site left, on both sides; attempts of a picture are in order."""

    site: RoughSite
    workspace: Workspace
    summary: CrawlSummary
    attempts: Mapping[str, list[Row]]
    photos: Mapping[str, Row]


def _plan() -> FaultPlan:
    """Two pictures of each kind, but one where the API refuses: each time the listing starts anew."""
    plan = FaultPlan.spread(NAMES, 0.02)
    once = {kind: plan.ids[kind][:1] for kind in ("api_quota", "api_503")}
    return replace(plan, ids={**plan.ids, **once})


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crawled]:
    workspace = Workspace.at(tmp_path_factory.mktemp("faults") / "home")
    pictures = {name: jpeg(seed=number) for number, name in enumerate(NAMES)}
    with (
        RoughSite(pictures, _plan(), slowness_s=0.1) as site,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("SAFELIGHT_UNSPLASH_KEY", KEY)
        environment.setenv("SAFELIGHT_CONTACT", "tests@example.org")
        source = UnsplashSource(api_base=site.url)
        summary = crawl(workspace, source, SETTINGS, CrawlOptions(wait_for_quota=True))
        yield Crawled(site, workspace, summary, *_rows(workspace))


def _rows(workspace: Workspace) -> tuple[dict[str, list[Row]], dict[str, Row]]:
    attempts, photos = defaultdict(list), {}
    with open_catalog(workspace) as catalog:
        names = {photo_id(UnsplashSource.name, name): name for name in NAMES}
        for row in catalog.records("SELECT * FROM fetches ORDER BY attempt"):
            attempts[names[str(row["photo_id"])]].append(row)
        sql = "SELECT * FROM photos JOIN assets ON photos.asset_sha256 = assets.sha256"
        for row in catalog.records(sql):
            photos[str(row["source_photo_id"])] = row
    return attempts, photos


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


# UNSEEN: when a connection that was kept open breaks, aiohttp asks once more by itself. The host may just have
# closed it, as it may at any time; so of two broken requests one can be without a row.
every_kind = pytest.mark.parametrize("kind", FAULTS)


@every_kind
def test_each_fault_leaves_the_rows_that_it_must(crawled: Crawled, kind: str) -> None:
    fault = FAULTS[kind]
    for name in crawled.site.plan.ids[kind]:
        rows = crawled.attempts[name]
        bad = fault.attempts(MOST) - fault.kept
        if kind == "reset":  # see UNSEEN
            bad = len(rows) - 1
            assert bad in (1, 2)
        expected = [("failed", fault.error_class, fault.error)] * bad
        expected += [("done", None, None)] if fault.kept else []
        assert [(row["outcome"], row["error_class"], row["error"]) for row in rows] == expected
        assert [row["attempt"] for row in rows] == list(range(1, len(rows) + 1))
        assert (name in crawled.photos) == fault.kept


@every_kind
def test_each_request_for_a_picture_is_a_row(crawled: Crawled, kind: str) -> None:
    fault = FAULTS[kind]
    for name in crawled.site.plan.ids[kind]:
        asked = len(crawled.site.log.images(name))
        assert asked == fault.requests * fault.attempts(MOST)
        if kind != "reset":  # see UNSEEN
            assert asked == fault.requests * len(crawled.attempts[name])


def test_every_picture_comes_to_an_end(crawled: Crawled) -> None:
    outcome = crawled.site.plan.kept()
    assert crawled.attempts.keys() == set(NAMES)
    assert crawled.photos.keys() == outcome
    summary = crawled.summary
    assert (summary.done, summary.failed, summary.open) == (
        len(outcome),
        len(NAMES) - len(outcome),
        0,
    )
    assert summary.status == "finished"
    assert audit(crawled.workspace).problems == []


def test_sound_pictures_come_in_at_once_and_as_they_are(crawled: Crawled) -> None:
    plan = crawled.site.plan
    for name in set(NAMES) - plan.fault_of.keys():
        assert [row["outcome"] for row in crawled.attempts[name]] == ["done"]
        assert crawled.photos[name]["sha256"] == sha256(crawled.site.pictures[name])


# Politeness


def test_nobody_is_asked_before_the_time_that_he_named(crawled: Crawled) -> None:
    named = [seen for seen in crawled.site.log.seen if seen.wait_s]
    assert len(named) == sum(
        len(crawled.site.plan.ids[kind]) * (FAULTS[kind].times or 1)
        for kind in ("429_seconds", "429_date", "503_seconds", "503_date", "api_503")
    )
    # Other pictures of the host may be on their way for longer beside other tests; the picture itself never may.
    assert crawled.site.log.early_retries(BUSY_SLACK_S) == []


def test_robots_txt_and_its_crawl_delay_are_obeyed(crawled: Crawled) -> None:
    shy = crawled.site.hosts[SHY]
    images = [s for s in crawled.site.log.seen if s.host == shy and s.picture]
    assert len(images) >= 3
    assert crawled.site.log.robots_violations(SLACK_S) == []


def test_refused_pictures_leave_no_bytes_behind(crawled: Crawled) -> None:
    plan, held = crawled.site.plan, {row["sha256"] for row in crawled.photos.values()}
    for kind in ("noai", "noimageai", "tdm", "disallowed"):
        for name in plan.ids[kind]:
            assert sha256(crawled.site.pictures[name]) not in held
    noai = crawled.attempts[plan.ids["noai"][0]][0]
    assert noai["error_detail"] == "X-Robots-Tag: noindex, noai"


def test_each_download_is_reported_once_and_before_its_bytes(crawled: Crawled) -> None:
    log, plan = crawled.site.log, crawled.site.plan
    assert log.missed_downloads() == []
    assert log.download_calls == dict.fromkeys(set(NAMES) - set(plan.ids["no_detail"]), 1)


def test_a_used_up_quota_is_given_time(crawled: Crawled) -> None:
    log, api = crawled.site.log, crawled.site.api_host
    refusals = [seen.answered_at for seen in log.seen if seen.host == api and seen.status == 403]
    assert len(refusals) == len(crawled.site.plan.ids["api_quota"])
    for refused in refusals:
        later = [seen.at for seen in log.seen if seen.host == api and seen.at > refused + SLACK_S]
        assert min(later) - refused >= QUOTA_S


def test_a_photo_listed_twice_is_asked_for_once(crawled: Crawled) -> None:
    for name in crawled.site.plan.ids["listed_twice"]:
        calls = [seen.path for seen in crawled.site.log.seen if seen.picture == name]
        assert len(calls) == len(set(calls)) == 3  # detail, download, bytes


def test_the_crawler_says_who_it_is_and_takes_files_as_they_are(crawled: Crawled) -> None:
    images = [s for s in crawled.site.log.seen if s.picture and s.host != crawled.site.api_host]
    for name, meant in {"Accept-Encoding": "identity", "Cookie": ""}.items():
        assert {seen.headers[name] for seen in images} == {meant}
    [agent] = {seen.headers["User-Agent"] for seen in crawled.site.log.seen}
    assert re.fullmatch(r"safelight/\S+ \(\+tests@example\.org\)", agent)


# Bounds


def test_a_host_that_drips_or_stalls_is_left_in_time(crawled: Crawled) -> None:
    for kind in ("drip", "stall"):
        for name in crawled.site.plan.ids[kind]:
            first = crawled.attempts[name][0]
            assert float(str(first["duration_ms"])) < 1000 * SETTINGS.deadline_s / 2


def test_a_body_that_is_too_long_is_not_taken(crawled: Crawled) -> None:
    for name in crawled.site.plan.ids["huge_length"]:
        [seen] = crawled.site.log.images(name)
        assert seen.sent < MIB


def test_pictures_that_would_burst_memory_are_held_unopened(crawled: Crawled) -> None:
    for kind in ("png_bomb", "many_pixels"):
        for name in crawled.site.plan.ids[kind]:
            row = crawled.photos[name]
            assert row["header_status"] == "unreadable"
            assert str(row["header_detail"]).startswith("too_many_pixels")


def test_what_the_server_says_about_the_type_is_noted_and_not_believed(crawled: Crawled) -> None:
    for name in crawled.site.plan.ids["wrong_type"]:
        [row] = crawled.attempts[name]
        assert row["content_type"] == "text/html"
        assert crawled.photos[name]["mime"] == "image/jpeg"


def test_the_row_of_a_redirected_picture_names_its_last_address(crawled: Crawled) -> None:
    other = crawled.site.hosts["odd"]
    for name in crawled.site.plan.ids["redirect_host"]:
        assert f"//{other}/" in str(crawled.attempts[name][0]["url"])
        assert f"//{other}/" in str(crawled.photos[name]["image_url"])
