"""Upkeep of a DuckLake: fewer and larger files, old snapshots forgotten, files that nothing names removed."""

import os
from collections.abc import Callable, Mapping, Sequence

import duckdb

from catalog.errors import CatalogError
from catalog.stores.store import MaintenanceResult, RetentionPolicy

_METADATA = "__ducklake_metadata_lake"
_TABLES = f"""
WITH tables AS (
  SELECT DISTINCT t.table_id, s.path AS s, s.path_is_relative AS s_rel, t.path AS t, t.path_is_relative AS t_rel
  FROM {_METADATA}.ducklake_table t JOIN {_METADATA}.ducklake_schema s USING (schema_id))"""
_PATH = """CASE WHEN path_is_relative THEN
  concat(CASE WHEN t_rel THEN concat(CASE WHEN s_rel THEN '' ELSE '/' END, s, t) ELSE t END, path)
  ELSE path END"""
NAMED_FILES = f"""{_TABLES},
named AS (
  SELECT table_id, path, path_is_relative, file_size_bytes FROM {_METADATA}.ducklake_data_file UNION ALL
  SELECT table_id, path, path_is_relative, file_size_bytes FROM {_METADATA}.ducklake_delete_file)
SELECT {_PATH} AS path, max(file_size_bytes) AS bytes
FROM named JOIN tables USING (table_id) GROUP BY 1 ORDER BY 1
"""
"""Every data and delete file of every snapshot in `lake`, below the data folder, with its size."""
_NEWEST_FILES = f"""{_TABLES}
SELECT {_PATH} AS path FROM {_METADATA}.ducklake_data_file JOIN tables USING (table_id)
WHERE end_snapshot IS NULL ORDER BY data_file_id DESC LIMIT ?"""


def maintain_lake(
    connection: duckdb.DuckDBPyConnection,
    sizes: Callable[[], Mapping[str, int]],
    record: Callable[[], object],
    rules: RetentionPolicy,
) -> MaintenanceResult:
    """Merge, expire and clean up; the caller holds the writer lock. Each step is whole or has not been done.

    `sizes` gives address and bytes of every data file that is there, `record` notes the SHA-256 of those without one.
    """
    expired = _expire(connection, rules)
    merged = [] if rules.dry_run else _merge(connection)
    if not rules.dry_run:
        record()
    os.sync()  # merged files are on disk before those they were made of go
    before = sizes()
    removed = _remove(connection, rules)
    return MaintenanceResult(
        files_merged=sum(count for count, _ in merged),
        files_made=sum(count for _, count in merged),
        snapshots_expired=len(expired),
        files_removed=len(removed),
        bytes_removed=sum(before.get(path, 0) for path in removed),
        details=(*(f"snapshot {number}" for number in expired), *removed),
    )


def named_files(connection: duckdb.DuckDBPyConnection, data: str) -> dict[str, int]:
    """Give address and bytes of each file that a snapshot names; `data` is the address of the data folder."""
    rows = connection.execute(NAMED_FILES).fetchall()
    return {path if _is_whole(path) else f"{data}{path}": size for path, size in rows}


def newest_files(connection: duckdb.DuckDBPyConnection, limit: int) -> list[str]:
    """Name the newest data files of the newest snapshot, below the data folder, newest first."""
    return [path for (path,) in connection.execute(_NEWEST_FILES, [limit]).fetchall()]


def files_to_delete(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """List the addresses of the files that no snapshot needs any more and that maintenance will delete."""
    sql = _cleanup("cleanup_all => true", True)
    return {path for (path,) in connection.execute(sql).fetchall()}


def fill_metadata(connection: duckdb.DuckDBPyConnection) -> None:
    """Replace the DuckLake tables of the attached database `raw` by those of `copy`, in one transaction."""
    tables = (
        "SELECT database_name, table_name FROM duckdb_tables() WHERE table_name LIKE 'ducklake_%' "
        "AND database_name IN ('raw', 'copy') ORDER BY table_name"
    )
    tables_there = connection.execute(tables).fetchall()
    there = {name for database, name in tables_there if database == "raw"}
    snapshots = connection.execute("SELECT max(snapshot_id) FROM raw.ducklake_snapshot").fetchone()
    if snapshots and snapshots[0]:
        raise CatalogError("the database holds tables already; restore into an empty one")
    connection.execute("BEGIN")
    for name in (name for database, name in tables_there if database == "copy"):
        if name in there:
            connection.execute(f'DELETE FROM raw."{name}"')
            connection.execute(f'INSERT INTO raw."{name}" BY NAME FROM copy."{name}"')
    connection.execute("COMMIT")


def _merge(connection: duckdb.DuckDBPyConnection) -> list[tuple[int, int]]:
    """Join small files of neighbouring snapshots; those stay readable, each row remembers its own."""
    tables = connection.execute(
        "SELECT table_name FROM ducklake_table_info('lake') WHERE file_count > 1 ORDER BY ALL"
    ).fetchall()
    merges: list[tuple[int, int]] = []
    connection.execute("BEGIN")
    for (name,) in tables:
        merges += connection.execute(
            f"SELECT files_processed, files_created FROM ducklake_merge_adjacent_files('lake', '{name}')"
        ).fetchall()
    connection.execute("COMMIT" if any(merged for merged, _ in merges) else "ROLLBACK")
    return merges


def _expire(connection: duckdb.DuckDBPyConnection, rules: RetentionPolicy) -> list[int]:
    if rules.keep_days is None and rules.keep_snapshots is None:
        return []
    snapshots = connection.execute(
        "SELECT snapshot_id, epoch(now()) - epoch(snapshot_time) AS age_s FROM ducklake_snapshots('lake') "
        "ORDER BY snapshot_id DESC"
    ).fetchall()
    newest_kept = max(1, rules.keep_snapshots or 1)
    old = [
        number
        for place, (number, age_s) in enumerate(snapshots)
        if place >= newest_kept
        and number not in rules.protected
        and (rules.keep_days is None or age_s > rules.keep_days * 86_400)
    ]
    if old and not rules.dry_run:
        connection.execute(
            f"SELECT count(*) FROM ducklake_expire_snapshots('lake', versions => {sorted(old)})"
        ).fetchall()
    return sorted(old)


def _remove(connection: duckdb.DuckDBPyConnection, rules: RetentionPolicy) -> Sequence[str]:
    """Remove files of merges and expired snapshots, and files that no snapshot ever named."""
    since = "cleanup_all => true"
    if rules.grace_hours > 0:
        since = f"older_than => now() - INTERVAL {round(rules.grace_hours * 3600)} SECOND"
    rows = connection.execute(_cleanup(since, rules.dry_run)).fetchall()
    rows += connection.execute(_cleanup(since, rules.dry_run, "delete_orphaned_files")).fetchall()
    return sorted({path for (path,) in rows})


def _cleanup(since: str, dry_run: bool, what: str = "cleanup_old_files") -> str:
    return f"SELECT path FROM ducklake_{what}('lake', {since}, dry_run => {str(dry_run).lower()})"


def _is_whole(path: str) -> bool:
    return path.startswith("/") or "://" in path
