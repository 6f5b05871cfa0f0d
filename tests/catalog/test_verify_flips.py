"""`safelight catalog verify` on a workspace as users have it names each flipped bit's file, wherever the bit lies.

`SAFELIGHT_TEST_FLIPS` sets how many are flipped, `SAFELIGHT_TEST_SEED` where.
"""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.catalog.killed_commands import ROOT, make_photos, make_workspace, released_photo, run

FLIPS = int(os.environ.get("SAFELIGHT_TEST_FLIPS", "24"))
SEED = int(os.environ.get("SAFELIGHT_TEST_SEED", "20261129"))
KINDS = (
    "lake/data/**/*.parquet",
    "packs/*",
    "releases/**/*",
    "lake/catalog.sqlite",
    "lake/catalog.sqlite-wal",
)
# Commits, and is killed while another connection reads: the log stays beside the database.
_KILLED = """
import os, signal, sys
from catalog import Workspace, open_catalog
from tests.catalog.pictures import bring
workspace = Workspace.at(sys.argv[1])
with open_catalog(workspace) as catalog:
    reader = catalog.store.connect()
    reader.execute("BEGIN")
    reader.execute("FROM lake.photos").fetchall()
    for number in range(3):
        bring(workspace, range(number * 3, number * 3 + 3))
        catalog.commit()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass(frozen=True)
class Homes:
    """A workspace with crawl, curation, releases, a takedown and a killed commit; and one that pulled a release."""

    own: Path
    pulled: Path


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    folder = tmp_path_factory.mktemp("flips")
    own, pulled = folder / "own", folder / "pulled"
    make_workspace(own, make_photos(folder / "photos", range(60)))
    photo = released_photo(own)
    takedown = ("catalog", "takedown", "--photo-id", photo, "--reason", "asked", "--yes")
    lock = str(folder / "safelight.lock")
    pull = ("dataset", "pull", "demo@1.1.0", "--from", str(own / "releases"), "--lock-file", lock)
    for home, words in ((own, takedown), (pulled, pull)):
        code, said = run(home, *words)
        assert code == 0, said
    subprocess.run([sys.executable, "-c", _KILLED, str(own)], cwd=ROOT, check=False)
    assert (own / "lake" / "catalog.sqlite-wal").stat().st_size > 100_000
    return Homes(own, pulled)


def files(home: Path, patterns: Sequence[str]) -> list[Path]:
    found = [path for pattern in patterns for path in sorted(home.glob(pattern))]
    return [path for path in found if path.is_file()]


def flip_one_of(paths: Sequence[Path], draw: random.Random) -> tuple[Path, int, int]:
    """Flip one bit, every bit of all files being as likely; return file, byte and bit."""
    (path,) = draw.choices(paths, [path.stat().st_size for path in paths])
    raw = bytearray(path.read_bytes())
    byte, bit = draw.randrange(len(raw)), draw.randrange(8)
    raw[byte] ^= 1 << bit
    path.write_bytes(raw)
    return path, byte, bit


@pytest.mark.slow
@pytest.mark.timeout(600 + 60 * FLIPS)
def test_every_flipped_bit_is_named_with_its_file(homes: Homes, tmp_path: Path) -> None:
    draw = random.Random(SEED)
    for number in range(FLIPS):
        home = homes.pulled if number % 6 == 5 else homes.own
        copy = shutil.copytree(home, tmp_path / str(number))
        # In turn from all files together, and from each kind: most bytes are of packs and shards.
        patterns = KINDS if number % 2 or home is homes.pulled else [KINDS[number // 2 % 5]]
        path, byte, bit = flip_one_of(files(copy, patterns), draw)
        where = (SEED, number, path.relative_to(copy).as_posix(), byte, bit)
        code, said = run(copy, "catalog", "verify")
        assert code == 1, (where, said)
        problems = [line for line in said.splitlines() if not line.startswith("note:")]
        assert any(path.name in line for line in problems), (where, said)
        assert "Traceback" not in said, (where, said)
        shutil.rmtree(copy)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_said_of_the_workspaces_before_the_flips(homes: Homes, tmp_path: Path) -> None:
    for home in (homes.own, homes.pulled):
        copy = shutil.copytree(home, tmp_path / home.name)
        code, said = run(copy, "catalog", "verify")
        assert code == 0, said
        assert said.count("note:") == 0, said
