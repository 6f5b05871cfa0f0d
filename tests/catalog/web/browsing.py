"""A browser window that notices what pages must never do."""

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

WAIT_MS = 15_000


class Tab:
    """One window with storage of its own on one server."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        given = {"viewport": {"width": 1280, "height": 820}, **options}
        self._context = browser.new_context(**given)
        self._context.set_default_timeout(WAIT_MS)
        self._context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
        self.address = address
        self.wrong: list[str] = []
        self.page = self._context.new_page()
        self._context.on("request", self._check_host)
        self.page.on("console", self._check_message)
        # Choosers are caught from the beginning: switched on beside the key that opens one, it comes too late at times.
        self.page.on("filechooser", lambda _chooser: None)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))

    def _check_host(self, request: Any) -> None:
        host = urlsplit(request.url).netloc
        if host not in ("", urlsplit(self.address).netloc):  # blob: and data: have none
            self.wrong.append(f"request to {request.url}")

    def _check_message(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def open(self, path: str) -> Page:
        """Go to a page of the server and wait for its pictures."""
        self.page.goto(self.address + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def console(self, fragment: str = "") -> Page:
        """Open the console and wait until it works."""
        self.page.goto(f"{self.address}/{fragment}")
        self.page.wait_for_selector("body[data-ready]")
        self.page.wait_for_selector("#tree [role=treeitem]")
        return self.page

    def tidy_console(self) -> Page:
        """Give the console that is open, with nothing chosen; open it when this window shows something else."""
        if urlsplit(self.page.url).path != "/":
            return self.console()
        self.page.keyboard.press("Escape")
        self.page.locator("#as-of").select_option("")
        self.page.locator("#tab-tables").click()
        if self.page.locator("#tab-rows").is_visible():
            self.page.locator("#tab-rows").click()
        self.page.locator("#find-table").fill("")
        self.page.evaluate("document.activeElement.blur()")
        return self.page

    def check(self) -> None:
        """Fail when something went wrong since the last check."""
        wrong, self.wrong = self.wrong, []
        assert wrong == []

    def close(self) -> None:
        """Close the window; fails when something went wrong in it."""
        self._context.close()
        self.check()


def brightness(page: Page) -> int:
    """Return the red part of a page's background, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(colour.removeprefix("rgb(").split(",")[0])
