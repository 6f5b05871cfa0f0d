from datetime import datetime
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from crawler.commands.planner import plan_files
from crawler.errors import InputMissingError, InputRefusedError
from crawler.session.crawl import crawl
from crawler.sources import TableSource
from crawler.sources.table import PAGE

YAHOO = """Date,Open,High,Low,Close,Adj Close,Volume
2024-01-02,10.5,11,10,10.75,10.5,1000
2024-01-03,10.75,11.5,10.5,11,10.8,1200
2024-01-03,1,1,1,1,1,1
2024-01-04,null,null,null,null,null,null
2024-13-05,1,1,1,1,1,1
2024-01-05,1,1,1,one,1,1
2024-01-06,1,1
,1,1,1,1,1,1

2024-01-08,,,,12,,
"""


def test_days_come_in_once_and_bad_lines_are_counted(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "acme.csv").write_text(YAHOO)
    source = TableSource(str(tmp_path / "acme.csv"))
    plan = plan_files(source)
    assert (plan.files, plan.rows, plan.skipped) == (0, {"prices": 4}, 5)
    assert plan.bytes == len(YAHOO)
    summary = crawl(workspace, source)
    assert (summary.status, summary.skipped, summary.rows["prices"]) == ("finished", 5, 3)
    assert crawl(workspace, source).rows == {"crawls": 1}
    with open_catalog(workspace) as catalog:
        found = catalog.records("FROM prices ORDER BY day")
    first = found[0]
    assert first.pop("crawl_id") == summary.crawl_id
    assert first == {
        "series": "acme",
        "day": datetime.fromisoformat("2024-01-02"),
        "open": 10.5,
        "high": 11,
        "low": 10,
        "close": 10.75,
        "adjusted_close": 10.5,
        "volume": 1000,
    }
    assert [row["close"] for row in found] == [10.75, 11, 12]
    assert found[2]["open"] is None


def test_a_folder_holds_series_by_file_and_by_column(workspace: Workspace, tmp_path: Path) -> None:
    top = tmp_path / "prices"
    (top / "old").mkdir(parents=True)
    (top / "one.csv").write_text("\ufeffVOLUME,close,DATE\n5,1.5,2024-01-02\n", "utf-8")
    (top / "old/two.CSV").write_text(
        "Symbol,Date,Adj_Close,Close*\nB,2024-01-02 00:00:00-05:00,1,2\nC,20240103,3,4\n"
    )
    (top / "notes.txt").write_text("no table")
    assert crawl(workspace, TableSource(str(top))).rows["prices"] == 3
    with open_catalog(workspace) as catalog:
        found = catalog.records("SELECT series, day::DATE::TEXT AS day, close, volume FROM prices")
    assert {tuple(row.values()) for row in found} == {
        ("one", "2024-01-02", 1.5, 5.0),
        ("B", "2024-01-02", 2.0, None),
        ("C", "2024-01-03", 4.0, None),
    }


def test_days_may_be_written_otherwise(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text('Date,Close,Volume\n01/31/2024,"$1,234.50",-\n')
    [page] = TableSource(str(tmp_path / "n.csv"), "%m/%d/%Y").pages("c")
    [row] = page.rows["prices"]
    assert (row["day"], row["close"]) == (datetime.fromisoformat("2024-01-31"), 1234.5)
    [page] = TableSource(str(tmp_path / "n.csv")).pages("c")
    assert (page.rows["prices"], page.skipped) == ([], 1)


def test_long_tables_come_in_pages(tmp_path: Path) -> None:
    lines = [f"{1000 + n // 365}-01-01,{n}" for n in range(PAGE + 1)]
    (tmp_path / "long.csv").write_text("\n".join(["date,close", *lines]))
    pages = TableSource(str(tmp_path / "long.csv")).pages("c")
    assert [len(page.rows["prices"]) for page in pages] == [PAGE, 1]


@pytest.mark.parametrize("value", ["inf", "-1", "1e999", "0x10"])
def test_a_price_that_cannot_be_is_no_price(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.csv").write_text(f"date,close\n2024-01-02,{value}\n")
    assert [page.skipped for page in TableSource(str(tmp_path / "a.csv")).pages("c")] == [1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Date,Open\n", "no column for close"),
        ("a,b\n", "no column for close and day"),
        ("", "no line of column names"),
        ("\0\0\0", "no column for"),
    ],
)
def test_a_table_without_days_or_prices_is_refused_before_any_comes_in(
    tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "a.csv").write_text(YAHOO)
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(InputRefusedError, match=why):
        TableSource(str(tmp_path)).check()


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"none\.csv is not a file that can be read"):
        TableSource(str(tmp_path / "none.csv")).check()
    with pytest.raises(InputRefusedError, match=r"it holds no \.csv file"):
        TableSource(str(tmp_path)).check()


def test_a_line_that_csv_cannot_read_costs_no_other_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"date,close\n2024-01-02,{'1' * 200_000}\n2024-01-03,2\n")
    [page] = TableSource(str(tmp_path / "a.csv")).pages("c")
    assert ([row["close"] for row in page.rows["prices"]], page.skipped) == ([2.0], 1)
