"""The SHA-256 of each table file, kept in its name: sha256-<SHA-256 of the file>-<origin>.parquet.

The database names the file, so the sum is committed with it, in whichever database, folder or bucket; snapshots,
backups and restores carry it along. `origin` (8 hex digits, of the segments that the rows came from) keeps two files
of the same content apart: DuckLake may still wait to delete the first when the second is added.

DuckLake chooses the names of the files that it merges or rewrites itself, and older code named files by their segments:
`record_sums` gives those their sums.
"""

import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb

from catalog.packs.objects import Objects, hash_object, open_objects
from catalog.workspace.files import flush, folder_aside
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

_NAME = re.compile(r"sha256-([0-9a-f]{64})-[0-9a-f]{8}\.parquet")
_METADATA = "__ducklake_metadata_lake"
_KINDS = (("ducklake_data_file", "data_file_id"), ("ducklake_delete_file", "delete_file_id"))


def name_with_sum(digest: str, origin: str) -> str:
    """Name a table file by its SHA-256 and by where it came from, both hex.

    >>> name_with_sum("ab" * 32, "0123456789")
    'sha256-abababababababababababababababababababababababababababababababab-01234567.parquet'
    """
    return f"sha256-{digest}-{origin[:8]}.parquet"


def sum_in_name(path: str) -> str | None:
    """Return the SHA-256 that the name of a table file records; None when it records none."""
    match = _NAME.fullmatch(path.rpartition("/")[2])
    return match[1] if match else None


def record_sums(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, *, keep_old: bool
) -> int:
    """Give every file of the DuckLake `lake` without a recorded sum a name with one; return how many there were.

    The caller holds the writer lock. With `keep_old` the old names stay for readers that have them (links in a folder,
    copies in a bucket), until maintenance sweeps them. Killed anywhere, every file has a name that the database knows.
    """
    objects, n = open_objects(workspace), 0
    for kind, key in _KINDS:
        for number, path, whole in _unrecorded(connection, kind, key):
            name = f"lake/data/{whole}"
            final = name_with_sum(hash_object(objects, name), uuid.uuid4().hex)
            _add_name(workspace, objects, name, f"{name.rpartition('/')[0]}/{final}")
            connection.execute("BEGIN")
            connection.execute(
                f"UPDATE {_METADATA}.{kind} SET path = ? WHERE {key} = ?",
                [f"{path.rpartition('/')[0]}/{final}".removeprefix("/"), number],
            )
            connection.execute("COMMIT")
            n += 1
            if not keep_old:
                objects.delete(name)
    if n:
        log.info("recorded the SHA-256 of %d table files", n)
    return n


def _unrecorded(
    connection: duckdb.DuckDBPyConnection, kind: str, key: str
) -> Iterator[tuple[int, str, str]]:
    """List id, path below the table's folder and path below the data folder of files without a recorded sum.

    Files with a path of their own, outside of the data folder, are left out: they were not written by Safelight.
    """
    rows = connection.execute(
        "WITH tables AS (SELECT DISTINCT t.table_id, concat(s.path, t.path) AS folder "
        f"FROM {_METADATA}.ducklake_table t JOIN {_METADATA}.ducklake_schema s USING (schema_id) "
        "WHERE t.path_is_relative AND s.path_is_relative) "
        f"SELECT {key}, path, concat(folder, path) FROM {_METADATA}.{kind} JOIN tables USING (table_id) "
        "WHERE path_is_relative ORDER BY 1"
    ).fetchall()
    yield from (row for row in rows if sum_in_name(row[1]) is None)


def _add_name(workspace: Workspace, objects: Objects, name: str, final: str) -> None:
    if objects.remote:
        with folder_aside(workspace.spool) as aside:
            objects.fetch(name, aside / "table.parquet")
            objects.put(final, aside / "table.parquet")
        return
    source, target = Path(objects.address(name)), Path(objects.address(final))
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
        flush(target)
    flush(target.parent)
