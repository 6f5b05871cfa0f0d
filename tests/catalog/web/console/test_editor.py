"""The console's editor, search and questions in a real browser: words are found, completed and kept."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.catalog.web.console.running import PHOTOS, cells, rows
from tests.catalog.web.made_home import SHAS, N


def test_enter_in_the_search_inserts_what_fits_best(console: Page) -> None:
    for typed, inserted in (("exposure_t", "exposure_time"), ("photos", "photos")):
        console.locator("#sql").fill("")
        console.locator("#find-table").fill(typed)
        console.locator("#find-table").press("Enter")
        expect(console.locator("#sql")).to_have_value(re.compile(rf"^\s*{inserted}\s*$"))


def test_a_question_is_saved_with_its_parameters_and_deleted(console: Page) -> None:
    console.locator("#sql").fill("SELECT count(*) AS n FROM exif WHERE iso >= $least")
    console.locator("#save").click()
    console.locator("#save-name").fill("bright")
    console.locator("#save-question").fill("How many are bright?")
    console.locator("#save-form .primary").click()
    console.locator("#tab-questions").click()
    console.locator("#find-question").fill("bright")
    console.locator("#questions .entry[data-name=bright]").click()
    expect(console.get_by_label("$least")).to_be_focused()
    console.get_by_label("$least").fill("3200")
    console.get_by_label("$least").press("Enter")
    rows(console, "1 row")
    assert cells(console, 0) == [str(sum(n % 6 == 5 for n in range(N)))]
    console.locator("#questions .entry[data-name=bright]").click()
    rows(console, "1 row")
    assert cells(console, 0) == [str(sum(n % 6 == 5 for n in range(N)))], "the value stays"
    console.get_by_label("Delete bright").click()
    expect(console.locator("#questions .entry[data-name=bright]")).to_have_count(0)


def test_words_are_completed_from_the_tables_of_the_query(console: Page) -> None:
    editor = console.locator("#sql")
    editor.fill("SELECT p. FROM photos p")
    for _ in range(len(" FROM photos p")):
        editor.press("ArrowLeft")
    editor.press_sequentially("photog")
    expect(console.locator("#completions [aria-selected=true] b")).to_have_text("photographer")
    expect(console.locator("#completions [aria-selected=true] .about")).to_contain_text(
        "author's name"
    )
    editor.press("Tab")
    expect(editor).to_have_value("SELECT p.photographer FROM photos p")
    expect(console.locator("#completions")).to_be_hidden()
    editor.press("Control+z")
    expect(editor).not_to_have_value("SELECT p.photographer FROM photos p")


def test_the_tree_finds_columns_by_meaning_and_inserts_them(console: Page) -> None:
    console.locator("#sql").fill("SELECT ")
    console.locator("#find-table").fill("shutter time")
    item = console.locator("#tree [aria-level='2'][data-name=exposure_time]").first
    expect(item).to_be_visible()
    item.locator(".name").click()
    expect(console.locator("#sql")).to_have_value("SELECT exposure_time")


@pytest.mark.slow
def test_everything_can_be_reached_by_keyboard(console: Page) -> None:
    keys = console.keyboard
    console.evaluate("document.activeElement.blur()")  # the page begins in the editor
    keys.press("?")
    expect(console.locator("#shortcuts")).to_be_visible()
    keys.press("Escape")
    keys.press("/")
    keys.type("assets")
    keys.press("ArrowDown")
    assert console.evaluate("document.activeElement.dataset.name") == "assets"
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    assert console.evaluate("document.activeElement.dataset.name") == "sha256"
    keys.press("e")
    keys.press("Control+A")
    keys.type(f"{PHOTOS} LIMIT 3")
    keys.press("Control+Enter")
    rows(console, "3 rows")
    console.evaluate("document.activeElement.blur()")
    keys.press("r")
    keys.press("ArrowRight")
    keys.press("ArrowDown")
    keys.press("c")
    assert console.evaluate("navigator.clipboard.readText()") == "Picture 1"
    outline = console.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "people see where they are"
    keys.press("Home")
    keys.press("Enter")
    console.wait_for_url(f"**/pictures/{SHAS[1]}")
