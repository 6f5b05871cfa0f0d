"""Run statements in the console of a browser, and read what it shows."""

from playwright.sync_api import Page, expect

PHOTOS = "SELECT asset_sha256, title, iso, licence FROM v_photos ORDER BY fetched_at"
ENDLESS = "SELECT sum(a.i * b.i) FROM range(3000000) a(i), range(3000000) b(i)"


def run(page: Page, sql: str) -> None:
    """Type a query over what is there and run it by keyboard."""
    page.locator("#sql").fill(sql)
    page.locator("#sql").press("Control+Enter")


def status(page: Page, text: str) -> None:
    expect(page.locator("#status")).to_contain_text(text)


def rows(page: Page, text: str) -> None:
    """Wait until a query has ended as the status says, and its rows are there."""
    status(page, text)
    expect(page.locator("#grid[aria-busy=false]")).to_be_visible()


def cells(page: Page, place: int) -> list[str]:
    return page.locator(f"#grid tbody td[data-place='{place}']").all_inner_texts()
