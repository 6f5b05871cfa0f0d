"""A workspace as users have it, and commands of users that are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from catalog import Workspace, open_catalog
from tests.factories import jpeg

ROOT = Path(__file__).parents[2]
_ENVIRONMENT = os.environ | {
    "SAFELIGHT_CRAWL_UNIT_IMAGES": "8",
    "SAFELIGHT_CRAWL_UNIT_S": "1",
    "SAFELIGHT_CRAWL_PUBLISH_S": "0.2",
    "OMP_NUM_THREADS": "1",
}


def make_photos(folder: Path, numbers: range) -> Path:
    """Make photographs of twelve cameras in twelve folders; every sixth one twice, so that curation drops some."""
    for number in numbers:
        seed = number - 1 if number % 6 == 5 else number
        body = jpeg(
            f_number=((14, 28, 56, 80)[seed % 4], 10),
            iso=(100, 400, 1600, 6400)[seed % 4],
            size=(320, 240),
            quality=90 if seed == number else 80,
            tags={"BodySerialNumber": str(seed % 12)},
            seed=seed,
        )
        path = folder / f"class{number % 3}" / f"scene{number % 12}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


def start(home: Path, words: Sequence[str]) -> "subprocess.Popen[str]":
    """Start `safelight WORDS --home HOME` in a process group of its own."""
    command = [sys.executable, "-m", "safelight", *words, "--home", str(home)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=_ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(home: Path, *words: str) -> tuple[int, str]:
    """Run one command to its end; return its exit code and what it said."""
    process = start(home, words)
    said, _ = process.communicate()
    return process.returncode, said


def kill_after(home: Path, words: Sequence[str], delay_s: float) -> bool:
    """Start a command and kill its whole process group; False when it had ended before."""
    process = start(home, words)
    time.sleep(delay_s)
    is_running = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL) if is_running else None
    process.communicate()
    return is_running


def make_workspace(home: Path, photos: Path) -> None:
    """Crawl, curate and publish, as a user does."""
    for words in (
        ("crawl", "run", "folder", str(photos), "--author", "Ann"),
        ("curate", "run", "--runner", "threads"),
        ("dataset", "publish", "demo"),
    ):
        code, said = run(home, *words)
        assert code == 0, said


def released_photo(home: Path) -> str:
    """Name a photo of the release that `make_workspace` published."""
    sql = "SELECT photo_id FROM curated_items ORDER BY photo_id LIMIT 1"
    with open_catalog(Workspace.at(home)) as catalog:
        return str(catalog.records(sql)[0]["photo_id"])
