"""What a table's contract is made of: columns with meaning and unit, and a key."""

from dataclasses import dataclass

import pyarrow as pa

TEXT, FLAG, COUNT, BIG, REAL = pa.string(), pa.bool_(), pa.int32(), pa.int64(), pa.float64()
MOMENT = pa.timestamp("us")
TEXTS, REALS, VECTOR = pa.list_(pa.string()), pa.list_(pa.float64()), pa.list_(pa.float32())


def column(name: str, kind: pa.DataType, meaning: str, unit: str = "") -> pa.Field:
    """Describe one column; `meaning` and `unit` travel with the Parquet file."""
    return pa.field(name, kind, metadata={"meaning": meaning, "unit": unit})


@dataclass(frozen=True)
class Table:
    """A catalog table: its name, what one row is, the columns that make a row unique, its columns."""

    name: str
    meaning: str
    key: tuple[str, ...]
    schema: pa.Schema

    @property
    def asset_columns(self) -> tuple[str, ...]:
        """Columns that name a file by the SHA-256 of its bytes: its rows go when the file goes."""
        own = ("sha256",) if self.name == "assets" else ()
        return (*own, *(name for name in self.schema.names if name in _ASSET_COLUMNS))

    @property
    def photo_columns(self) -> tuple[str, ...]:
        """Columns that name a photo by its `photo_id`: its rows go when the photo goes."""
        return tuple(name for name in self.schema.names if name == "photo_id")


_ASSET_COLUMNS = ("asset_sha256", "asset_a", "asset_b")

SHA = column("asset_sha256", TEXT, "SHA-256 of the original bytes, hex; names the bytes everywhere")
RUN = column("run_id", TEXT, "curation run that wrote the row")


def table(name: str, meaning: str, key: str, *columns: pa.Field) -> Table:
    """Describe a table; `key` has the names of its key columns, separated by spaces."""
    return Table(name, meaning, tuple(key.split()), pa.schema(columns))
