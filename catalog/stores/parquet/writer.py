"""Write rows to new Parquet files of the plain store, and merge small files."""

import uuid
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.packs.objects import Objects
from catalog.stores.engine import quoted
from catalog.stores.file_sums import name_with_sum
from catalog.stores.parquet.documents import FOLDER, DataFile, SnapshotTables, empty, read_parquet
from catalog.tables.table_type import Table
from catalog.workspace.files import flush, sha256_file

SMALL_BYTES = 64 * 2**20


class SnapshotWriter:
    """Write rows to new files; nothing counts until a snapshot names them."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: SnapshotTables,
        objects: Objects,
        aside: Path,
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._objects = objects
        self._aside = aside

    def ledger(self, segment_ids: Sequence[str]) -> set[str]:
        """Say which of these segments are committed."""
        relation = self._relation("segments")
        sql = f"SELECT segment_id FROM ({relation}) WHERE list_contains(?, segment_id)"
        return {row[0] for row in self._connection.execute(sql, [list(segment_ids)]).fetchall()}

    def new_rows(self, table: Table, paths: list[str]) -> str:
        """Write the SELECT of rows whose key is new; of rows with the same key the first file's stays."""
        key = ", ".join(f'"{name}"' for name in table.key)
        same = " AND ".join(f'old."{name}" IS NOT DISTINCT FROM new."{name}"' for name in table.key)
        columns = self._tables.schema.columns(table.name)
        listed = ", ".join(f"'{quoted(path)}'" for path in paths)
        options = ", union_by_name = true, filename = true, file_row_number = true"
        return (
            f"SELECT {', '.join(f'new.{chr(34)}{name}{chr(34)}' for name in columns)} FROM (SELECT * FROM ("
            f"{empty(columns)} UNION ALL BY NAME SELECT * FROM {read_parquet(paths, options)}) "
            f"QUALIFY row_number() OVER (PARTITION BY {key} "
            f"ORDER BY list_position([{listed}], filename), file_row_number) = 1) new "
            f"ANTI JOIN ({self._relation(table.name)}) old ON {same} "
            f"ORDER BY list_position([{listed}], new.filename), new.file_row_number"
        )

    def append(
        self, files: dict[str, Sequence[DataFile]], table: str, rows_or_sql: pa.Table | str
    ) -> int:
        """Write rows to a new file of `table`, add it to `files` and return their number."""
        path = self._aside / "rows.parquet"
        if isinstance(rows_or_sql, str):
            sql = f"COPY ({rows_or_sql}) TO '{quoted(path)}' (FORMAT parquet, COMPRESSION zstd)"
            row = self._connection.execute(sql).fetchone()
            n = int(row[0]) if row else 0
        else:
            pq.write_table(rows_or_sql, path, compression="zstd")
            n = len(rows_or_sql)
        if n:
            name = f"{table}/{name_with_sum(sha256_file(path), uuid.uuid4().hex)}"
            size = path.stat().st_size
            flush(path)
            self._objects.put(f"{FOLDER}/{name}", path)
            one = DataFile(name, n, size, self._tables.snapshot.schema)
            files[table] = [*files.get(table, ()), one]
        return n

    def merge(self, files: dict[str, Sequence[DataFile]], table: str, at: int) -> int:
        """Write the small files of `table` as one, when there are `at` of them; return how many there were."""
        small = [file for file in files[table] if file.bytes < SMALL_BYTES]
        if len(small) < at:
            return 0
        files[table] = [file for file in files[table] if file not in small]
        self.append(files, table, self._tables.relation(table, small))
        return len(small)

    def _relation(self, table: str) -> str:
        return self._tables.relation(table, self._tables.snapshot.files.get(table, ()))
