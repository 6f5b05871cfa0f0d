"""Read the output of img2dataset: webdataset tars, folders of files, or Parquet, each with its table of results.

A folder of results has, for each shard, `00000.parquet` (a row for each address, including failed ones) and beside it
`00000.tar` or the folder `00000`; or the pictures are in column `jpg` of the Parquet itself. Without the table, the
`.json` beside each picture is used, and failed addresses are unknown.
"""

import contextlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Record = dict[str, Any]

ENCODINGS = ("jpg", "png", "webp")  # what img2dataset can write
_GROUPS_KEPT = 4  # row groups of pictures that are cached while their rows are read


@dataclass(frozen=True)
class ArchiveLocation:
    """The location of one picture: a byte range of `file`, or a cell of a Parquet row group.

    Only `failed` is set when img2dataset could not download the picture. Stored as JSON in an item's address.
    """

    file: str = ""
    offset: int = 0
    length: int = -1
    column: str = ""
    group: int = 0
    row: int = 0
    failed: str = ""

    def text(self) -> str:
        """Write the location as JSON, for `read`."""
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def read(cls, text: str) -> "ArchiveLocation":
        """Read a location that `text` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Img2DatasetResult:
    """One address with its record by img2dataset, and the location of its picture."""

    record: Record
    location: ArchiveLocation


def shards(top: Path) -> list[str]:
    """Return the names of the shards of a folder, sorted; empty for a folder without results of img2dataset."""
    names = {p.stem for kind in ("*.parquet", "*.tar") for p in top.glob(kind)}
    names |= {p.name for p in top.glob("[0-9]*") if p.is_dir()}
    return sorted(name for name in names if name.isdigit())


def results(top: Path, shard: str) -> Iterator[Img2DatasetResult]:
    """Give the results of one shard in its order."""
    table = top / f"{shard}.parquet"
    column = _picture_column(table) if table.exists() else None
    if column:
        yield from _parquet(top, table, column)
        return
    pictures = _pictures(top, shard)
    if table.exists():
        for batch in pq.ParquetFile(table).iter_batches(1000):
            yield from (_result(record, pictures) for record in batch.to_pylist())
    else:
        yield from (
            Img2DatasetResult(record, pictures[key])
            for key, record in _beside(top, shard, pictures)
        )


def read_bytes(top: Path, location: ArchiveLocation, max_bytes: int) -> bytes:
    """Read the bytes of a picture, at most one more than `max_bytes`; raises `OSError` when they are missing."""
    if location.column:
        return bytes(
            _cells(str(top / location.file), location.column, location.group)[location.row].as_py()
        )
    with (top / location.file).open("rb") as file:
        file.seek(location.offset)
        size = max_bytes + 1 if location.length < 0 else min(location.length, max_bytes + 1)
        body = file.read(size)
    if len(body) < min(location.length, size):
        raise OSError("it ends before the picture does")
    return body


def _result(record: Record, pictures: Mapping[str, ArchiveLocation]) -> Img2DatasetResult:
    location = pictures.get(str(record.get("key")))
    if record.get("status", "success") == "success" and location:
        return Img2DatasetResult(record, location)
    return Img2DatasetResult(record, ArchiveLocation(failed=_problem(record)))


def _problem(record: Record) -> str:
    status = str(record.get("status") or "no status")
    if status == "success":
        return "its picture is not in the shard"
    return f"{status}: {record.get('error_message') or 'no reason given'}"


def _picture_column(table: Path) -> str | None:
    schema = pq.read_schema(table)
    binary = {
        f.name for f in schema if pa.types.is_binary(f.type) or pa.types.is_large_binary(f.type)
    }
    return next((name for name in ENCODINGS if name in binary), None)


def _parquet(top: Path, table: Path, column: str) -> Iterator[Img2DatasetResult]:
    file = pq.ParquetFile(table)
    names = [name for name in file.schema_arrow.names if name != column]
    for group in range(file.num_row_groups):
        for row, record in enumerate(file.read_row_group(group, columns=names).to_pylist()):
            if record.get("status", "success") == "success":
                location = ArchiveLocation(
                    file=str(table.relative_to(top)), column=column, group=group, row=row
                )
            else:
                location = ArchiveLocation(failed=_problem(record))
            yield Img2DatasetResult(
                record | {"caption": record.get("caption") or record.get("txt")}, location
            )


@lru_cache(_GROUPS_KEPT)
def _cells(table: str, column: str, group: int) -> pa.ChunkedArray:
    return pq.ParquetFile(table).read_row_group(group, columns=[column]).column(0)


def _pictures(top: Path, shard: str) -> dict[str, ArchiveLocation]:
    """Locate the pictures of a shard, by key."""
    endings = tuple(f".{name}" for name in ENCODINGS)
    tar = top / f"{shard}.tar"
    if tar.exists():
        return {
            Path(m.name).stem: ArchiveLocation(tar.name, m.offset_data, m.size)
            for m in _members(tar)
            if m.name.endswith(endings)
        }
    files = sorted((top / shard).glob("*"))
    return {f.stem: ArchiveLocation(str(f.relative_to(top))) for f in files if f.suffix in endings}


def _members(path: Path) -> list[tarfile.TarInfo]:
    """List the files of a tar; of a truncated tar, those before its end."""
    members: list[tarfile.TarInfo] = []
    with tarfile.open(path) as tar, contextlib.suppress(tarfile.ReadError):
        members.extend(member for member in tar if member.isfile())
    return members


def _beside(
    top: Path, shard: str, pictures: Mapping[str, ArchiveLocation]
) -> Iterator[tuple[str, Record]]:
    """Give the record beside each picture: `.json`, and `.txt` when the record has no caption."""
    tar = top / f"{shard}.tar"
    records: dict[str, Record] = {key: {"key": key} for key in pictures}
    if tar.exists():
        with tarfile.open(tar) as opened:
            for member in opened:
                stream = opened.extractfile(member)
                if stream and member.name.endswith((".json", ".txt")):
                    _add_note(records, Path(member.name), stream.read())
    else:
        for file in sorted((top / shard).glob("*")):
            if file.suffix in (".json", ".txt"):
                _add_note(records, file, file.read_bytes())
    yield from records.items()


def _add_note(records: dict[str, Record], name: Path, content: bytes) -> None:
    record = records.get(name.stem)
    if record is None:
        return
    text = content.decode("utf-8", "replace")
    if name.suffix == ".txt":
        record.setdefault("caption", text)
        return
    try:
        values = json.loads(text)
    except ValueError:
        return
    if isinstance(values, dict):
        record.update({key: value for key, value in values.items() if value is not None})
