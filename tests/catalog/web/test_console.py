"""The console in a real browser. Each window fails its test on a console error, blocked code or a foreign request."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.catalog.web.api.test_pages import PAGES
from tests.catalog.web.browsing import Tab
from tests.catalog.web.made_home import HOSTILE, SHAS, TURNED, N

PHOTOS = "SELECT asset_sha256, title, iso, licence FROM v_photos ORDER BY fetched_at"
ENDLESS = "SELECT sum(a.i * b.i) FROM range(3000000) a(i), range(3000000) b(i)"

LONG_NAMES = """() => {
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { data, parentElement } = texts.currentNode;
    const isFixed = parentElement.closest("button, option, label, kbd, thead, textarea, .ink, .sql");
    if (data.trim() && !isFixed) texts.currentNode.data = "Unbroken".repeat(25);
  }
}"""


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


def test_a_query_shows_thumbnails_that_lead_to_the_picture(console: Page) -> None:
    run(console, f"{PHOTOS} LIMIT 6")
    rows(console, "6 rows")
    first = console.locator("#grid tbody img").first
    expect(first).to_have_js_property("complete", True)
    assert first.evaluate("image => image.naturalWidth") > 0
    assert console.locator("#grid tbody img").count() == 6
    console.locator("#grid tbody a").first.click()
    expect(console).to_have_url(f"{console.url.split('/pictures')[0]}/pictures/{SHAS[TURNED]}")
    expect(console.locator("h1")).to_have_text(HOSTILE)


def test_hostile_text_stays_text(console: Page) -> None:
    run(console, f"SELECT title, licence FROM photos WHERE title LIKE '<img%' -- {HOSTILE}")
    rows(console, "1 row")
    assert cells(console, 0) == [HOSTILE]
    assert console.locator("#grid img, #grid script").count() == 0
    console.locator("#tab-history").click()
    expect(console.locator("#history code").first).to_contain_text("<script>alert(1)</script>")
    assert console.title() == "Console · Safelight"


def test_rows_are_sorted_and_paged_by_the_server(console: Page) -> None:
    run(console, "SELECT i, CASE WHEN i % 2 = 0 THEN i END AS even FROM range(250) t(i)")
    expect(console.locator("#page")).to_have_text("1 to 100 of 250")
    assert cells(console, 1)[:2] == ["0", "NULL"]
    console.locator("#grid th").first.click()
    console.locator("#grid th[aria-sort=ascending]").click()
    expect(console.locator("#grid th[aria-sort=descending]")).to_be_visible()
    expect(console.locator("#grid tbody td").first).to_have_text("249")
    console.locator("#next").click()
    expect(console.locator("#page")).to_have_text("101 to 200 of 250")
    assert cells(console, 0)[0] == "149"
    console.locator("#next").click()
    expect(console.locator("#next")).to_be_disabled()


@pytest.mark.slow
def test_a_chart_is_drawn_and_its_link_draws_it_again(console: Page) -> None:
    run(console, "SELECT iso, count(*) AS n, CAST(iso AS VARCHAR) AS name FROM exif GROUP BY iso")
    rows(console, "6 rows")
    console.locator("#tab-chart").click()
    expect(console.locator("#chart .bars .point")).to_have_count(6)
    for kind, mark in (
        ("scatter", ".scatterlayer .point"),
        ("line", ".scatterlayer .lines path"),
        ("box", ".boxlayer .box"),
        ("histogram", ".bars .point"),
    ):
        console.locator("#chart-form select").first.select_option(kind)
        expect(console.locator(f"#chart {mark}").first).to_be_attached()
    console.locator("#share").click()
    link = console.evaluate("navigator.clipboard.readText()")
    assert "#q=" in link
    assert "?" not in link, "no part of a query goes to the server's log"
    console.locator("#tab-rows").click()
    run(console, "SELECT 1")
    rows(console, "1 row")
    console.evaluate("link => { location.href = link; }", link)
    rows_of_link = console.locator("#tab-chart[aria-selected=true]")
    expect(rows_of_link).to_be_visible()
    status(console, "6 rows")
    expect(console.locator("#chart-form select").first).to_have_value("histogram")
    expect(console.locator("#sql")).to_have_value(re.compile("count"))


def test_a_long_query_is_cancelled_and_the_next_one_runs(console: Page) -> None:
    run(console, ENDLESS)
    status(console, "Running")
    expect(console.locator("#cancel")).to_be_visible()
    status(console, "s")
    console.keyboard.press("Escape")
    status(console, "Cancelled")
    run(console, "SELECT 42 AS answer")
    rows(console, "1 row")
    assert cells(console, 0) == ["42"]


def test_a_past_snapshot_is_read(console: Page) -> None:
    oldest = console.locator("#as-of option").last
    expect(console.locator("#as-of option").nth(2)).to_be_attached()
    snapshot = console.locator("#as-of option", has_text="tables and views").first.get_attribute(
        "value"
    )
    assert oldest.get_attribute("value") == "0"
    run(console, "SELECT count(*) AS n FROM photos")
    expect(console.locator("#grid tbody td").first).to_have_text(str(N))
    console.locator("#as-of").select_option(snapshot)
    run(console, "SELECT count(*) AS n FROM photos")
    status(console, f"snapshot {snapshot}")
    expect(console.locator("#grid tbody td").first).to_have_text("0")
    assert f"as_of={snapshot}" in console.url


def test_enter_in_the_search_inserts_what_fits_best(console: Page) -> None:
    for typed, inserted in (("exposure_t", "exposure_time"), ("photos", "photos")):
        console.locator("#sql").fill("")
        console.locator("#find-table").fill(typed)
        console.locator("#find-table").press("Enter")
        expect(console.locator("#sql")).to_have_value(re.compile(rf"^\s*{inserted}\s*$"))


def test_columns_with_an_infinite_value_are_summed_up(console: Page) -> None:
    run(console, "FROM (VALUES ('inf'::DOUBLE, 1), (2.0, 2), (3.0, 3)) t(far, near)")
    rows(console, "3 rows")
    console.locator("#tab-columns").click()
    expect(console.locator("#columns tbody tr")).to_have_count(2)
    expect(console.locator("#columns")).to_contain_text("inf")


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


def test_columns_are_summarised_and_values_shown_whole(console: Page) -> None:
    run(console, "SELECT repeat('long ', 100) AS text, iso FROM exif")
    rows(console, f"{N} rows")
    assert len(cells(console, 0)[0]) < 200
    console.locator("#grid tbody td").first.dblclick()
    expect(console.locator("#cell-text")).to_have_text("long " * 100, use_inner_text=False)
    console.keyboard.press("Escape")
    console.locator("#tab-columns").click()
    expect(console.locator("#columns tbody tr")).to_have_count(2)
    expect(console.locator("#columns tbody tr").nth(1)).to_contain_text("3200")


def test_a_result_is_downloaded(console: Page) -> None:
    run(console, "SELECT 1 AS a, 'x' AS b")
    rows(console, "1 row")
    with console.expect_download() as download:
        console.locator("#export a", has_text="CSV").click()
    assert Path(download.value.path()).read_text().split() == ["a,b", "1,x"]
    with console.expect_download() as download:
        console.locator("#export a", has_text="JSON").click()
    assert json.loads(Path(download.value.path()).read_text()) == [{"a": 1, "b": "x"}]


def test_an_error_is_said_in_words_and_limits_are_shown(console: Page) -> None:
    expect(console.locator("#limits")).to_have_text("limits: 30 s, 100,000 rows, 1,024 MB")
    run(console, "SELECT nope FROM photos")
    expect(console.locator("#problem")).to_contain_text('"nope" not found')
    run(console, "SELECT 1")
    rows(console, "1 row")
    expect(console.locator("#problem")).to_be_hidden()


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


def test_a_number_stands_right_under_its_name_and_text_left(console: Page) -> None:
    run(console, "SELECT 'a' AS name, 1.5 AS ratio, i AS n FROM range(3) t(i)")
    rows(console, "3 rows")
    for place, side in enumerate(("left", "right", "right")):
        for cell in console.locator(f"#grid [data-place='{place}']").all():
            assert cell.evaluate("c => getComputedStyle(c).textAlign") in (side, "start"), place
    edges = console.locator("#grid [data-place='2']").evaluate_all(
        "cells => cells.map(c => { const r = document.createRange(); r.selectNodeContents(c);"
        " return r.getBoundingClientRect().right; })"
    )
    assert max(edges) - min(edges) < 1
    assert max(edges) < 1000, "the last number does not stand alone at the far edge"


@pytest.mark.parametrize(
    ("columns", "listed", "kind", "x"),
    [
        (
            "asset_sha256:VARCHAR title:VARCHAR f_number:DOUBLE iso:DOUBLE",
            [],
            "scatter",
            "f_number",
        ),
        ("camera:VARCHAR iso:DOUBLE width:INTEGER", [["a", 1, 2], ["a", 3, 4]], "scatter", "iso"),
        ("camera:VARCHAR n:BIGINT median:DOUBLE", [["a", 1, 2], ["b", 1, 2]], "bar", "camera"),
        ("day:DATE n:BIGINT", [["2026-01-01", 1], ["2026-01-02", 1]], "line", "day"),
        ("taken:TIMESTAMP iso:DOUBLE", [["2026", 1], ["2026", 2]], "scatter", "taken"),
        ("photo_id:VARCHAR iso:DOUBLE", [["a", 1], ["b", 2]], "histogram", "iso"),
        ("photo_id:VARCHAR camera:VARCHAR", [["a", "x"], ["b", "y"]], "histogram", "photo_id"),
    ],
)
def test_raw_rows_begin_as_a_scatter_and_aggregates_as_bars(
    console: Page, columns: str, listed: list[list[object]], kind: str, x: str
) -> None:
    given = [dict(zip(("name", "type"), each.split(":"), strict=True)) for each in columns.split()]
    choice = console.evaluate(
        "async ([columns, listed]) => (await import('/static/chart.js')).suggest(columns, listed)",
        [given, listed],
    )
    assert (choice["kind"], choice["x"]) == (kind, x)


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
    assert links.all_inner_texts() == ["Console", "Datasets", "Crawls", "Review"]
    nav = page.locator("header.top nav").bounding_box()
    assert nav
    for link in links.all():
        box = link.bounding_box()
        assert box
        assert box["x"] + box["width"] <= min(width, nav["x"] + nav["width"] + 0.5)
        assert box["height"] >= 44, "large enough for a thumb"
    assert page.get_by_role("link", name="Safelight").count() == 1
    small.close()


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


def brightness(page: Page) -> int:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(colour.removeprefix("rgb(").split(",")[0])
