"""Check that a home sees the table files which its catalog names, before anything is read or written.

The database of a catalog may be opened from another place than the one it was made in: a home that was moved, a disk
that is mounted elsewhere, a second machine on the same PostgreSQL. A path proves nothing then, for two machines may
each have a `/data/home`. A file that the catalog names proves it. The address of a bucket is the same everywhere.
"""

import duckdb

from catalog.errors import OtherFilesError
from catalog.packs.objects import open_objects
from catalog.stores.ducklake.upkeep import newest_files
from catalog.stores.engine import quoted
from catalog.workspace.workspace import Workspace

_PROBED = 8
"""Files that are looked for: one that is found is proof, and a few that are lost must not close a whole catalog."""
_TABLE = "ducklake_metadata"
_WHERE = "key = 'data_path' AND scope IS NULL"


def sees_files(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, own: str, *, database_in_home: bool
) -> bool:
    """Say whether this home is known to see the table files; False while the catalog names none.

    `own` is the address where this home keeps them. Raises `OtherFilesError` when none of the newest files is there.
    """
    held = held_data_path(connection)
    if held == own and (database_in_home or "://" in own):
        return True
    named = newest_files(connection, _PROBED)
    if not named:
        return False
    objects = open_objects(workspace)
    try:
        if any(objects.size(f"lake/data/{name}") is not None for name in named):
            return True
    finally:
        objects.close()
    raise OtherFilesError(own, held, named[0])


def note_data_path(connection: duckdb.DuckDBPyConnection, own: str) -> None:
    """Write down where the files of a catalog lie that names none yet; the caller holds the lock."""
    set_data_path(connection, f"__ducklake_metadata_lake.{_TABLE}", own)


def set_data_path(connection: duckdb.DuckDBPyConnection, table: str, path: str) -> None:
    """Set the DATA_PATH in a `ducklake_metadata` table of DuckLake."""
    connection.execute(f"UPDATE {table} SET value = '{quoted(path)}' WHERE {_WHERE}")


def held_data_path(connection: duckdb.DuckDBPyConnection) -> str:
    """Give the DATA_PATH that DuckLake's own metadata hold."""
    sql = f"SELECT value FROM __ducklake_metadata_lake.{_TABLE} WHERE {_WHERE}"
    row = connection.execute(sql).fetchone()
    return str(row[0]) if row else ""
