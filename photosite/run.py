"""Run the whole demo in one command: serve, crawl, curate, publish, train, print a summary.

Each step is the command that a user would type; it is printed before it runs.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from catalog import (
    SafelightError,
    UsageError,
    Workspace,
    command_name,
    counted,
    format_duration,
    home_words,
    open_catalog,
)
from photosite.plan.plan import DemoPlan
from photosite.score import summary

DATASET = "demo"
BASIS = "rendered by Safelight itself"
SITE_START_S = 60


def run_demo(workspace: Workspace, *, count: int, seed: int) -> None:
    """Run every step in `workspace` and print a summary; raises `SafelightError` when a step fails."""
    start = time.monotonic()
    _refuse_other_pictures(workspace)
    workspace.make()
    with _site(workspace, count, seed) as address:
        _step(
            workspace, "crawl", "run", "unsplash", "--api-base", address, "--training-basis", BASIS
        )
    with _in_background(workspace, "crawl", "report"):
        _step(workspace, "curate", "run")
    _step(workspace, "dataset", "publish", DATASET)
    sheet = workspace.reports / "demo" / "contact_sheet.jpg"
    draw = ("demo", "contact-sheet", str(sheet), "--seed", str(seed))
    with (
        _in_background(workspace, "curate", "report"),
        nullcontext() if sheet.exists() else _in_background(workspace, *draw),
    ):
        _step(workspace, "train", "run", "exif", "--dataset", DATASET)
    print(f"\n{summary(workspace, DemoPlan(seed=seed, photos=count))}")
    for name, path in _pages(workspace):
        print(f"{name:<14} {path}")
    print(f"console        {_command_name()} serve{home_words()}")
    print(f"took           {format_duration(time.monotonic() - start)} from crawl to report")


def _command_name() -> str:
    """Name the command as it can be typed here: as its starter does, or `safelight`, or the path of its script."""
    if (name := command_name()) != "safelight":
        return name
    script, on_path = Path(sys.executable).with_name("safelight"), shutil.which("safelight")
    if not script.exists():
        return "safelight" if on_path else f"{shlex.quote(sys.executable)} -m safelight"
    if on_path and Path(on_path).samefile(script):
        return "safelight"
    relative = os.path.relpath(script)
    return shlex.quote(str(script) if relative.startswith(os.pardir) else relative)


def _refuse_other_pictures(workspace: Workspace) -> None:
    """Raise `UsageError` in a workspace that contains pictures of the user."""
    if not workspace.lake.is_dir() or (workspace.reports / "demo" / "port").exists():
        return
    with open_catalog(workspace) as catalog:
        (row,) = catalog.records("SELECT count(*) AS n FROM photos")
    if row["n"]:
        raise UsageError(
            f"{workspace.home} holds {counted(int(str(row['n'])), 'photo')} of your own; give the demo a workspace "
            f"of its own: {command_name()} demo run --home demo-workspace"
        )


def _pages(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    newest = sorted(
        workspace.reports.glob("training/*/report.html"), key=lambda p: p.stat().st_mtime
    )
    if newest:
        yield "report", newest[-1]
        yield from (("panel", path) for path in sorted(newest[-1].parent.glob("panel*.png")))
    yield from (("crawl", path) for path in sorted(workspace.reports.glob("crawl/*/index.html")))
    yield from (("curation", path) for path in workspace.reports.glob("curation/*/index.html"))
    yield "contact sheet", workspace.reports / "demo" / "contact_sheet.jpg"


def _step(workspace: Workspace, *arguments: str) -> None:
    """Print one command of Safelight and run it on the workspace."""
    print(f"\n$ {_command_name()} {shlex.join(arguments)}", flush=True)
    process = subprocess.run(_command(workspace, arguments), env=_environment(), check=False)  # noqa: S603 - our own command
    _raise_on_failure(arguments, process.returncode)


@contextmanager
def _in_background(workspace: Workspace, *arguments: str) -> Iterator[None]:
    """Run a read-only command in parallel with the block, then print the command and its output.

    It shows no progress: its lines would stand among those of the block.
    """
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(
            subprocess.run,
            _command(workspace, ("--quiet", *arguments)),
            env=_environment(),
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        yield
        print(
            f"\n$ {_command_name()} {shlex.join(arguments)}\n{future.result().stdout}",
            end="",
            flush=True,
        )
        _raise_on_failure(arguments, future.result().returncode)


def _raise_on_failure(arguments: Sequence[str], code: int) -> None:
    if code:
        raise SafelightError(f"the demo stopped: {_command_name()} {shlex.join(arguments)} failed")


@contextmanager
def _site(workspace: Workspace, count: int, seed: int) -> Iterator[str]:
    """Serve the demo site in a child process and yield its address.

    A second run uses the same port if it is free: the same address is the same crawl, which is finished then.
    """
    port = workspace.reports / "demo" / "port"
    port.parent.mkdir(exist_ok=True)
    port_text = port.read_text() if port.exists() and _is_free(int(port.read_text())) else "0"
    arguments = ("demo", "site", "--count", str(count), "--seed", str(seed), "--port", port_text)
    print(f"$ {_command_name()} {shlex.join(arguments)} &", flush=True)
    with subprocess.Popen(  # noqa: S603 - our own command
        _command(workspace, arguments), env=_environment(), stdout=subprocess.PIPE, text=True
    ) as site:
        try:
            address = _address(site)
            port.write_text(str(urlsplit(address).port))
            yield address
        finally:
            site.terminate()
            site.wait(SITE_START_S)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _address(site: "subprocess.Popen[str]") -> str:
    """Read the address from the first line of the site's output."""
    line = site.stdout.readline().strip() if site.stdout else ""
    if not line.startswith("http"):
        raise SafelightError(
            f"the demo site did not start; try it with: {command_name()} demo site"
        )
    return line


def _command(workspace: Workspace, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-P", "-m", "safelight", "--home", str(workspace.home), *arguments]


def _environment() -> dict[str, str]:
    """Return the environment with the demo's API key, a contact for the crawler and the name of the command."""
    demo = {"SAFELIGHT_UNSPLASH_KEY": "demo", "SAFELIGHT_CONTACT": "demo@localhost"}
    demo |= {"SAFELIGHT_COMMAND": _command_name()}
    return os.environ | demo
