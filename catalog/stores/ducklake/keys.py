"""Which keys the tables hold, so that a commit need not read the tables to know what is new.

The rule "a key stands in one row" would cost a scan of the key columns at each commit, which grows with the table. This
index answers it from sorted runs of 128-bit hashes, one run a commit, merged when they grow alike:

    lake/keys/<first>-<last>-<moment>.npy    the hashes of the rows that snapshots first to last added, sorted;
                                             moment: when snapshot `last` was made, in us, to tell histories apart

It is a cache. Before each commit it catches up with snapshots that others made, and when it does not fit the tables
(restored, rows deleted, a file damaged) it is made anew from them. Whoever uses it holds the writer lock.
"""

import logging
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from catalog.tables.keys import Keys, no_keys
from catalog.tables.table_type import Table
from catalog.tables.tables_by_name import TABLES
from catalog.workspace.files import flush

log = logging.getLogger(__name__)

IN_MEMORY_BYTES = 2**20
_METADATA = "__ducklake_metadata_lake"
_HARMLESS = (
    *("inserted_into_table:", "inlined_insert:", "flushed_inlined:", "created_", "altered_"),
    *("dropped_view:", "compacted_table:", "merge_adjacent:", "rewrite_delete:"),
)
"""Changes of a snapshot that take no row away."""


def key_sql(table: Table) -> str:
    """Write the SQL of two columns, `upper` and `lower`, that hash the key of a row of `table`."""
    # A length before each value: no two different keys are written alike. Null is a colon alone.
    texts = [f'CAST("{name}" AS VARCHAR)' for name in table.key]
    parts = [f"strlen({text}), ':', {text}" for text in texts]
    whole = f"concat('{table.name}', ',', {', '.join(parts)})"
    return f"md5_number_upper({whole}) AS upper, md5_number_lower({whole}) AS lower"


def read_keys(connection: duckdb.DuckDBPyConnection, table: Table, source: str) -> Keys:
    """Hash the keys of all rows of `source`, a table expression with the columns of `table`."""
    columns = connection.execute(f"SELECT {key_sql(table)} FROM {source}").fetchnumpy()
    return np.stack([np.asarray(columns[name], np.uint64) for name in ("upper", "lower")])


@dataclass(frozen=True)
class IndexedSnapshot:
    """A snapshot's id and when it was made, in microseconds since 1970."""

    snapshot: int
    made_us: int


def _snapshots(connection: duckdb.DuckDBPyConnection, since: int) -> list[IndexedSnapshot]:
    """List the snapshots from `since` on."""
    rows = connection.execute(  # aggregates would cost more than the table, which is short from there on
        "SELECT snapshot_id, epoch_us(CAST(snapshot_time AS TIMESTAMPTZ)) "
        f"FROM {_METADATA}.ducklake_snapshot WHERE snapshot_id >= ?",
        [since],
    ).fetchall()
    return [IndexedSnapshot(*row) for row in rows]


@dataclass(frozen=True)
class _SortedRun:
    path: Path
    first: int
    last: int
    moment: int

    @classmethod
    def at(cls, path: Path) -> "_SortedRun":
        return cls(path, *map(int, path.stem.split("-")))

    def keys(self) -> Keys:
        loaded: Keys = np.load(self.path, mmap_mode="r")
        return loaded


class KeyIndex:
    """The keys of a DuckLake, up to its newest snapshot; kept from commit to commit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[_SortedRun] = []
        self._loaded: list[Keys] = []

    def follow(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Catch up with the DuckLake attached as `lake`: with what others have done to it, and to the files here."""
        # Another process deletes the files when it takes rows out for good, a person may at any time.
        is_whole = self._runs and all(run.path.exists() for run in self._runs)
        if is_whole and self._newest(connection) == (self.newest, self.newest.made_us):
            return
        self._folder.mkdir(exist_ok=True)
        try:
            self._runs = self._chain()
            self._loaded = [run.keys() for run in self._runs]
        except (OSError, EOFError, ValueError) as error:
            log.warning("the index of keys is damaged and is made anew: %s", error)
            self._forget()
        self._catch_up(connection)

    @property
    def newest(self) -> IndexedSnapshot:
        """The newest snapshot that the index knows."""
        return IndexedSnapshot(self._runs[-1].last, self._runs[-1].moment)

    def contains(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Say for each key whether a row of the tables has it."""
        order = np.argsort(keys[0])  # neighbours one after the other: fewer cache misses
        sought, is_known = keys[:, order], np.zeros(keys.shape[1], bool)
        for run in (run for run in self._loaded if run.shape[1]):
            place = np.minimum(np.searchsorted(run[0], sought[0]), run.shape[1] - 1)
            is_known |= (run[0, place] == sought[0]) & (run[1, place] == sought[1])
        given = np.empty_like(is_known)
        given[order] = is_known
        return given

    def add(self, connection: duckdb.DuckDBPyConnection, keys: Keys) -> None:
        """Note the keys of the rows that the newest snapshot added; the caller has just made it."""
        connection.execute("BEGIN")
        newest, _ = self._newest(connection)
        connection.execute("COMMIT")
        self._write(self._covered() + 1, newest, keys)

    def _catch_up(self, connection: duckdb.DuckDBPyConnection) -> None:
        newest, covered_us = self._newest(connection)
        if self._runs and covered_us != self._runs[-1].moment:
            log.info("the index of keys belongs to other tables; it is made anew")
            self._forget()
        covered = self._covered()
        if self._runs and covered == newest.snapshot:
            return
        changed = self._tables_changed(connection, covered, newest.snapshot) if self._runs else None
        if changed is None:
            self._forget()
            parts = [
                read_keys(connection, TABLES[n], f"lake.{n}") for n in self._filled(connection)
            ]
            self._write(0, newest, np.concatenate([no_keys(), *parts], axis=1))
            return
        between = f"'main', '{{}}', {covered + 1}, {newest.snapshot}"
        parts = [
            read_keys(
                connection,
                TABLES[name],
                f"ducklake_table_insertions('lake', {between.format(name)})",
            )
            for name in changed
        ]
        self._write(covered + 1, newest, np.concatenate([no_keys(), *parts], axis=1))

    def _chain(self) -> list[_SortedRun]:
        """List the runs that follow upon each other; a run that a merged one covers is removed."""
        chain: list[_SortedRun] = []
        runs = sorted(
            map(_SortedRun.at, self._folder.glob("[0-9]*.npy")), key=lambda r: (r.first, -r.last)
        )
        for run in runs:
            if chain and run.last <= chain[-1].last:
                run.path.unlink(missing_ok=True)
            elif run.first == (chain[-1].last + 1 if chain else 0):
                chain.append(run)
            else:
                raise ValueError(f"snapshots before {run.first} are missing")
        return chain

    def _write(self, first: int, newest: IndexedSnapshot, keys: Keys) -> None:
        """Write a run, after merging those before it that are not much larger."""
        merged, parts = list[_SortedRun](), [keys]
        while self._runs and self._loaded[-1].shape[1] <= 2 * sum(p.shape[1] for p in parts):
            merged.append(self._runs.pop())
            parts.append(self._loaded.pop())
            first = merged[-1].first
        together = np.concatenate(parts, axis=1)
        together = together[:, np.argsort(together[0], kind="stable")]
        path = self._folder / f"{first}-{newest.snapshot}-{newest.made_us}.npy"
        _save(path, together)
        for run in (run for run in merged if run.path != path):
            run.path.unlink(missing_ok=True)
        run = _SortedRun.at(path)
        self._runs.append(run)
        # Small runs stay in memory, large ones in their files.
        self._loaded.append(together if together.nbytes < IN_MEMORY_BYTES else run.keys())

    def _forget(self) -> None:
        for path in self._folder.iterdir():
            path.unlink(missing_ok=True)
        self._runs, self._loaded = [], []

    def _covered(self) -> int:
        return self._runs[-1].last if self._runs else -1

    def _newest(self, connection: duckdb.DuckDBPyConnection) -> tuple[IndexedSnapshot, int | None]:
        """Give the newest snapshot, and when the last one was made that is covered, None when it is gone."""
        covered = self._covered()
        snapshots = _snapshots(connection, covered)
        if not snapshots:  # the tables are older than the index
            snapshots = _snapshots(connection, -1)
        created_us = {moment.snapshot: moment.made_us for moment in snapshots}
        return max(snapshots, key=lambda moment: moment.snapshot), created_us.get(covered)

    def _tables_changed(
        self, connection: duckdb.DuckDBPyConnection, since: int, newest: int
    ) -> Sequence[str] | None:
        """List the tables that gained rows; None when snapshots are gone or rows were deleted."""
        rows = connection.execute(
            f"SELECT snapshot_id, changes_made FROM {_METADATA}.ducklake_snapshot_changes WHERE snapshot_id > ?",
            [since],
        ).fetchall()
        if len(rows) != newest - since:
            return None
        changes = [change for _, made in rows for change in (made or "").split(",")]
        if not all(change.startswith(_HARMLESS) for change in changes if change):
            return None
        ids = {
            c.rsplit(":")[1] for c in changes if c.startswith(("inserted_into", "inlined_insert"))
        }
        return self._names(connection, [int(number) for number in ids])

    def _names(self, connection: duckdb.DuckDBPyConnection, ids: Iterable[int]) -> list[str]:
        listed = ", ".join(map(str, ids)) or "-1"
        rows = connection.execute(
            f"SELECT DISTINCT table_name FROM {_METADATA}.ducklake_table WHERE table_id IN ({listed})"
        ).fetchall()
        return sorted(name for (name,) in rows if name in TABLES)

    def _filled(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """List the tables that hold rows."""
        rows = connection.execute(
            f"SELECT table_id FROM {_METADATA}.ducklake_table_stats WHERE record_count > 0"
        ).fetchall()
        return self._names(connection, [int(number) for (number,) in rows])


def _save(path: Path, keys: Keys) -> None:
    aside = path.with_name(f".{uuid.uuid4().hex}")
    with aside.open("wb") as raw:
        np.save(raw, keys)
        raw.flush()
        os.fsync(raw.fileno())
    aside.rename(path)
    flush(path.parent)
