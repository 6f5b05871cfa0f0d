"""The suite knows every benchmark and every table, and tells which tables are older than their code."""

import argparse
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench_curate_scale, suite
from benchmarks.earlier_table import peers_note, with_programs_of
from benchmarks.suite import ENTRIES, RESULTS, ROOT, Entry, changes_since, commit_of, git, listing


def test_every_entry_has_a_script_with_its_options() -> None:
    assert len(ENTRIES) > 20
    for entry in ENTRIES:
        source = entry.path.read_text("utf-8")
        for option in re.findall(r"--([a-z-]+)", entry.words):
            assert f'"--{option}"' in source or f'"{option}"' in source, f"{entry.name}: {option}"


def test_every_table_belongs_to_an_entry_and_every_path_exists() -> None:
    tables = {re.sub(r"_\d+core_\d{6}$", "", path.stem) for path in RESULTS.glob("*.md")}
    named = {entry.table or entry.name for entry in ENTRIES} | set(suite.OTHER_TABLES)
    assert tables <= named | suite.unlisted()
    for entry in ENTRIES:
        assert [path for path in entry.measures if not (ROOT / path).exists()] == [], entry.name
        assert entry.needs <= {"data", "home"}


def test_a_table_is_as_old_as_the_newest_commit_that_it_names(tmp_path: Path) -> None:
    newest = git("rev-parse", "--short", "HEAD")
    if not newest:
        pytest.skip("needs the history of the repository")
    oldest = git("rev-list", "--max-parents=0", "HEAD").split()[0]
    table = tmp_path / "any.md"
    table.write_text(
        f"Commits {oldest[:9]} and, later, commit `{newest}`; commit deadbeef is not here."
    )
    assert commit_of(table) == newest
    assert changes_since(newest, ("training",)) == 0
    assert changes_since(oldest, ("training",)) >= 0
    assert changes_since("", ("training",)) == 0


def test_the_list_says_what_is_missing_to_run_each() -> None:
    lines = list(listing({"home"}))
    assert len(lines) == len(ENTRIES) + len(suite.unlisted()) + 3
    [crawl] = [line for line in lines if line.startswith("crawl ")]
    assert crawl.endswith("--data DIR")
    [sounds] = [line for line in lines if line.startswith("sounds ")]
    assert sounds.endswith("ready")


def test_other_programs_of_an_earlier_table_are_kept() -> None:
    page = (
        "| program | n |\n| --- | ---: |\n| we | 1 |\n\n| kind | we |\n| --- | ---: |\n| blur | 3 |"
    )
    old = page.replace("| we | 1 |", "| we | 0 |\n| it 2 | 5 |").replace("kind | we", "kind | it 2")
    both = with_programs_of(page, old.replace("3", "4"), ["it"])
    assert both.splitlines()[3:] == [
        "| it 2 | 5 |", "", "| kind | we | it 2 |", "| --- | ---: | ---: |", "| blur | 3 | 4 |"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no row 'blur'"):
        with_programs_of(page, old.replace("blur", "noise"), ["it"])
    assert "table of commit abc123, which" in peers_note(
        "It and it are those of the table of\ncommit abc123."
    )


def test_a_wrong_name_is_refused_and_missing_data_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="no such benchmark: nothing"):
        suite.main(["all", "--only", "nothing"])
    assert suite.main(["all", "--only", "sounds", "--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "left out sounds: give --home" in shown
    assert "0 of 0 ran" in shown


@pytest.mark.slow
def test_a_table_is_written_by_the_script_or_from_what_it_prints(tmp_path: Path) -> None:
    options = argparse.Namespace(output=tmp_path, data=None, home=None)
    for entry in (
        Entry("query", "--photos 200 --rounds 2 --output {output}", ()),
        Entry("commit", "--rows 50 --commits 2 --existing 100", ()),
        Entry("commit", "--rows many", ()),
    ):
        code = suite.run(entry, options, tmp_path)
        assert (code == 0) == (entry.words != "--rows many")
    [commit, query] = sorted(tmp_path.glob("*.md"))
    assert commit.name.startswith("commit_")
    assert "| 100 | 50 |" in commit.read_text("utf-8")
    assert "`python3 dev.py bench commit --rows 50" in commit.read_text("utf-8")
    assert query.read_text("utf-8").startswith("# ")


def test_the_table_of_curation_has_the_steps_of_every_size() -> None:
    """Small collections have a step that large ones leave out."""
    many: dict[str, Any] = {"cpu_s": 3.0, "groups": 4, "step_times": {"stages": 2.0}}
    few = many | {"step_times": {"stages": 1.0, "shared content": 0.5}}
    again = {"again": {"cpu_s": 1.0}, "more": {"cpu_s": 2.0}, "index_mb": 1.0, "rss_mb": 900.0}
    sizes = [{"n": 2000, "first": many, **again}, {"n": 200, "first": few, **again}]
    page = bench_curate_scale.report(sizes, None)
    assert "| stages, s per 1,000 | shared content, s per 1,000 |" in page
    assert "| 2,000 | 1.50 | 1.00 | 0.00 | 1.0 | 2.0 | 4 of" in page
    assert "| 200 | 15.00 | 5.00 | 2.50 |" in page
