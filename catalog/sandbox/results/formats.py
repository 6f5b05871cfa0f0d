"""Rows for people and programs: JSON, CSV, Parquet out of the Arrow file of a result. Runs inside the sandbox.

DuckDB turns values into text, because Python's dates end in the year 9999 and its floats know no 38 digits.
"""

import csv
import io
import json
import math
import mmap
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa

SAFE_INTEGER = 2**53
"""Above this, programs that know only 64-bit floats (JavaScript) lose digits: such integers are written as text."""
_AS_THEY_ARE = re.compile(
    r"BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|U\w*INT\w*|FLOAT|DOUBLE|VARCHAR|DECIMAL\(\d+,0\)"
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_STARTS_FORMULA = frozenset("=+-@\N{MINUS SIGN}\N{HYPHEN}")
"""What begins a formula, after compatibility forms (full width, small, superscript) are made plain ones."""
_CELL_ENDS = re.compile(r"([;\t|\r\n\v\f\x1c-\x1e\x85\u2028\u2029])")
"""Where a spreadsheet may begin another cell or row: other separators than the comma, and ends of lines."""
_PAGE = 2_000


class Sink(io.RawIOBase):
    """Write to a pipe and count; libraries that ask for the position get the count."""

    def __init__(self, descriptor: int) -> None:
        self._out = open(descriptor, "wb", buffering=2**16, closefd=False)  # noqa: SIM115 - a pipe
        self.written = 0

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        self._out.write(view)
        self.written += len(view)
        return len(view)

    def tell(self) -> int:
        """Return the bytes written."""
        return self.written

    def flush(self) -> None:
        """Hand on what is still buffered."""
        if not self._out.closed:
            self._out.flush()

    def close(self) -> None:
        """Hand on what is buffered and let the pipe go, which stays open: before somebody else closes it."""
        self._out.close()
        super().close()


def open_result(descriptor: int) -> pa.ipc.RecordBatchFileReader:
    """Open the Arrow file of a result without copying it."""
    return pa.ipc.open_file(pa.py_buffer(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)))


def page(reader: pa.ipc.RecordBatchFileReader, offset: int, limit: int) -> pa.Table:
    """Take rows by their number, reading only the batches that hold them."""
    kept, before = [], 0
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        start, end = max(offset - before, 0), min(offset + limit - before, len(batch))
        if start < end:
            kept.append(batch.slice(start, end - start))
        before += len(batch)
        if before >= offset + limit:
            break
    return pa.Table.from_batches(kept, schema=reader.schema)


def values(
    connection: duckdb.DuckDBPyConnection, source: str, rest: str = ""
) -> list[list[object]]:
    """Read the rows of the view `source` as values that JSON can say."""
    types = dict(
        connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {source})").fetchall()
    )
    if not types:
        return []
    chosen = ", ".join(_expression(name, kind) for name, kind in types.items())
    rows = connection.execute(f"SELECT {chosen} FROM {source} {rest}").fetchall()
    readers = [_reader(kind) for kind in types.values()]
    return [[read(value) for read, value in zip(readers, row, strict=True)] for row in rows]


def _expression(name: str, kind: str) -> str:
    column = quoted_name(name)
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
        return f"CAST(to_json({column}) AS VARCHAR)"
    if kind.startswith("TIMESTAMP"):
        return f"replace(CAST({column} AS VARCHAR), ' ', 'T')"
    return column if _AS_THEY_ARE.fullmatch(kind) else f"CAST({column} AS VARCHAR)"


def _reader(kind: str) -> Any:
    nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    return _nested if nested else _plain


def _nested(text: str | None) -> object:
    try:
        return None if text is None else json.loads(text, parse_int=_integer, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(str(value))
    if value is None or isinstance(value, bool | float | str):
        return value
    return _integer(str(value))  # a DECIMAL without a fraction: a HUGEINT, as sum() gives


def _integer(digits: str) -> object:
    try:
        number = int(digits)
    except ValueError:
        return digits
    return number if abs(number) <= SAFE_INTEGER else digits


def quoted_name(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def write_json(connection: duckdb.DuckDBPyConnection, reader: Any, sink: Sink) -> None:
    """Write one array of objects."""
    names = reader.schema.names
    between = b"["
    for rows in _pages(connection, reader):
        for row in rows:
            record = dict(zip(names, row, strict=True))
            sink.write(between + json.dumps(record, ensure_ascii=False).encode())
            between = b",\n"
    sink.write(b"[]\n" if between == b"[" else b"]\n")


def write_csv(
    connection: duckdb.DuckDBPyConnection, reader: Any, sink: Sink, *, exact: bool
) -> None:
    """Write comma-separated values; unless `exact`, texts that a spreadsheet would run get an apostrophe."""
    # A float says "-inf" or "nan"; every other text may come from strangers, whatever its type in SQL.
    texts = [not exact and not pa.types.is_floating(field.type) for field in reader.schema]
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([name if exact else harmless(name) for name in reader.schema.names])
    for rows in _pages(connection, reader):
        for row in rows:
            cells = zip(row, texts, strict=True)
            writer.writerow([_cell(value, guard=is_text) for value, is_text in cells])
        sink.write(lines.getvalue().encode())
        lines.seek(0)
        lines.truncate()
    sink.write(lines.getvalue().encode())


def _cell(value: object, *, guard: bool) -> object:
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    return harmless(value) if guard and isinstance(value, str) else value


def harmless(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula, after a separator of cells, too.

    What stands before a formula unseen (spaces, control characters, characters without width) does not hide it.

    >>> harmless("=1+1"), harmless("-1.5"), harmless("a-b"), harmless("a; \N{FULLWIDTH EQUALS SIGN}1")
    ("'=1+1", '-1.5', 'a-b', "a;' \N{FULLWIDTH EQUALS SIGN}1")
    """
    if not text or text.isalnum() or _NUMBER.fullmatch(text):
        return text
    parts = _CELL_ENDS.split(text)
    guarded = "".join(f"'{part}" if _is_formula(part) else part for part in parts)
    begins = text[0] in "\t\r\n" or (guarded[0] != "'" and _is_formula(text))
    return f"'{guarded}" if begins else guarded


def _is_formula(part: str) -> bool:
    """Say whether the first character that is seen begins a formula; a number is none."""
    for sign in part:
        plain = unicodedata.normalize("NFKC", sign).strip()
        if plain and unicodedata.category(sign) not in _UNSEEN and sign not in _BLANK:
            return plain[0] in _STARTS_FORMULA and not _NUMBER.fullmatch(part.strip())
    return False


_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that look like a space."""
_UNSEEN = frozenset(["Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"])
"""Categories of characters that show nothing by themselves: control, format, unassigned, marks, spaces."""


def write_parquet(reader: Any, sink: Sink) -> None:
    """Write a Parquet file."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(pa.PythonFile(sink, "w"), reader.schema, compression="zstd") as writer:
        for number in range(reader.num_record_batches):
            writer.write_batch(reader.get_batch(number))


def _pages(
    connection: duckdb.DuckDBPyConnection, reader: Any
) -> Iterator[Sequence[Sequence[object]]]:
    for number in range(reader.num_record_batches):
        batch = pa.Table.from_batches([reader.get_batch(number)])
        for start in range(0, len(batch), _PAGE):
            connection.register("page", batch.slice(start, _PAGE))
            yield values(connection, "page")
            connection.unregister("page")
