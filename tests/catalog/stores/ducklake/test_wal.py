"""The reader of SQLite's write-ahead log takes exactly the frames that SQLite takes, whatever a killed writer left."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from catalog.stores.ducklake.wal import Wal, read_wal

PAGE_BYTES = 1024


def pages_with_log(database: Path) -> list[bytes]:
    """Give the pages of a database as our reader has them, file and log together."""
    raw = database.read_bytes()
    pages = [raw[at : at + PAGE_BYTES] for at in range(0, len(raw), PAGE_BYTES)]
    log = read_wal(Path(f"{database}-wal"))
    if log and log.database_pages:
        pages = (pages + [b""] * log.database_pages)[: log.database_pages]
        for number, page in log.pages.items():
            if number <= len(pages):
                pages[number - 1] = page
    return pages


def pages_of_sqlite(database: Path) -> list[bytes]:
    """Give the pages as SQLite has them, which opens a copy, and empties its log into it."""
    copy = database.with_name("copy.sqlite")
    for suffix in ("", "-wal"):
        if (source := Path(f"{database}{suffix}")).exists():
            shutil.copyfile(source, f"{copy}{suffix}")
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    raw = copy.read_bytes()
    return [raw[at : at + PAGE_BYTES] for at in range(0, len(raw), PAGE_BYTES)]


def written(folder: Path, transactions: list[int]) -> Path:
    """Write transactions of so many rows, and copy database and log away before they are closed."""
    folder.mkdir()
    live, left = folder / "live.sqlite", folder / "left.sqlite"
    with closing(sqlite3.connect(live)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?)", [(k, "0" * 600) for k in range(1, 31)]
        )
        connection.commit()
        for n, rows in enumerate(transactions):
            connection.execute("UPDATE t SET v = ? WHERE k <= ?", [f"{n:0600d}", rows])
            connection.commit()
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{live}{suffix}", f"{left}{suffix}")
    return left


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("wal") / "home", [30, 3, 17, 1, 25, 8])


def log_of(database: Path) -> Wal:
    log = read_wal(Path(f"{database}-wal"))
    assert log
    return log


def test_a_whole_log_is_read_as_sqlite_reads_it(left: Path) -> None:
    assert not log_of(left).is_damaged
    assert len(log_of(left).frames) > 60
    assert pages_with_log(left) == pages_of_sqlite(left)


@pytest.mark.parametrize("seed", range(40))
def test_a_log_that_was_cut_flipped_or_overwritten_is_read_as_sqlite_reads_it(
    left: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{left}{suffix}", tmp_path / f"left.sqlite{suffix}")
    path = tmp_path / "left.sqlite-wal"
    raw = bytearray(path.read_bytes())
    at = chance.randrange(len(raw))
    if seed % 3 == 0:
        raw = raw[:at]
    elif seed % 3 == 1:
        raw[at] ^= 1 << chance.randrange(8)
    else:  # frames of the log once more where others were, as a log that begins anew overwrites an older one
        step = 24 + PAGE_BYTES
        n = (len(raw) - 32) // step
        source, target = chance.randrange(n), chance.randrange(n)
        raw[32 + target * step : 32 + (target + 1) * step] = raw[
            32 + source * step : 32 + (source + 1) * step
        ]
    path.write_bytes(raw)
    assert pages_with_log(tmp_path / "left.sqlite") == pages_of_sqlite(tmp_path / "left.sqlite")


def test_frames_of_a_killed_transaction_behind_a_shorter_one_do_not_count(
    left: Path, tmp_path: Path
) -> None:
    # A writer that is killed while it flushes leaves a whole transaction that a process beside it has not heard of: the
    # next one is written over it, and frames of the old one, a commit among them, stand behind with the same salts.
    whole, log = Path(f"{left}-wal").read_bytes(), log_of(left)
    step = 24 + PAGE_BYTES
    commits = [
        n
        for n in range(len(log.frames))
        if int.from_bytes(whole[36 + n * step : 40 + n * step], "big")
    ]
    short = 32 + (commits[2] + 1) * step
    # The frames of the last transaction follow those of the third, in their old place's checksums.
    composed = whole[:short] + whole[32 + (commits[-2] + 1) * step :]
    shutil.copyfile(left, tmp_path / "left.sqlite")
    (tmp_path / "left.sqlite-wal").write_bytes(composed)
    found = log_of(tmp_path / "left.sqlite")
    assert len(found.frames) == commits[2] + 1
    assert pages_with_log(tmp_path / "left.sqlite") == pages_of_sqlite(tmp_path / "left.sqlite")
