"""The command loads a room only when asked, and says what is missing."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import safelight
from catalog import TABLES, Workspace
from catalog.commands.text_table import aligned
from catalog.errors import MissingPartError, UsageError
from catalog.workspace.import_paths import check_ray_folder
from tests import factories

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


def each_command(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[click.Context]:
    """List a command and all that are below it."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=80)
    yield context
    if isinstance(command, click.Group):
        for part in command.list_commands(context):
            below = command.get_command(context, part)
            assert below is not None
            yield from each_command(below, part, context)


def test_no_line_of_any_help_is_cut() -> None:
    commands = list(each_command(safelight.cli, "safelight"))
    assert len(commands) > 50
    cut = [
        f"{context.command_path}: {line}"
        for context in commands
        for line in context.get_help().splitlines()
        if line.endswith("...") and not line.startswith("Usage: ")
    ]
    assert cut == []


def test_a_missing_library_names_the_pip_command() -> None:
    error = safelight._missing_extra(ModuleNotFoundError("no torch", name="torch"), "train")
    assert isinstance(error, MissingPartError)
    assert "pip install 'safelight[train]'" in str(error)


@pytest.mark.parametrize(
    ("module", "room", "extra"),
    [
        ("ray", "crawl", "cluster"),  # not the room's own
        ("ray.util", "crawl", "cluster"),
        ("ray", "curate", "cluster"),
        ("obstore", "crawl", "s3"),
        ("torch", "train", "train"),  # more than one has it: the room's own
        ("scrapy", "crawl", "crawl"),
        ("cv2", "curate", "curate"),  # a module that is not called as its package
    ],
)
def test_a_missing_library_names_the_extra_that_brings_it(
    module: str, room: str, extra: str
) -> None:
    error = safelight._missing_extra(ModuleNotFoundError(f"no {module}", name=module), room)
    assert f"pip install 'safelight[{extra}]'" in str(error)


def test_every_extra_of_its_own_lists_its_library() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for library, extra in safelight.EXTRAS.items():
        listed = extras["optional-dependencies"][extra]
        assert any(line.startswith((f"{library}>", f"{library}=")) for line in listed), library


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("crawl", "status"), "no crawls yet; start one with: python3 dev.py run crawl run SOURCE"),
        (("crawl", "resume"), "start one with: python3 dev.py run crawl run SOURCE"),
        (("crawl", "nothing"), "Try 'python3 dev.py run crawl --help' for help."),
        (("--version",), "safelight "),
    ],
)
def test_advice_names_the_command_as_its_starter_does(
    workspace: Workspace, words: tuple[str, ...], advice: str
) -> None:
    environment = {**os.environ, "SAFELIGHT_COMMAND": "python3 dev.py run"}
    command = [sys.executable, "-m", "safelight", "--home", str(workspace.home), *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert advice in done.stdout + done.stderr


# What is written into a file for other machines names the command as a wheel installs it.
_FOR_OTHER_MACHINES = ("catalog/pull/lockfile.py", "catalog/releases/cards/card.py")


@pytest.mark.long
def test_no_message_names_the_command_by_itself() -> None:
    """Docstrings may: they are read as documentation."""
    fixed = re.compile(rf"\bsafelight ({'|'.join(safelight.ROOMS)})\b")
    for room in safelight.OURS[:-1]:
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            documentation = {
                id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
            }
            texts = [
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in documentation
            ]
            name = path.relative_to(ROOT).as_posix()
            if name not in _FOR_OTHER_MACHINES:
                assert not [text for text in texts if fixed.search(text)], name


def test_a_home_that_is_no_folder_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SystemExit) as stopped:
            safelight.main(["--home", str(home), "crawl", "run", "folder", str(tmp_path)])
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
    assert "…" in "".join(aligned(["name"], [["long " * 30]], width=80))  # a terminal has an edge


def test_a_missing_module_of_ours_is_a_bug_and_not_an_extra() -> None:
    error = ModuleNotFoundError("no curation.nope", name="curation.nope")
    assert safelight._missing_extra(error, "curate") is error


def test_an_error_is_one_line_and_exit_code_one(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        safelight.main(["dataset", "show", "nothing", "--home", str(workspace.home)])
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("error: release 'nothing' does not exist")


def test_wrong_usage_is_exit_code_two(workspace: Workspace) -> None:
    with pytest.raises(SystemExit) as stopped:
        safelight.main(["catalog", "sql", "--home", str(workspace.home)])
    assert stopped.value.code == 2


def test_home_may_stand_before_or_after_the_command(workspace: Workspace) -> None:
    home = ["--home", str(workspace.home)]
    ask = ["catalog", "sql", "SELECT 7 AS n"]
    for words in ([*home, *ask], [*ask, *home]):
        done = CliRunner().invoke(safelight.cli, words)
        assert "7" in done.output


@pytest.fixture
def shadowing(tmp_path: Path) -> Path:
    """A folder with modules that bear the names of our packages and of what they import."""
    for name in ("catalog.py", "crawler.py", "click.py", "json.py", "multiprocessing.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").write_text("raise SystemExit('the wrong package')")
    (tmp_path / "photos").mkdir()
    for seed in range(6):
        (tmp_path / "photos" / f"{seed}.jpg").write_bytes(factories.jpeg(seed=seed))
    return tmp_path


def _in_folder(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=kept | more, capture_output=True, text=True, check=False
    )


@pytest.mark.long
def test_a_folder_with_modules_of_our_names_does_not_mislead_the_command_or_its_workers(
    shadowing: Path,
) -> None:
    # An installed `safelight` is found without the current folder; the workers are processes of their own.
    words = ("crawl", "run", "folder", "photos", "--workers", "2")
    done = _in_folder(shadowing, "-m", "safelight", *words)
    assert done.returncode == 0, done.stderr
    assert "6" in done.stdout
    assert "wrong" not in done.stdout + done.stderr


def test_what_hides_a_package_is_named(shadowing: Path) -> None:
    for name in ("json.py", "click.py", "multiprocessing.py"):
        (shadowing / name).unlink()
    refused = _in_folder(
        shadowing, "-m", "safelight", "catalog", "tables", PYTHONPATH=str(shadowing)
    )
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert f"{shadowing / 'catalog.py'} hides Safelight's own catalog" in refused.stderr


def test_rays_workers_are_not_started_in_a_folder_that_hides_ours(shadowing: Path) -> None:
    with pytest.raises(UsageError, match=r"catalog\.py there hides Safelight's own catalog"):
        check_ray_folder(shadowing)
    check_ray_folder(shadowing / "photos")
    check_ray_folder(ROOT)
