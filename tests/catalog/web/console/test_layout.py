"""The pages in a real browser, wide and narrow, light and dark."""

import pytest
from playwright.sync_api import Browser, expect

from tests.catalog.web.api.test_pages import PAGES
from tests.catalog.web.browsing import Tab, brightness
from tests.catalog.web.made_home import SHAS, TURNED, N

LONG_NAMES = """() => {
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { data, parentElement } = texts.currentNode;
    const isFixed = parentElement.closest("button, option, label, kbd, thead, textarea, .ink, .sql");
    if (data.trim() && !isFixed) texts.currentNode.data = "Unbroken".repeat(25);
  }
}"""


def test_the_picture_page_shows_faces_where_they_are(tab: Tab) -> None:
    page = tab.open(f"/pictures/{SHAS[TURNED]}")
    image = page.locator(".sheet img")
    size = image.evaluate("i => [i.naturalWidth, i.naturalHeight]")
    assert size == [64, 96], "the browser turns it upright as the catalog says"
    box, face = image.bounding_box(), page.locator(".faces rect").bounding_box()
    assert box
    assert face
    scale = box["width"] / 64
    assert face["x"] - box["x"] == pytest.approx(10 * scale, abs=3)
    assert face["height"] == pytest.approx(40 * scale, abs=5)
    page.locator("summary", has_text="raw tags").click()
    expect(page.get_by_text("14/5")).to_be_visible()
    page.locator("section", has=page.get_by_role("heading", name="Duplicates")).get_by_text(
        "Open in the console"
    ).click()
    page.wait_for_selector("#grid tbody tr")
    assert page.locator("#grid tbody img").count() == 2


def test_a_dataset_difference_shows_its_pictures(tab: Tab) -> None:
    page = tab.open("/datasets/cameras/1.0.0/diff/1.1.0")
    assert page.locator(".cards dd").all_inner_texts() == [str(N - 15), "2", "1", "1"]
    assert (
        page.locator("section", has_text="Changed split").locator("li").inner_text().strip()
        == "validation → train"
    )
    assert (
        page.locator("section", has_text="Changed label").locator("li").inner_text().strip()
        == "iso: medium → low"
    )
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_in_viewport()
    shown = page.locator(".prints img").evaluate_all(
        "all => all.filter(i => i.naturalWidth > 0).length"
    )
    assert shown > 3


def test_dark_and_light_are_followed_and_chosen(browser: Browser, address: str) -> None:
    dark = Tab(browser, address, color_scheme="dark")
    page = dark.open("/datasets")
    assert brightness(page) < 60, "as the system asks"
    page.locator("#theme").click()
    assert brightness(page) > 200
    page.reload()
    assert brightness(page) > 200, "the choice is kept"
    dark.close()


def test_a_picture_that_cannot_be_shown_becomes_a_drawing(tab: Tab) -> None:
    page = tab.open("/datasets")
    page.evaluate(
        "sha => { const i = new Image(); i.id = 'bad'; i.alt = 'a title';"
        " i.src = `/api/assets/${sha}/thumbnail`; document.body.append(i); }",
        "0" * 64,
    )
    expect(page.locator("#bad")).to_have_js_property("naturalWidth", 160)
    assert page.locator("#bad").get_attribute("alt") == "a title"
    assert len(tab.wrong) == 1, tab.wrong
    tab.wrong.clear()


@pytest.mark.parametrize("width", [320, 390])
def test_the_menu_fits_on_a_telephone(browser: Browser, address: str, width: int) -> None:
    small = Tab(browser, address, viewport={"width": width, "height": 800})
    page = small.open("/datasets")
    links = page.locator("header.top nav a")
    assert links.all_inner_texts() == [
        "Console",
        "Datasets",
        "Crawls",
        "Review",
        "Label",
        "Similar",
        "Map",
        "Models",
        "Predict",
    ]
    nav = page.locator("header.top nav").bounding_box()
    assert nav
    for link in links.all():
        box = link.bounding_box()
        assert box
        assert box["x"] + box["width"] <= min(width, nav["x"] + nav["width"] + 0.5)
        assert box["height"] >= 44, "large enough for a thumb"
    assert page.get_by_role("link", name="Safelight").count() == 1
    small.close()


@pytest.mark.long
@pytest.mark.parametrize("width", [390, 1280])
def test_long_names_stay_inside_the_page(browser: Browser, address: str, width: int) -> None:
    window = Tab(browser, address, viewport={"width": width, "height": 800})
    for path in PAGES:
        page = window.open(path)
        page.evaluate(LONG_NAMES)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    window.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_telephone(browser: Browser, address: str, scheme: str) -> None:
    small = Tab(browser, address, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    for path in PAGES:
        page = small.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    small.close()
