"""The labelling page in a browser: sixty pictures by keyboard, the order changes, the labels become a release."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from catalog import Workspace, find_release
from catalog.web.app import make_app
from catalog.web.http.settings import ServeSettings
from tests.catalog.web.browsing import Tab
from tests.catalog.web.in_thread import serving
from tests.catalog.web.labelling.made_taste import make_tasteful_home

FRAGMENT = "/label#task=good_or_bad&classes=bad,good&by=ada"
KEYS = {"bad": "ArrowLeft", "good": "ArrowRight"}


@pytest.fixture(scope="module")
def taste(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("labelled") / "home"
    shutil.copytree(empty_home, home)
    return make_tasteful_home(Workspace.at(home), 150) | {"home": str(home)}


@pytest.fixture(scope="module")
def labelled(taste: dict[str, str]) -> Iterator[str]:
    """Where a workspace with a taste is served."""
    with serving(make_app(Workspace.at(Path(taste["home"])), ServeSettings())) as address:
        yield address


def shown(page: Page) -> str:
    return page.locator("#picture").get_attribute("data-picture") or ""


def upcoming(page: Page) -> list[str]:
    pictures = page.locator("#next li")
    return pictures.evaluate_all("all => all.map((each) => each.dataset.picture)")


def label(page: Page, taste: dict[str, str], n: int) -> None:
    """Label pictures by keyboard; the next one is there at once."""
    for _ in range(n):
        before = shown(page)
        page.keyboard.press(KEYS[taste[before]])
        page.wait_for_function(
            "before => document.getElementById('picture').dataset.picture !== before", arg=before
        )


@pytest.mark.slow
def test_sixty_labels_change_the_order_and_become_a_release(
    browser: Browser, labelled: str, taste: dict[str, str]
) -> None:
    tab = Tab(browser, labelled)
    page = tab.open(FRAGMENT)
    expect(page.locator("#learnt")).to_have_text("Order 1, not learnt yet · 8 more until the next")
    before = upcoming(page)
    label(page, taste, 8)
    expect(page.locator("#learnt")).to_contain_text("learning")
    label(page, taste, 1)
    expect(page.locator("#learnt")).to_contain_text("Order 2, learnt from 8 labels")
    assert upcoming(page) != before[9:], "the order has changed"
    label(page, taste, 51)
    page.wait_for_timeout(100)
    expect(page.locator("#progress")).to_contain_text("of 150 pictures")
    expect(page.locator("#agreement dd").first).to_contain_text("(100 %)")
    expect(page.locator("#agreement dd").nth(1)).not_to_have_text("none yet")
    wrong = shown(page)
    page.keyboard.press(KEYS["good"])
    expect(page.locator("#picture")).not_to_have_attribute("data-picture", wrong)
    page.keyboard.press("u")
    expect(page.locator("#picture")).to_have_attribute("data-picture", wrong)
    page.locator("#dataset").fill("taste")
    page.keyboard.press("Enter")
    expect(page.locator("#published a")).to_have_text("taste@1.0.0", timeout=30_000)
    command = page.locator("#published code").inner_text()
    assert command.endswith("train run good_photos --dataset taste --label good_or_bad")
    index = find_release(Workspace.at(Path(taste["home"])), "taste").index().to_pylist()
    assert 50 <= len(index) <= 60
    assert all(taste[row["asset_sha256"]] == row["good_or_bad"] for row in index)
    tab.close()


def test_a_task_is_begun_by_keyboard_and_another_person_has_labels_of_her_own(
    browser: Browser, labelled: str
) -> None:
    tab = Tab(browser, labelled)
    page = tab.open("/label")
    page.locator("#task").fill("mood")
    page.locator("#classes").fill("calm, loud, odd")
    page.locator("#by").fill("eve")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="loud 2")).to_be_visible()
    first = shown(page)
    page.keyboard.press("s")
    expect(page.locator("#picture")).not_to_have_attribute("data-picture", first)
    page.keyboard.press("2")
    expect(page.locator("#counts li").nth(1)).to_contain_text("1")
    assert "by=eve" in page.url
    page.get_by_role("button", name="Another task").click()
    page.get_by_role("button", name="mood: loud").click()
    expect(page.locator("#problem")).to_contain_text("two to nine classes")
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_labelling_fits_on_a_telephone(browser: Browser, labelled: str, scheme: str) -> None:
    small = Tab(browser, labelled, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page = small.open(FRAGMENT.replace("ada", f"kim-{scheme}"))
    page.locator(".class").nth(1).click()
    expect(page.locator("#progress")).to_contain_text("1 label ")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small.close()
