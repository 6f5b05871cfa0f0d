"""One filled workspace, one server and one browser for all tests of the console: they only read."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from catalog import Catalog, Workspace, open_catalog
from catalog.web.app import ServeSettings, make_app
from tests.catalog.web.browsing import WAIT_MS, Tab
from tests.catalog.web.in_thread import serving
from tests.catalog.web.made_home import make_home

SWITCHES = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is marked
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in a browser are long tests."""
    for item in items:
        if isinstance(item, pytest.Function) and "browser" in item.fixturenames:
            item.add_marker("long")


@pytest.fixture(scope="session")
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Fill a copy of the empty workspace."""
    target = tmp_path_factory.mktemp("console") / "home"
    shutil.copytree(empty_home, target)
    return make_home(target)


@pytest.fixture(scope="session")
def tables(home: Workspace) -> Iterator[Catalog]:
    """The tables of that workspace, open."""
    with open_catalog(home) as catalog:
        yield catalog


@pytest.fixture(scope="session")
def address(home: Workspace) -> Iterator[str]:
    """Where that workspace is served."""
    with serving(make_app(home, ServeSettings())) as address:
        yield address


@pytest.fixture(
    scope="module"
)  # Playwright leaves its event loop running: no other module may meet it
def browser() -> Iterator[Browser]:
    """One Chromium; playwright's own is not needed."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if not executable:
        pytest.skip("no chromium here: apt install chromium")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=executable, args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Tab]:
    """A fresh window on the server; errors, blocked code and foreign requests fail the test."""
    watched = Tab(browser, address)
    yield watched
    watched.close()


@pytest.fixture(scope="module")
def bench(browser: Browser, address: str) -> Iterator[Tab]:
    """A window that stays open: loading the console anew for each test takes seconds."""
    watched = Tab(browser, address)
    yield watched
    watched.close()


@pytest.fixture
def console(bench: Tab) -> Iterator[Page]:
    """The console, ready and tidy."""
    yield bench.tidy_console()
    bench.check()
