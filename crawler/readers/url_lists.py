"""Read lists of addresses as streams of records: csv, tsv, txt, json, jsonl and parquet, gz where it is text.

Memory does not grow with the list. An unreadable line gives null, so that it can be counted.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from crawler.errors import CrawlError

Record = dict[str, Any]

URL = "url"  # the only column of a txt list
_BATCH = 1000
_CHUNK = 1 << 16
_LONGEST = 16 << 20  # characters of one JSON value
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_KINDS = ("csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet")


class BadListError(CrawlError):
    """A list of addresses cannot be read."""


def list_files(path: Path) -> list[Path]:
    """Return the file itself, or the lists of a folder, sorted; raises `BadListError` when there is none."""
    files = [path] if path.is_file() else sorted(f for f in path.glob("*") if kind_of(f))
    if not files or not all(kind_of(file) for file in files):
        raise BadListError(f"{path} is no list of addresses; known endings: {', '.join(_KINDS)}")
    return files


def kind_of(path: Path) -> str:
    """Return the kind of a list by its file extension; empty for another extension.

    >>> kind_of(Path("photos.csv.gz")), kind_of(Path("photos.parquet.gz"))
    ('csv', '')
    """
    packed = path.suffix == ".gz"
    ending = Path(path.stem if packed else path.name).suffix.lstrip(".").lower()
    return ending if ending in _KINDS and not (packed and ending == "parquet") else ""


def columns(path: Path) -> list[str]:
    """Return the names of the columns; for json those of its first record."""
    try:
        if kind_of(path) == "parquet":
            return [str(name) for name in pq.read_schema(path).names]
        if kind_of(path) in _DELIMITERS:
            with _text(path) as file:
                return next(_rows(file, _DELIMITERS[kind_of(path)]), None) or []
        return list(next((record for record in records(path) if record), {}))
    except (OSError, EOFError, pa.ArrowInvalid) as error:
        raise BadListError(f"{path} cannot be read: {error}") from error


def records(path: Path, columns: Iterable[str] | None = None) -> Iterator[Record | None]:
    """Give the records of one list in order, only `columns` where the format can skip others."""
    kind = kind_of(path)
    if kind == "parquet":
        names = None if columns is None else list(columns)
        for batch in pq.ParquetFile(path).iter_batches(_BATCH, columns=names):
            yield from batch.to_pylist()
        return
    read = {"csv": _csv, "tsv": _tsv, "txt": _lines, "json": _json}.get(kind, _json_lines)
    with _text(path) as file:
        yield from read(file)


def _text(path: Path) -> IO[str]:
    raw = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115  # the text stream closes it
    return io.TextIOWrapper(raw, "utf-8-sig", errors="replace", newline="")


def delimited(path: Path, delimiter: str) -> Iterator[Record | None]:
    """Give the rows of a delimited text of any name; a row with another number of cells than the header is null."""
    with _text(path) as file:
        rows = _rows(file, delimiter)
        names = next(rows, None) or []
        for row in rows:
            if row != []:
                yield dict(zip(names, row, strict=True)) if row and len(row) == len(names) else None


def head(path: Path) -> str:
    """Return the first line of a text."""
    with _text(path) as file:
        return file.readline(_CHUNK)


def _csv(file: IO[str], delimiter: str = ",") -> Iterator[Record | None]:
    rows = _rows(file, delimiter)
    names = next(rows, None) or []
    for row in rows:
        if row is None:
            yield None
        elif row:  # an empty line is not a record
            yield dict(zip(names, row, strict=False))


def _tsv(file: IO[str]) -> Iterator[Record | None]:
    return _csv(file, "\t")


def _rows(file: IO[str], delimiter: str) -> Iterator[list[str] | None]:
    rows = csv.reader(file, delimiter=delimiter)
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:  # an unclosed quote makes a field longer than the reader's limit
            yield None


def _lines(file: IO[str]) -> Iterator[Record | None]:
    for line in file:
        yield {URL: line.strip()}


def _json_lines(file: IO[str]) -> Iterator[Record | None]:
    for line in file:
        try:
            yield _record(json.loads(line))
        except ValueError:
            yield None


def _json(file: IO[str]) -> Iterator[Record | None]:
    """Read an array of records, or records one after the other, in bounded memory."""
    decoder, text, more = json.JSONDecoder(), "", True
    while True:
        text = text.lstrip(" \t\r\n,[]")
        try:
            value, end = decoder.raw_decode(text)
            whole = end < len(text) or not more  # a number may continue in the next chunk
        except ValueError:
            whole = False
        if whole:
            yield _record(value)
            text = text[end:]
        elif more and len(text) < _LONGEST:
            chunk = file.read(max(_CHUNK, len(text)))
            text, more = text + chunk, bool(chunk)
        else:
            if text:  # after broken JSON the next record cannot be located
                yield None
            return


def _record(value: object) -> Record | None:
    if isinstance(value, str):
        return {URL: value}
    return value if isinstance(value, dict) else None
