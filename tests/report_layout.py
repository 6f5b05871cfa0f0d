"""How wide the tables of a report are in a browser, beside the boxes that they stand in."""

import shutil

import pytest

WIDTH_PX = 1280
_WIDE = """
() => [...document.querySelectorAll("table")]
  .filter((table) => table.offsetWidth > (table.closest(".scroll") || table.parentElement).clientWidth)
  .map((table) => table.innerText.slice(0, 40))
"""


def tables_wider_than_their_box(html: str) -> list[str]:
    """Give the beginnings of the tables that have to be scrolled sideways in a window of 1280 px."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if not executable:
        pytest.skip("no chromium here: apt install chromium")
    switches = ["--no-sandbox", "--disable-background-networking"]
    switches += ["--disable-component-update", "--disable-sync"]
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=executable, args=switches)
        window = chromium.new_page(viewport={"width": WIDTH_PX, "height": 900})
        window.set_content(html)
        wide: list[str] = window.evaluate(_WIDE)
        chromium.close()
    return wide
