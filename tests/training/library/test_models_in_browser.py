"""The pages about models in a browser: curves, keyboard, telephone, light and dark, and what axe-core finds."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import safelight
from catalog.web.app import make_app
from catalog.web.http.settings import ServeSettings
from tests.catalog.web.browsing import Tab, brightness
from tests.catalog.web.in_thread import serving
from tests.training.conftest import Trained

POINTS = ".plot[data-plot=loss] .scatterlayer .trace .points path"
FAULTS = """async () => (await axe.run()).violations
  .filter((fault) => ["serious", "critical"].includes(fault.impact))
  .map((fault) => `${fault.id}: ${fault.nodes[0].html.slice(0, 120)}`)"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(trained: Trained) -> Iterator[str]:
    app = make_app(trained.workspace, ServeSettings(), open_models=safelight.open_models)
    with serving(app) as address:
        yield address


@pytest.fixture(scope="module")
def paths(trained: Trained) -> dict[str, str]:
    one, other = (folder.name for folder in trained.outcome.models.values())
    model = f"/models/{one}"
    return {
        "list": "/models",
        "model": model,
        "compared": f"{model}/compare/{other}",
        "refused": f"{model}/compare/{one}",
    }


def drawn(page: Page) -> Page:
    page.wait_for_selector("body[data-ready]")
    return page


def test_curves_are_drawn_in_the_theme_and_pictures_are_shown(
    browser: Browser, address: str, paths: dict[str, str]
) -> None:
    tab = Tab(browser, address)
    page = drawn(tab.open(paths["model"]))
    expect(page.locator(POINTS)).to_have_count(4)
    labels = page.locator(".plot[data-plot=loss] .xtitle")
    before, light = labels.evaluate("node => getComputedStyle(node).fill"), brightness(page)
    page.keyboard.press("t")
    expect(labels).not_to_have_css("fill", before)
    assert brightness(page) != light
    shown = page.locator(".prints img")
    shown.first.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert shown.first.evaluate("image => image.naturalWidth") > 1
    page.goto(address + paths["compared"])
    expect(drawn(page).locator(POINTS)).to_have_count(8)
    tab.close()


def test_everything_is_reached_by_keyboard(
    browser: Browser, address: str, paths: dict[str, str]
) -> None:
    tab = Tab(browser, address)
    page = tab.open("/models")
    page.locator(f".board a[href='{paths['model']}']").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{paths['model']}")
    drawn(page).keyboard.press("c")
    expect(page.locator("#other")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{paths['compared']}")
    expect(page.locator("h1")).to_contain_text("Two models")
    picture = drawn(page).locator(".prints a").first
    picture.focus()
    target = picture.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{target}")
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_no_serious_fault_and_fit_a_telephone(
    browser: Browser, address: str, paths: dict[str, str], scheme: str
) -> None:
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip("needs axe-playwright-python")
    script = next(Path(spec.origin).parent.glob("axe*.js")).read_text("utf-8")
    faults, widths = {}, {}
    for width in (1280, 390):
        size = {"width": width, "height": 800}
        tab = Tab(browser, address, color_scheme=scheme, bypass_csp=True, viewport=size)
        for name, path in paths.items():
            page = tab.open(path)
            if name in ("model", "compared"):
                drawn(page)
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            widths[name, width] = page.evaluate("document.documentElement.scrollWidth")
            page.evaluate(script)
            if serious := page.evaluate(FAULTS):
                faults[name, width] = serious
        tab.wrong[:] = [line for line in tab.wrong if "409" not in line]
        tab.close()
    assert faults == {}
    assert {key: found for key, found in widths.items() if found > key[1]} == {}
