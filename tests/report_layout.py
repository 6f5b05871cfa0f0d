"""How wide the tables of a report are in a browser, beside the boxes that they stand in."""

import shutil
from typing import Any

import pytest

WIDTH_PX = 1280
_WIDE = """
() => [...document.querySelectorAll("table")]
  .filter((table) => table.offsetWidth > (table.closest(".scroll") || table.parentElement).clientWidth)
  .map((table) => table.innerText.slice(0, 40))
"""


def tables_wider_than_their_box(html: str) -> list[str]:
    """Give the beginnings of the tables that have to be scrolled sideways in a window of 1280 px."""
    wide: list[str] = _evaluate(html, WIDTH_PX, _WIDE)
    return wide


def page_width(html: str, window_px: int) -> int:
    """Give the width of the page in a window: more than `window_px` means that it has to be scrolled sideways."""
    width: int = _evaluate(html, window_px, "() => document.documentElement.scrollWidth")
    return width


def _evaluate(html: str, window_px: int, script: str) -> Any:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if not executable:
        pytest.skip("no chromium here: apt install chromium")
    switches = ["--no-sandbox", "--disable-background-networking"]
    switches += ["--disable-component-update", "--disable-sync"]
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=executable, args=switches)
        window = chromium.new_page(viewport={"width": window_px, "height": 900})
        window.set_content(html)
        value = window.evaluate(script)
        chromium.close()
    return value
