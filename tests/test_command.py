"""The command loads a room only when asked, and says what is missing."""

import importlib
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import safelight
from catalog import TABLES, Workspace
from catalog.errors import MissingPartError
from catalog.printing import aligned

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "scrapy", "faiss", "duckdb", "polars", "pyarrow")


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys, safelight
try:
    safelight.main(["--help"])
except SystemExit:
    pass
assert not [name for name in {HEAVY} if name in sys.modules], sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(room in done.stdout for room in safelight.ROOMS)


@pytest.mark.parametrize("room", list(safelight.ROOMS))
def test_every_command_has_help(room: str) -> None:
    group = safelight.cli.get_command(click.Context(safelight.cli), room)
    assert group is not None
    parts = group.commands if isinstance(group, click.Group) else {"": group}
    for name, command in parts.items():
        words = [word for word in (room, name, "--help") if word]
        shown = CliRunner().invoke(safelight.cli, words)
        assert shown.exit_code == 0, name
        assert command.help, f"{room} {name} says nothing about itself"


def test_a_missing_library_names_the_pip_command() -> None:
    error = safelight._missing(ModuleNotFoundError("no torch", name="torch"), "train")
    assert isinstance(error, MissingPartError)
    assert "pip install 'safelight[train]'" in str(error)


@pytest.mark.parametrize(
    ("module", "room", "extra"),
    [
        ("ray", "crawl", "cluster"),  # not the room's own
        ("ray.util", "crawl", "cluster"),
        ("obstore", "crawl", "s3"),
        ("torch", "train", "train"),  # more than one has it: the room's own
        ("scrapy", "crawl", "crawl"),
        ("cv2", "curate", "curate"),  # a module that is not called as its package
    ],
)
def test_a_missing_library_names_the_extra_that_brings_it(
    module: str, room: str, extra: str
) -> None:
    error = safelight._missing(ModuleNotFoundError(f"no {module}", name=module), room)
    assert f"pip install 'safelight[{extra}]'" in str(error)


def test_every_extra_of_its_own_lists_its_library() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for library, extra in safelight.EXTRAS.items():
        listed = extras["optional-dependencies"][extra]
        assert any(line.startswith((f"{library}>", f"{library}=")) for line in listed), library


def test_a_home_that_is_no_folder_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SystemExit) as stopped:
            safelight.main(["--home", str(home), "catalog", "tables"])
        assert stopped.value.code == 1
        said = capsys.readouterr().err
        assert said.startswith(f"error: {home} cannot be a workspace: ")
        assert "--home" in said
        assert said.count("\n") == 1


def test_tables_are_whole_where_no_person_reads_them(workspace: Workspace) -> None:
    said = CliRunner().invoke(safelight.cli, ["--home", str(workspace.home), "catalog", "tables"])
    assert "…" not in said.output
    for table in TABLES.values():
        assert table.meaning in said.output
    assert "…" in "".join(aligned(["name"], [["long " * 30]]))  # a terminal has an edge


def test_a_missing_module_of_ours_is_a_bug_and_not_an_extra() -> None:
    error = ModuleNotFoundError("no curation.nope", name="curation.nope")
    assert safelight._missing(error, "curate") is error


def test_an_error_is_one_line_and_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        safelight.main(["dataset", "show", "nothing", "--home", str(tmp_path)])
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("error: release 'nothing' does not exist")


def test_wrong_usage_is_exit_code_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        safelight.main(["catalog", "sql"])
    assert stopped.value.code == 2


def test_home_may_stand_before_or_after_the_command(tmp_path: Path) -> None:
    for words in (
        ["--home", str(tmp_path / "a"), "catalog", "sql", "SELECT 7 AS n"],
        ["catalog", "sql", "SELECT 7 AS n", "--home", str(tmp_path / "b")],
    ):
        done = CliRunner().invoke(safelight.cli, words)
        assert "7" in done.output
    assert (tmp_path / "a" / "lake").exists()
    assert (tmp_path / "b" / "lake").exists()


@pytest.mark.parametrize("room", ["catalog", "crawler", "curation", "training"])
def test_the_face_of_each_room_is_sorted_and_documented(room: str) -> None:
    module = importlib.import_module(room)
    assert module.__all__ == sorted(
        module.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n)
    )
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, f"{room}.{name} has no docstring"
