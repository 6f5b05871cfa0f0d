"""Folders that are no workspace, and disks that cannot be written: one line that says what to do, no traceback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import safelight
from catalog import Workspace
from tests.factories import jpeg

ROOT = Path(__file__).parents[1]
# Commands that may begin a workspace, and those that know none.
BEGIN = {
    *("catalog restore", "crawl block", "dataset pull", "demo run", "serve"),
    *("crawl plan unsplash", "dataset keygen", "dataset unlock", "demo contact-sheet"),
    *("demo site", "init", "doctor"),
    *("train recipes", "crawl plan commons", "crawl plan img2dataset"),
    "crawl plan generated-faces",
}
NEEDED = {
    "catalog backup": ["DEST"],
    "catalog sql": ["SELECT 1"],
    "catalog takedown": ["--sha256", "0" * 64, "--reason", "r"],
    "crawl retry": [],
    "crawl unblock": ["photo", "0" * 32, "--reason", "r"],
    "curate decide": ["0" * 64, "keep", "--reason", "r"],
    "curate purge": ["--older-than", "30d"],
    "curate undo": ["x"],
    "dataset card": ["x"],
    "dataset diff": ["x", "y"],
    "dataset export": ["x", "--format", "croissant", "--to", "DEST"],
    "dataset lock": ["x"],
    "dataset publish": ["x"],
    "dataset revoke": ["x@1.0.0", "--reason", "r"],
    "dataset show": ["x"],
    "dataset sign": ["x", "--key", "DEST"],
    "dataset verify": ["x"],
    "models add": ["x", __file__],
    "models remove": ["x"],
    "train complexity": ["x", "--over", "x=1,2"],
    "train evaluate": ["x"],
    "train limits": ["x"],
    "train predict": ["x", __file__],
    "train run": ["x"],
}


def commands() -> Iterator[str]:
    for room in safelight.ROOMS:
        group = safelight.cli.get_command(click.Context(safelight.cli), room)
        if not isinstance(group, click.Group):
            yield room
            continue
        for name, command in group.commands.items():
            below = command.commands if isinstance(command, click.Group) else {"": command}
            yield from (f"{room} {name} {deeper}".rstrip() for deeper in below)


def said_by(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as stopped:
        safelight.main(words)
    return stopped.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [c for c in commands() if c not in BEGIN and not c.startswith(("crawl run ", "crawl plan "))]
)  # fmt: skip
def test_a_folder_that_is_no_workspace_is_refused_and_left_alone(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.delenv("SAFELIGHT_HOME", raising=False)
    Workspace.at(tmp_path / "workspaces" / "cameras")
    typo = tmp_path / "workspaces" / "camera"
    arguments = [str(tmp_path / "x") if w == "DEST" else w for w in NEEDED.get(command, [])]
    code, said = said_by([*command.split(), *arguments, "--home", str(typo)], capsys)
    assert code == 1, said
    assert said.startswith(f"error: {typo} does not exist; workspaces beside it: cameras.")
    assert "--home" in said
    assert said.count("\n") == 1
    assert not typo.exists()


def test_an_empty_folder_is_refused_and_one_with_settings_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = said_by(["crawl", "status", "--home", str(tmp_path)], capsys)
    assert (code, f"{tmp_path} is not a workspace" in said) == (1, True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "safelight.toml").write_text("")
    assert said_by(["crawl", "status", "--home", str(tmp_path)], capsys)[0] == 0


def test_counting_files_makes_no_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    words = ["crawl", "plan", "folder", str(tmp_path / "photos"), "--home", str(tmp_path / "home")]
    assert said_by(words, capsys) == (0, "")
    assert not (tmp_path / "home").exists()


def run(*words: str, output: int | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own; its errors are given."""
    command = [sys.executable, "-m", "safelight", *words]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | more,
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    "words",
    [("--home", "{}", "catalog", "tables"), ("catalog", "tables", "--home", "{}")],
)
def test_a_home_that_is_typed_comes_before_the_one_of_the_environment(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    typed, other = tmp_path / "typed", Workspace.at(tmp_path / "other").home
    done = run(*(word.format(typed) for word in words), SAFELIGHT_HOME=str(other))
    assert done.returncode == 1
    assert str(typed) in done.stderr
    assert run("catalog", "tables", SAFELIGHT_HOME=str(other)).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["catalog", "tables"],
        ["catalog", "tables", "--json"],
        ["catalog", "sql", "SELECT range FROM range(100000)"],
    ],
)
def test_output_that_nobody_reads_ends_quietly(workspace: Workspace, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `| head` does, sooner
    done = run("--home", str(workspace.home), *words, output=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_to_a_full_disk_is_one_line(workspace: Workspace) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    done = run("--home", str(workspace.home), "catalog", "tables", output=full)
    os.close(full)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the disk is full: make room.")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 6 MB, where that is allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs mount")
    if done.returncode:
        pytest.skip("may not mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take all room of a disk."""
    path = disk / "fill"
    with path.open("wb", buffering=0) as raw:
        try:
            while raw.write(bytes(4096)):
                pass
        except OSError:
            return path
    return path


READS = (("crawl", "status"), ("catalog", "tables"))


@pytest.mark.slow
def test_a_full_and_a_read_only_disk_are_one_line_and_harm_nothing(
    small_disk: Path, tmp_path: Path
) -> None:
    home, photos = str(small_disk / "home"), tmp_path / "photos"
    photos.mkdir()
    for number in range(6):
        (photos / f"{number}.jpg").write_bytes(jpeg(iso=100 + number))
    crawl = ("crawl", "run", "folder", str(photos))
    assert run("--home", home, *crawl).returncode == 0
    (photos / "7.jpg").write_bytes(jpeg(iso=700))
    full = fill(small_disk)
    commands = [crawl, ("crawl", "status"), ("catalog", "tables"), ("curate", "run")]
    for words in commands:
        done = run("--quiet", "--home", home, *words)  # no progress among the lines
        assert done.returncode == 1, words
        assert "the disk is full" in done.stderr.lower(), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
    full.unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for words in commands:
        done = run("--quiet", "--home", home, *words)  # no progress among the lines
        # What only reads may do without writing: SQLite needs to where a log is left.
        assert done.returncode == 1 or words in READS, words
        if done.returncode:
            assert "read-only" in done.stderr, done.stderr
            assert done.stderr.count("\n") == 1, done.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    for words in (crawl, ("catalog", "verify"), ("crawl", "verify")):
        done = run("--quiet", "--home", home, *words)  # no progress among the lines
        assert done.returncode == 0, done.stderr
