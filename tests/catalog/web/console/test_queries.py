"""Statements and their results in the console of a real browser. Each window fails its test on a console error, blocked
code or a foreign request."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.catalog.web.console.running import ENDLESS, PHOTOS, cells, rows, run, status
from tests.catalog.web.made_home import HOSTILE, SHAS, TURNED, N


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


def test_columns_with_an_infinite_value_are_summed_up(console: Page) -> None:
    run(console, "FROM (VALUES ('inf'::DOUBLE, 1), (2.0, 2), (3.0, 3)) t(far, near)")
    rows(console, "3 rows")
    console.locator("#tab-columns").click()
    expect(console.locator("#columns tbody tr")).to_have_count(2)
    expect(console.locator("#columns")).to_contain_text("inf")


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
