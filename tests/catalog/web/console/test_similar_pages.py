"""Similar pictures, the map, facets and selections in a browser: by mouse, keyboard and on a telephone."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from catalog.web.app import make_app
from catalog.web.http.settings import ServeSettings
from tests.catalog.web.browsing import Tab
from tests.catalog.web.console.running import PHOTOS, cells, rows, run, status
from tests.catalog.web.console.test_predict_page import GIVE
from tests.catalog.web.in_thread import serving
from tests.catalog.web.made_home import BODIES, HOSTILE, SHAS, TURNED, N, make_home
from tests.catalog.web.made_searcher import ORDER, WITHOUT, MadeSearcher


@pytest.fixture(scope="module")
def searching(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a workspace of its own is served with a made searcher; tests take back what they decide."""
    target = tmp_path_factory.mktemp("searching") / "home"
    shutil.copytree(empty_home, target)
    with serving(
        make_app(make_home(target), ServeSettings(upload_mb=1), None, MadeSearcher)
    ) as address:
        yield address


class MapTab(Tab):
    """A window in which software draws WebGL, of which the driver complains."""

    def check(self) -> None:
        self.wrong[:] = [line for line in self.wrong if "GL Driver Message" not in line]
        super().check()


@pytest.fixture
def window(browser: Browser, searching: str) -> Iterator[MapTab]:
    watched = MapTab(browser, searching)
    yield watched
    watched.close()


def shown(page: Page) -> list[str]:
    """Name the pictures of the cards."""
    links = page.locator("#pictures a.thumbnail").evaluate_all("all => all.map(a => a.href)")
    return [str(link).rpartition("/")[2] for link in links]


def selected(page: Page, n: int) -> None:
    expect(page.locator("#selection [data-count]")).to_have_text(f"{n} selected")


def open_map(window: Tab, fragment: str = "") -> Page:
    page = window.open(f"/map{fragment}")
    page.wait_for_selector("body[data-ready]")
    return page


def test_more_like_this_leads_from_a_picture_to_its_likes_and_on(window: MapTab) -> None:
    page = window.open(f"/pictures/{SHAS[8]}")
    page.get_by_role("link", name="Select, or show more").click()
    expect(page.locator("#pictures li")).to_have_count(N - 2)
    assert shown(page)[:2] in ([SHAS[7], SHAS[9]], [SHAS[9], SHAS[7]])
    expect(page.locator("#pictures li").first).to_contain_text("near distance 0.020")
    page.get_by_role("link", name="More like Picture 10").click()
    expect(page.locator("#query")).to_contain_text(SHAS[10][:12])
    expect(page.locator("#pictures li").first).to_contain_text(re.compile("Picture (9|11)"))
    page.go_back()
    expect(page.locator("#query")).to_contain_text(SHAS[8][:12])


def test_hostile_titles_and_licences_stay_text(window: MapTab) -> None:
    page = window.open(f"/similar#picture={SHAS[TURNED + 1]}")
    card = page.locator("#pictures li").first
    expect(card).to_contain_text(HOSTILE)
    assert card.locator("p script, p img, p b:not(.kind)").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert page.title() == "Similar pictures · Safelight"


def test_a_picture_of_ones_own_is_searched_by_file_drop_and_paste(window: MapTab) -> None:
    page = window.open("/similar")
    file = {"name": "<b>mine</b>.jpg", "mimeType": "image/jpeg", "buffer": BODIES[5]}
    page.locator("#file").set_input_files([file])
    expect(page.locator("#pictures li").first).to_contain_text("same pixels distance 0.000")
    assert shown(page)[0] == SHAS[5]
    expect(page.locator("#query")).to_contain_text("Like <b>mine</b>.jpg, which is not stored")
    for kind, number in (("drop", 9), ("paste", 12)):
        page.evaluate(GIVE, [kind, f"{kind}.jpg", list(BODIES[number])])
        expect(page.locator("#query")).to_contain_text(f"Like {kind}.jpg")
        expect(page.locator("#pictures a.thumbnail").first).to_have_attribute(
            "href", f"/pictures/{SHAS[number]}"
        )
    page.evaluate("document.activeElement.blur()")
    with page.expect_file_chooser():
        page.keyboard.press("o")


def test_what_cannot_be_searched_is_said_in_words(window: MapTab) -> None:
    page = window.open("/similar")
    for body, text in (
        (b"bad", "The file is cut off: <b>3 bytes</b>."),
        (b"network", "This command needs torch, which is not installed."),
        (bytes(2**20 + 1), "The file is larger than 1 MB."),
    ):
        file = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": body}
        page.locator("#file").set_input_files([file])
        expect(page.locator("#problem")).to_contain_text(text)
        expect(page.locator("#pictures li")).to_have_count(0)
    page.evaluate("sha => { location.hash = `picture=${sha}`; }", WITHOUT)
    expect(page.locator("#problem")).to_have_text("This picture has no vector yet.")
    window.wrong[:] = [
        line for line in window.wrong if not re.search("status of (409|422|501)", line)
    ]
    window.wrong[:] = [line for line in window.wrong if "ERR_FILE_NOT_FOUND" not in line]


def test_cards_are_selected_by_click_range_and_keyboard_and_dropped_with_undo(
    window: MapTab,
) -> None:
    page = window.open(f"/similar#picture={SHAS[8]}")
    boxes = page.locator("input.pick")
    expect(boxes).to_have_count(N - 2)
    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])
    selected(page, 4)
    boxes.nth(2).focus()
    page.keyboard.press("Space")
    selected(page, 3)
    boxes.nth(6).focus()
    page.keyboard.press("Shift+ArrowRight")
    selected(page, 5)
    page.keyboard.press("ArrowLeft")
    expect(boxes.nth(6)).to_be_focused()
    page.get_by_role("button", name="Drop", exact=True).press("Enter")
    expect(page.locator("#message")).to_have_text("Dropped 5 pictures")
    expect(page.locator("#pictures li", has_text="dropped by hand")).to_have_count(5)
    for _ in range(20):  # the tables have it within seconds
        page.reload()
        page.locator("#pictures li").first.wait_for()
        if page.locator("#pictures p", has_text="dropped by hand").count() == 5:
            break
    expect(page.locator("#pictures p", has_text="dropped by hand")).to_have_count(5)
    page.locator("input.pick").first.check()
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_role("button", name="Undo: Kept 1 picture").click()
    expect(page.locator("#message")).to_have_text("Taken back: Kept 1 picture")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_a_selection_gets_a_label_by_keyboard(window: MapTab) -> None:
    page = window.open(f"/similar#picture={SHAS[8]}")
    page.locator("input.pick").nth(2).check()
    page.get_by_role("button", name="Label…").press("Enter")
    page.keyboard.type("mood")
    page.keyboard.press("Tab")
    page.keyboard.type("calm & <b>quiet</b>")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_have_text("Labelled 1 picture mood: calm & <b>quiet</b>")
    page.get_by_role("button", name="Undo: Labelled").click()
    expect(page.locator("#message")).to_contain_text("Taken back")


def test_a_selection_becomes_a_query(window: MapTab) -> None:
    page = window.open(f"/similar#picture={SHAS[8]}")
    for place in (0, 3):
        page.locator("input.pick").nth(place).check()
    chosen = [shown(page)[place] for place in (0, 3)]
    page.get_by_role("button", name="Open in the console").click()
    status(page, "2 rows")
    sql = page.locator("#sql").input_value()
    assert all(f"'{sha}'" in sql for sha in chosen)
    assert "WHERE asset_sha256 IN (" in sql


@pytest.mark.long
def test_a_lasso_selects_points_and_a_click_opens_the_picture(window: MapTab) -> None:
    page = open_map(window, "#colour=iso")
    expect(page.locator("#about")).to_contain_text("A random sample of 23 of 240,000 pictures")
    expect(page.locator("#progress")).to_have_text(
        "Only 23 of 240,000 pictures are shown: a random sample."
    )
    box = page.locator("#plot .nsewdrag").first.bounding_box()
    assert box
    corners = [(0.02, 0.01), (0.02, 0.99), (0.5, 0.99), (0.5, 0.01), (0.02, 0.01)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()
    page.locator("#pictures li").first.wait_for()
    inside = set(shown(page))
    assert inside == set(ORDER[: len(inside)]), "the left half of the map"
    assert 8 <= len(inside) <= 13
    selected(page, len(inside))
    x, y = page.evaluate(
        """() => { const { _fullLayout: { xaxis, yaxis } } = document.getElementById("plot");
        return [xaxis.l2p(22) + xaxis._offset, yaxis.l2p(2) + yaxis._offset]; }"""
    )
    plot = page.locator("#plot").bounding_box()
    assert plot
    page.mouse.move(plot["x"] + x - 5, plot["y"] + y)
    page.mouse.move(plot["x"] + x, plot["y"] + y)
    expect(page.locator("#peek")).to_contain_text(ORDER[22][:12])
    page.mouse.click(plot["x"] + x, plot["y"] + y)
    page.wait_for_url(f"**/pictures/{ORDER[22]}")


@pytest.mark.long
def test_the_map_is_selected_by_numbers_and_by_class_without_a_mouse(window: MapTab) -> None:
    page = open_map(window, "#colour=decision")
    for name, value in (("#x-low", "3"), ("#x-high", "7"), ("#y-low", "-1"), ("#y-high", "9")):
        page.locator(name).fill(value)
    page.locator("#y-high").press("Enter")
    selected(page, 5)
    assert set(shown(page)) == set(ORDER[3:8])
    page.locator("#class").select_option("dropped: truncated")
    page.locator("#take-class").press("Enter")
    selected(page, 1)
    page.locator("#colour").select_option("title")
    expect(page.locator("#class option").last).to_have_text("all others")
    assert "colour=title" in page.url
    page.locator("#method").select_option("umap")
    expect(page.locator("#about")).to_contain_text(
        "projected by UMAP; distances between far groups mean nothing"
    )
    page.locator("#reset").focus()
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Box", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("t")
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_facets_narrow_a_query_and_widen_it_again(window: MapTab) -> None:
    page = window.console()
    run(page, PHOTOS)
    rows(page, f"{N} rows")
    facets = page.get_by_role("complementary", name="Facets of the result")
    facets.get_by_role("button", name="400").click()
    rows(page, "4 rows")
    assert set(cells(page, 2)) == {"400"}
    facets.get_by_role("button", name="javascript:alert('licence')").count()
    assert page.locator("#sql").input_value().startswith("SELECT *\nFROM (\nSELECT asset_sha256")
    facets.get_by_role("button", name="Remove the filter iso: 400").click()
    rows(page, f"{N} rows")
    facets.get_by_role("button", name="javascript:alert('licence')").click()
    rows(page, "1 row ")
    assert (
        page.locator("#sql")
        .input_value()
        .endswith("WHERE \"licence\" = 'javascript:alert(''licence'')'")
    )
    assert cells(page, 1) == [HOSTILE]
    page.locator("#tab-pictures").click()
    expect(page.locator("input.pick")).to_have_count(1)
    page.locator("#tab-rows").focus()
    page.keyboard.press("f")
    expect(facets).to_be_hidden()
    run(page, "EXPLAIN SELECT 1")
    expect(page.locator("#toggle-facets")).to_be_hidden()


def test_the_console_selects_its_pictures_and_leads_to_their_likes(window: MapTab) -> None:
    page = window.console()
    run(page, PHOTOS)
    rows(page, f"{N} rows")
    page.locator("#tab-pictures").click()
    page.locator("input.pick").nth(3).click()
    page.locator("input.pick").nth(6).click(modifiers=["Shift"])
    selected(page, 4)
    page.locator("#tab-rows").click()
    page.locator("#grid td[data-row='9'][data-place='0']").click(position={"x": 3, "y": 3})
    page.keyboard.press("m")
    page.wait_for_url(f"**/similar#picture={SHAS[8]}")


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_on_a_telephone(browser: Browser, searching: str, scheme: str) -> None:
    small = MapTab(browser, searching, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    for path in (f"/similar#picture={SHAS[1]}", "/map#colour=title", f"/pictures/{SHAS[1]}"):
        page = small.open(path)
        if path.startswith("/map"):
            page.wait_for_selector("body[data-ready]")
            page.get_by_role("button", name="Select this box").click()
        page.locator(".prints li").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    small.close()
