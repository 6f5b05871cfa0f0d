"""What the demo says at its end can be typed, and shows the demo's pictures."""

import os
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import dev
import safelight
from catalog import Workspace, open_catalog
from photosite import run
from tests.catalog.pictures import bring

SCRIPT = Path(sys.executable).with_name("safelight")


@pytest.mark.skipif(not SCRIPT.exists(), reason="safelight is not installed as a script")
def test_the_command_is_named_as_it_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAFELIGHT_COMMAND", raising=False)
    monkeypatch.setenv("PATH", str(SCRIPT.parent))
    assert run._command_name() == "safelight"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(SCRIPT.parents[1])
    assert run._command_name() == "bin/safelight"
    (tmp_path / "safelight").write_text("#!/bin/sh\n")
    (tmp_path / "safelight").chmod(0o755)  # another one of this name
    monkeypatch.chdir(tmp_path)
    assert shlex.split(run._command_name()) == [str(SCRIPT)]


def test_the_demo_names_the_command_as_dev_py_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["./dev.py", "demo"])
    for name, value in dev.named_command().items():
        monkeypatch.setenv(name, value)
    assert run._command_name() == "python3 ./dev.py run"
    assert run._environment()["SAFELIGHT_COMMAND"] == "python3 ./dev.py run"


def test_a_command_in_the_background_prints_at_its_end_only(
    workspace: Workspace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    words = (
        "crawl",
        "run",
        "folder",
        str(tmp_path / "empty"),
    )  # announces its progress in any case
    with run._in_background(workspace, *words):
        sys.stdout.write("the block\n")
    out, err = capfd.readouterr()
    assert out.startswith("the block\n\n$ ")
    assert f"{shlex.join(words)}\ncrawl " in out
    assert err == ""


def test_the_demo_installs_what_the_commands_at_its_end_need() -> None:
    needed = {extra for _, extra, _ in safelight.ROOMS.values() if extra}
    assert needed <= set(dev.EXTRAS["demo"].split(","))


@pytest.mark.long
def test_serve_shows_the_workspace_of_the_folder_it_is_typed_in(
    workspace: Workspace, tmp_path: Path
) -> None:
    """As after the demo: no --home and no SAFELIGHT_HOME, only ./workspace."""
    bring(workspace, range(3))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "workspace").symlink_to(workspace.home)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SAFELIGHT_")}
    command = [sys.executable, "-m", "safelight", "serve", "--port", "0"]
    environment["PYTHONPATH"] = str(Path(dev.__file__).parent)
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout
            address = server.stdout.readline().split()[2]
            with urllib.request.urlopen(address, timeout=30) as page:
                assert (page.status, "Safelight" in page.read().decode()) == (200, True)
            with urllib.request.urlopen(f"{address}crawls", timeout=30) as page:
                assert page.status == 200
        finally:
            server.terminate()
            server.wait(30)
