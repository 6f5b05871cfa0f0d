"""Take rows out of the tables for good: the one place that deletes and changes rows that are not its own.

Facts are append-only for everybody else. A removal is one transaction; `forget_past` then rewrites the files that
held the rows, expires the snapshots that still show them and deletes what no snapshot needs, so that neither a query
as of the past nor a reader of the bare files finds them.
"""

import logging
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from catalog.errors import CatalogError
from catalog.stores.ducklake.store import DuckLakeStore
from catalog.stores.ducklake.tables import set_message
from catalog.stores.file_sums import record_sums
from catalog.stores.store import Store
from catalog.tables.tables_by_name import TABLES
from catalog.workspace.error_lines import last_line

log = logging.getLogger(__name__)

# Every table with a column that names a file or a photo loses its rows, but these: they hold ids and hashes only once
# what `_BLANKED` names is null, and prove what was where.
KEPT = frozenset({"fetches", "decisions", "dataset_items"})
_BLANKED = {
    "fetches": (
        ("url", "error_detail", "etag", "modified"),
        "photo_id IN (FROM gone_photos) OR asset_sha256 IN (FROM gone_assets)",
    ),
    "decisions": (("evidence",), "asset_sha256 IN (FROM gone_assets)"),
}
# What people typed as their reason may name somebody.
_WORDS = "UPDATE lake.decisions SET reason = NULL WHERE decided_at IS NOT NULL AND asset_sha256 IN (FROM gone_assets)"
# What people typed, or a run wrote in words, about other things: null where it quotes what goes.
QUOTING = {
    "queries": (("sql", "parameters_json", "error"), "true"),
    "crawls": (("config_json",), "true"),
    "rights": (("predicate",), "true"),
    "decisions": (("reason", "evidence"), "decided_at IS NOT NULL"),
    "split_leaks": (("detail",), "true"),
}
_QUOTES = """EXISTS (SELECT 1 FROM gone_words WHERE contains(lower("{column}"), word)
    AND (NOT is_name OR regexp_matches(
        lower("{column}"), '(^|[^\\pL\\pN])' || regexp_escape(word) || '($|[^\\pL\\pN])')))"""


def deletions() -> Iterator[tuple[str, str]]:
    """Give the condition on the rows that go, by table, from the contract: a new table is among them by itself."""
    for table in TABLES.values():
        if table.name in KEPT:
            continue
        named = [f'"{column}" IN (FROM gone_assets)' for column in table.asset_columns]
        named += [f'"{column}" IN (FROM gone_photos)' for column in table.photo_columns]
        if named:
            yield table.name, " OR ".join(named)


_DELETES = [
    *deletions(),
    (
        "labels",
        "(subject_kind = 'photo' AND subject_id IN (FROM gone_photos)) OR "
        "(subject_kind = 'asset' AND subject_id IN (FROM gone_assets)) OR "
        "(subject_kind = 'face' AND subject_id IN (FROM gone_faces))",
    ),
]


@dataclass(frozen=True)
class Removal:
    """What goes: files by SHA-256 and photos by id; `places` (columns of assets) is where files lie from now on.

    `names` of people and `addresses`, or beginnings of them, must not stay in what somebody typed either.
    """

    assets: Collection[str]
    photos: Collection[str]
    places: pa.Table | None = field(default=None)
    names: Collection[str] = ()
    addresses: Collection[str] = ()


def remove_rows(store: Store, removal: Removal, message: str) -> dict[str, int]:
    """Delete or blank every row about what goes, in one transaction; return how many by table.

    The caller holds the writer lock. Doing it twice changes nothing. Raises `CatalogError` when the store cannot.
    """
    lake = _changeable(store)
    connection = lake.writer()
    try:
        _name_what_goes(connection, removal)
        connection.execute("BEGIN")
        removed: dict[str, int] = {}
        for table, condition in reversed(_DELETES):  # labels of faces before the faces
            n = _count(connection, f"DELETE FROM lake.{table} WHERE {condition}")
            removed[table] = removed.get(table, 0) + n
        for table, (columns, condition) in _BLANKED.items():
            blank = ", ".join(f'"{column}" = NULL' for column in columns)
            filled = " OR ".join(f'"{column}" IS NOT NULL' for column in columns)
            sql = f"UPDATE lake.{table} SET {blank} WHERE ({condition}) AND ({filled})"
            removed[f"{table} (blanked)"] = _count(connection, sql)
        connection.execute(_WORDS)
        removed |= _blank_quotes(connection)
        if removal.places is not None:
            _move(connection, removal.places)
        if any(removed.values()) or removal.places is not None:
            set_message(connection, "safelight", message[:500])
        connection.execute("COMMIT")
    finally:
        lake.release(connection)
    return {table: n for table, n in sorted(removed.items()) if n}


def forget_past(store: Store) -> list[str]:
    """Rewrite files with deleted rows, expire all past snapshots, delete what nothing needs; return the files deleted.

    The caller holds the writer lock. A reader that has an older snapshot open loses its files.
    """
    lake = _changeable(store)
    lake.close()
    connection = lake.writer()
    try:
        connection.execute("CALL ducklake_rewrite_data_files('lake', delete_threshold => 0)")
        record_sums(connection, lake.workspace, keep_old=False)
        newest = lake.snapshot(connection)
        now = datetime.now(UTC).isoformat()
        connection.execute(
            "SELECT snapshot_id FROM ducklake_expire_snapshots('lake', older_than => "
            f"TIMESTAMPTZ '{now}')"
        ).fetchall()
        rows = connection.execute(
            "SELECT * FROM ducklake_cleanup_old_files('lake', cleanup_all => true)"
        ).fetchall()
        # A commit that was killed has left files that no snapshot names, and they hold rows, too.
        rows += connection.execute(
            "SELECT * FROM ducklake_delete_orphaned_files('lake', cleanup_all => true)"
        ).fetchall()
    finally:
        lake.release(connection)
    _shrink(lake)
    lake.record_pages()
    lake.forget_keys()
    log.info("kept snapshot %d only, deleted %d data files", newest, len(rows))
    return sorted(str(row[0]).rsplit("/", 1)[-1] for row in rows)


def _changeable(store: Store) -> DuckLakeStore:
    if not isinstance(store, DuckLakeStore):
        raise CatalogError(
            "this store of tables cannot take rows out; use [catalog] store = sqlite or postgres"
        )
    return store


def _name_what_goes(connection: duckdb.DuckDBPyConnection, removal: Removal) -> None:
    for name, values in (("gone_assets", removal.assets), ("gone_photos", removal.photos)):
        given = pa.table({"id": pa.array(sorted(values), pa.string())})
        connection.register("given", given)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT id FROM given")
        connection.unregister("given")
    words = [(word.lower(), True) for word in removal.names]
    words += [(word.lower(), False) for word in removal.addresses]
    connection.execute("CREATE OR REPLACE TEMP TABLE gone_words (word VARCHAR, is_name BOOLEAN)")
    if words:
        connection.executemany("INSERT INTO gone_words VALUES (?, ?)", words)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE gone_faces AS "
        "SELECT face_id FROM lake.faces WHERE asset_sha256 IN (FROM gone_assets)"
    )


def _blank_quotes(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    blanked: dict[str, int] = {}
    for table, (columns, condition) in QUOTING.items():
        for column in columns:
            quotes = _QUOTES.format(column=column)
            sql = f'UPDATE lake.{table} SET "{column}" = NULL WHERE {condition} AND {quotes}'
            name = f"{table} (quotes blanked)"
            blanked[name] = blanked.get(name, 0) + _count(connection, sql)
    return blanked


def _move(connection: duckdb.DuckDBPyConnection, places: pa.Table) -> None:
    connection.register("places", places)
    connection.execute(
        "UPDATE lake.assets SET pack = p.pack, pack_offset = p.pack_offset, pack_length = p.pack_length "
        "FROM places p WHERE lake.assets.sha256 = p.sha256"
    )
    connection.unregister("places")


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    done = connection.execute(sql).fetchone()
    return int(done[0]) if done else 0


# In a process of its own, as in `sqlite.py`: two SQLites on one file in one process drop each other's locks.
_VACUUM = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=20)
database.execute("VACUUM")
busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
database.close()
sys.exit("a reader holds an older state" if busy else 0)
"""


def _shrink(lake: DuckLakeStore) -> None:
    """Let SQLite overwrite the pages of rows that are gone; they hold the smallest and largest value of columns."""
    path = lake.workspace.lake / "catalog.sqlite"
    if not path.exists():
        return
    command = [sys.executable, "-I", "-c", _VACUUM, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own program
    if done.returncode:  # a reader holds it; the next maintenance does it
        message = last_line(done.stderr)
        log.warning("catalog.sqlite could not be shrunk now: %s", message)
