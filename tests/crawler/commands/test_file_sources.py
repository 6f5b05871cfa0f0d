import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from catalog import SafelightError, Workspace
from crawler.commands.crawl import crawl
from crawler.commands.file_sources import MAKERS
from tests.crawler.sources.test_defects import HEADER
from tests.crawler.sources.test_idx import idx
from tests.crawler.sources.test_imdb_wiki import mat
from tests.factories import jpeg

DOCS = Path(__file__).parents[3] / "docs" / "sources"


def call(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(crawl, arguments, env={"SAFELIGHT_HOME": str(home)})


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with something for every source."""
    top = tmp_path / "own"
    (top / "faces").mkdir(parents=True)
    (top / "faces/1_0_0_20170117171613595.jpg").write_bytes(jpeg())
    (top / "faces/1_0_20170117171613595.jpg").write_bytes(jpeg())
    names = ",".join(f"n{i}" for i in range(1, 11))
    (top / "votes.csv").write_text(f"image_id,{names}\n7,1,1,1,1,1,1,1,1,1,1\n")
    (top / "defects.csv").write_text(f"{HEADER}\nhttp://a.example/1.jpg,0,0,0,0,0,0,2\n")
    (top / "prices.csv").write_text("date,close\n2024-01-02,1\nbad,1\n")
    (top / "t-images").write_bytes(idx(1, 2, 2, values=b"abcd"))
    (top / "t-labels").write_bytes(idx(1, values=b"\7"))
    mat(top)
    return top


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("folder faces --class-level 1 --author Ann", "2 files, "),
        ("utkface faces --training-basis study", "1 name will be refused"),
        ("imdb-wiki wiki.mat --keep-all", "6 files"),
        ("ava votes.csv --images faces", "2 rows of labels"),
        ("defects defects.csv --training-basis study", "6 rows of labels"),
        ("idx t-images t-labels --limit 9", "1 file"),
        ("sounds faces --pattern (?P<age>.).*", "2 files"),
        ("table prices.csv --date-format %Y-%m-%d", "1 row of prices"),
    ],
)
def test_every_source_is_planned(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, said: str
) -> None:
    monkeypatch.chdir(own)
    result = call(tmp_path / "home", "plan", *arguments.split())
    assert result.exit_code == 0, result.output
    assert said in result.output
    assert "passed over" in result.output


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "folder"])
def test_what_is_not_there_is_one_line(tmp_path: Path, name: str) -> None:
    files = [str(tmp_path / "none")] * (2 if name == "idx" else 1)
    for group in ("run", "plan"):
        result = call(tmp_path / "home", group, name, *files)
        assert isinstance(result.exception, SafelightError)
        assert re.fullmatch(
            r".*/none is not a (file|folder) that can be read", str(result.exception)
        )


def test_the_command_runs_the_source(own: Path, tmp_path: Path) -> None:
    result = call(tmp_path / "home", "run", "utkface", str(own / "faces"))
    assert result.exit_code == 0, result.output
    assert "brought in 1" in result.output
    assert "bad_name 1" in result.output


def _commands(name: str) -> list[list[str]]:
    text = (DOCS / f"{name}.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("safelight crawl ")]
    return [shlex.split(line)[2:] for line in lines]


@pytest.mark.parametrize("name", MAKERS)
def test_every_command_of_a_sources_page_can_be_typed(name: str) -> None:
    commands = _commands(name)
    assert {tuple(words[:2]) for words in commands} == {("plan", name), ("run", name)}
    for words in commands:
        group = crawl.commands[words[0]]
        assert isinstance(group, click.Group)
        command = group.commands[name]
        known = {flag for parameter in command.params for flag in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known
    assert f"[`{name}`]({name}.md)" in (DOCS / "index.md").read_text("utf-8")


def test_a_source_of_rows_says_what_it_read_and_nothing_of_pictures(
    workspace: Workspace, own: Path
) -> None:
    said = call(workspace.home, "run", "table", str(own / "prices.csv")).output
    assert "read 1 row without files, passed over 1 entry" in said
    assert "rows added: crawls 1, prices 1" in said
    status = call(workspace.home, "status").output
    assert "finished  1 row without files\n" in status
    for text in (said, status):
        assert not re.search(r"listed 0|brought in|0 done|ETA", text), text
    again = call(workspace.home, "retry").output
    assert "listed 0 photos, passed over 0 entries" in again  # a retry lists nothing


def test_pictures_beside_rows_are_counted_beside_them(workspace: Workspace, own: Path) -> None:
    faces = own / "faces"
    (faces / "7.jpg").write_bytes(jpeg())
    order = ("run", "ava", str(own / "votes.csv"), "--images", str(faces))
    said = call(workspace.home, *order).output
    assert "read 3 rows without files" in said
    assert "brought in 1 of 1 listed" in said
