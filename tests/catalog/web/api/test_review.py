"""The review in a real browser, decided by keyboard. Each window fails its test on an error or a foreign request."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from catalog import Workspace, open_catalog
from catalog.lake.manual import decisions_in_force
from catalog.web.app import ServeSettings, make_app
from tests.catalog.web import made_review as made
from tests.catalog.web.browsing import Tab, brightness
from tests.catalog.web.in_thread import serving


@pytest.fixture(scope="module")
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    target = tmp_path_factory.mktemp("review") / "home"
    shutil.copytree(empty_home, target)
    return made.make_review(target)


@pytest.fixture(scope="module")
def address(home: Workspace) -> Iterator[str]:
    with serving(make_app(home, ServeSettings())) as address:
        yield address


def opened(tab: Tab, path: str) -> Page:
    tab.page.goto(tab.address + path)
    tab.page.wait_for_selector("body[data-ready]")
    return tab.page


def progress(page: Page, text: str) -> None:
    expect(page.locator("#progress")).to_have_text(text)


def is_drawn(page: Page, place: str) -> None:
    """Wait for a picture to be there, not only its frame."""
    page.wait_for_function("id => document.querySelector(`#${id} img`).naturalWidth > 0", arg=place)


def test_duplicate_groups_are_worked_off_by_keyboard_and_undone(tab: Tab, home: Workspace) -> None:
    page, keys = opened(tab, "/review/duplicates"), tab.page.keyboard
    progress(page, "3 of 3 open")
    is_drawn(page, "left")
    is_drawn(page, "right")
    keys.press("ArrowRight")
    expect(page.locator("#film [aria-selected=true]")).to_have_attribute("data-role", "copy")
    expect(page.locator("#tie")).to_contain_text("0.620")
    keys.press("x")
    expect(page.locator("#film .marked")).to_have_count(1)
    keys.press("s")
    progress(page, "2 of 3 open")
    expect(page.locator("#film [data-role=neighbour]")).to_have_count(1)
    keys.press("m")
    expect(page.locator("#message")).to_contain_text("Choose a neighbour")
    keys.press("k")
    expect(page.locator("#made")).to_contain_text("keeper by local")
    keys.press("Enter")
    progress(page, "1 of 3 open")
    keys.press("Enter")
    progress(page, "0 of 3 open")
    expect(page.locator("#blank")).to_contain_text("Nothing more is open")
    keys.press("u")
    progress(page, "1 of 3 open")
    expect(page.locator("#item")).to_be_visible()
    page.reload()
    progress(page, "1 of 3 open")
    is_drawn(page, "left")
    keys.press("u")  # what was decided before the page was loaded
    progress(page, "2 of 3 open")
    page.locator("#everything").check()
    expect(page.locator("#made")).to_contain_text("split by local")
    with open_catalog(home) as catalog:
        catalog.commit()
        decisions = [(each.kind, each.assets) for each in decisions_in_force(catalog)]
    assert decisions == [("split", (made.SHAS[2],)), ("keeper", (made.SHAS[4],))]


def test_two_pictures_are_held_against_each_other_in_three_ways(tab: Tab) -> None:
    page, keys = opened(tab, "/review/duplicates?only=embedding"), tab.page.keyboard
    is_drawn(page, "right")
    boxes = [page.locator(f"#{side} img").bounding_box() for side in ("left", "right")]
    assert boxes[0] and boxes[1] and boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]  # noqa: PT018
    keys.press("3")
    boxes = [page.locator(f"#{side} img").bounding_box() for side in ("left", "right")]
    assert boxes[0] == boxes[1], "one lies on the other"
    mode = page.locator("#right img").evaluate("i => getComputedStyle(i).mixBlendMode")
    assert mode == "difference"
    page.emulate_media(reduced_motion="reduce")
    keys.press("2")
    seen = "id => getComputedStyle(document.getElementById(id)).visibility"
    assert [page.evaluate(seen, side) for side in ("left", "right")] == ["visible", "hidden"]
    keys.press("Space")
    assert [page.evaluate(seen, side) for side in ("left", "right")] == ["hidden", "visible"]
    page.emulate_media(reduced_motion="no-preference")
    page.wait_for_function(f"() => ({seen})('left') === 'visible'")
    keys.press("1")


def test_a_sample_tells_the_precision_with_its_interval(tab: Tab) -> None:
    page = opened(tab, "/review/sample?seed=3&size=3")
    progress(page, "0 of 3 judged")
    for key, text in (
        ("Enter", "1 right, 0 wrong: precision 100.0 %, 95 % interval 20.7 % to 100.0 %"),
        ("w", "1 right, 1 wrong: precision 50.0 %, 95 % interval 9.5 % to 90.5 %"),
        ("r", "2 right, 1 wrong: precision 66.7 %, 95 % interval 20.8 % to 93.9 %"),
    ):
        page.keyboard.press(key)
        expect(page.locator("#estimate")).to_have_text(text)
    expect(page.locator("#blank")).to_be_visible()
    assert "seed=3" in page.url, "the address names the sample"
    opened(tab, "/review/sample?seed=4&size=3")
    progress(page, "0 of 3 judged")


def test_findings_are_read_with_their_raw_text_and_pictures_dropped(tab: Tab) -> None:
    page = opened(tab, "/review/settings")
    expect(page.locator("#findings")).to_contain_text("exposure time not finite")
    expect(page.locator("#facts")).to_contain_text("- (file: 1/0)")
    expect(page.locator("#title")).to_contain_text("<b>Picture", use_inner_text=True)
    page.keyboard.press("d")
    progress(page, "1 of 2 open")
    page.keyboard.press("n")
    expect(page.locator("#blank")).to_be_visible()
    page.keyboard.press("p")
    expect(page.locator("#item")).to_be_visible()
    page.keyboard.press("u")
    progress(page, "2 of 2 open")


def test_the_list_of_queues_says_how_much_waits(tab: Tab) -> None:
    page = opened(tab, "/review")
    expect(page.locator("[data-queue=quality] [data-count]")).to_have_text("2 of 2 open")
    page.keyboard.press("4")
    page.wait_for_url("**/review/quality")
    progress(page, "2 of 2 open")


@pytest.mark.slow
def test_the_review_is_dark_where_people_want_it_and_fits_a_telephone(
    browser: Browser, address: str
) -> None:
    small = Tab(browser, address, viewport={"width": 390, "height": 800}, color_scheme="dark")
    for path in ("/review", "/review/bridges", "/review/sample"):
        page = opened(small, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert brightness(page) < 60
    small.close()


def test_another_site_cannot_decide(address: str) -> None:
    sent = {"queue": "quality", "item": made.WORST, "kind": "drop"}
    for headers, status in (
        ({"Origin": "http://evil.example", "Content-Type": "application/json"}, 403),
        ({"Content-Type": "text/plain"}, 400),
    ):
        request = Request(
            f"{address}/api/review/decisions", json.dumps(sent).encode(), headers, method="POST"
        )
        with pytest.raises(HTTPError) as refused:
            urlopen(request)
        assert refused.value.code == status
