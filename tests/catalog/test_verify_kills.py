"""Commands of users are killed at any moment: `catalog verify` says nothing then, and nothing after they ran again.

`SAFELIGHT_TEST_KILLS` sets how many are killed, `SAFELIGHT_TEST_SEED` when.
"""

import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog import Workspace
from tests.catalog.killed_commands import (
    kill_after,
    make_photos,
    make_workspace,
    released_photo,
    run,
    start,
)
from tests.catalog.pictures import bring

KILLS = int(os.environ.get("SAFELIGHT_TEST_KILLS", "20"))
SEED = int(os.environ.get("SAFELIGHT_TEST_SEED", "20261129"))


@dataclass(frozen=True)
class Command:
    """Words of a command that is killed, and what makes the home ready for it."""

    words: tuple[str, ...]
    prepare: Callable[[Path], object] = str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with `home` (crawled, curated, published) and pictures to crawl in `photos` and `more`."""
    folder = tmp_path_factory.mktemp("kills")
    make_photos(folder / "more", range(100, 140))
    make_workspace(folder / "home", make_photos(folder / "photos", range(60)))
    return folder


def commands(folder: Path) -> dict[str, Command]:
    """Name the commands that write; each time the next one is killed."""
    photo = released_photo(folder / "home")
    lock, source = str(folder / "safelight.lock"), str(folder / "home" / "releases")
    return {
        "crawl": Command(("crawl", "run", "folder", str(folder / "more"))),
        "commit": Command(("catalog", "commit"), fill_spool),
        "curate": Command(("curate", "run", "--runner", "threads", "--seed", "5")),
        "publish": Command(("dataset", "publish", "two")),
        "pull": Command(
            ("dataset", "pull", "demo", "--from", source, "--lock-file", lock), shutil.rmtree
        ),
        "maintain": Command(("catalog", "maintain", "--grace-hours", "0"), fill_spool),
        "takedown": Command(
            ("catalog", "takedown", "--photo-id", photo, "--reason", "asked", "--yes")
        ),
        "purge": Command(("curate", "purge", "--older-than", "0d", "--yes")),
        "backup": Command(("catalog", "backup", str(folder / "backup"))),
        "verify": Command(("catalog", "verify")),
    }


def fill_spool(home: Path) -> None:
    for number in range(6):
        bring(Workspace.at(home), range(number * 3, number * 3 + 3))


def problems(home: Path) -> str:
    """Return what `catalog verify` and `crawl verify` say when they do not end with code 0."""
    wanted = {"catalog": home / "lake", "crawl": home / "frontier.sqlite"}
    ended = [run(home, room, "verify") for room, needs in wanted.items() if needs.exists()]
    return "\n".join(said for code, said in ended if code)


@pytest.mark.slow
@pytest.mark.timeout(900 + 90 * KILLS)
def test_no_killed_command_makes_a_problem(folder: Path, tmp_path: Path) -> None:
    draw, takes = random.Random(SEED), dict[str, float]()
    known = list(commands(folder).items())
    for number in range(KILLS):
        name, command = known[number % len(known)]
        home = tmp_path / str(number)
        shutil.copytree(folder / "home", home)
        command.prepare(home)
        if name not in takes:
            shutil.copytree(home, tmp_path / "timed") if home.exists() else None
            began = time.monotonic()
            code, said = run(tmp_path / "timed", *command.words)
            assert code == 0, (name, said)
            takes[name] = time.monotonic() - began
            shutil.rmtree(tmp_path / "timed")
        delay_s = draw.uniform(0.2, takes[name])
        where = (SEED, number, name, f"{delay_s:.2f} s", kill_after(home, command.words, delay_s))
        assert problems(home) == "", (where, "directly after the kill")
        code, said = run(home, *command.words)
        assert code == 0, (where, said)
        assert problems(home) == "", (where, "after it ran again")
        shutil.rmtree(home)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_verify_beside_a_crawl_and_a_takedown_names_nothing(folder: Path, tmp_path: Path) -> None:
    many = make_photos(tmp_path / "many", range(1_000, 1_500))
    takedown = commands(folder)["takedown"].words
    for words in (("crawl", "run", "folder", str(many)), takedown):
        home = shutil.copytree(folder / "home", tmp_path / words[1])
        process, n = start(home, words), 0
        while process.poll() is None:
            code, said = run(home, "catalog", "verify")
            assert code == 0, (words, said)
            n += 1
        said, _ = process.communicate()
        assert process.returncode == 0, said
        assert n
        assert problems(home) == ""
