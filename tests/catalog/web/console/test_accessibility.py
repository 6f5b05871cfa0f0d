"""axe-core finds no serious fault on any page, in light and dark, also with answers and labels on it."""

import base64
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from catalog import Workspace
from catalog.web.app import make_app
from catalog.web.http.settings import ServeSettings
from tests.catalog.web.browsing import Tab
from tests.catalog.web.console.running import PHOTOS
from tests.catalog.web.in_thread import serving
from tests.catalog.web.made_home import BODIES, CRAWL, SHAS
from tests.catalog.web.made_predictor import MadePredictor
from tests.catalog.web.made_searcher import MadeSearcher

SPEC = find_spec("axe_playwright_python")
if SPEC is None or SPEC.origin is None:
    pytest.skip("needs axe-playwright-python", allow_module_level=True)
AXE = next(Path(SPEC.origin).parent.glob("axe*.js")).read_text("utf-8")
FAULTS = """async () => (await axe.run()).violations
  .filter((fault) => ["serious", "critical"].includes(fault.impact))
  .map((fault) => `${fault.id}: ${fault.nodes[0].html.slice(0, 120)}`)"""
NARROWED = "#q=" + base64.urlsafe_b64encode(PHOTOS.encode()).decode().rstrip("=")
PAGES = (
    "/", "/datasets", "/datasets/cameras/1.1.0", "/datasets/cameras/1.0.0/diff/1.1.0", "/crawls", f"/crawls/{CRAWL}",
    "/review", f"/pictures/{SHAS[5]}", f"/pictures/{SHAS[0]}", "/label", "/predict", "/similar", "/login", "/nothing",
)  # fmt: skip


@pytest.fixture(scope="module")
def address_of_all(home: Workspace) -> Iterator[str]:
    with serving(
        make_app(home, ServeSettings(), lambda _: MadePredictor(), MadeSearcher)
    ) as address:
        yield address


def faults(page: Page) -> list[str]:
    page.evaluate(AXE)
    return list(page.evaluate(FAULTS))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_fault(browser: Browser, address_of_all: str, scheme: str) -> None:
    tab = Tab(browser, address_of_all, color_scheme=scheme, bypass_csp=True)
    seen = {}
    for path in PAGES:
        page = tab.open(path)
        if found := faults(page):
            seen[path] = found
    page = tab.open("/predict")
    page.locator("#model").select_option("*")
    picture = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": BODIES[5]}
    page.locator("#files").set_input_files([picture])
    page.wait_for_selector(".predicted[aria-busy=true]", state="detached")
    page.get_by_role("button", name="What counted for Noise").click()
    page.wait_for_selector(".heat")
    seen["answers"] = faults(page)
    page = tab.open("/label#task=mood&classes=calm,loud&by=ada")
    page.wait_for_selector("#picture[data-picture]")
    seen["labels"] = faults(page)
    page = tab.open(f"/similar#picture={SHAS[5]}")
    page.locator("input.pick").nth(1).check()
    seen["similar"] = faults(page)
    page.get_by_role("button", name="Label…").click()
    seen["label of a selection"] = faults(page)
    page = tab.open("/map#colour=iso")
    page.wait_for_selector("body[data-ready]")
    page.get_by_role("button", name="Select this box").click()
    page.locator("input.pick").nth(1).wait_for()
    seen["map"] = faults(page)
    page = tab.open(f"/{NARROWED}")
    page.locator(".facet").first.wait_for()
    page.locator("#tab-pictures").click()
    page.locator("input.pick").nth(1).wait_for()
    seen["facets"] = faults(page)
    assert {path: found for path, found in seen.items() if found} == {}
    tab.wrong[:] = [line for line in tab.wrong if "404" not in line and "WebGL" not in line]
    tab.close()
