"""Byte-addressable Parquet: a file that any Parquet reader opens and in which each picture is a byte range.

Layout on disk. The column `image` is struct<bytes: binary, path: string> (the layout of the Hugging Face
Image feature). `image.bytes` is PLAIN, uncompressed, without dictionary and statistics, one data page a row group
(at most 100 rows and 32 MB). A PLAIN page of binaries is, after its header and definition levels,
`length (4 bytes, little endian) | bytes | length | bytes | ...`, so the lengths of a row group
fix where each picture lies: the values end where the column chunk ends. The writer reads every length
prefix back before it hands out a range, and so does `locate`. All other columns are zstd; pages carry CRCs.

Better than tar or a custom binary: DuckDB, polars, pandas, Spark and `datasets` read it as it is, and a trainer
reads one picture with one `pread`. Worse: a picture cannot be appended to a finished file.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.errors import LayoutError

MAX_ROWS = 100
MAX_BYTES = 32 * 2**20
_ONE_PAGE = 2**30  # larger than any row group: one data page each
_PREFIX = struct.Struct("<I")
IMAGE = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


@dataclass(frozen=True)
class ImageRange:
    """Where one picture lies inside its file, in bytes."""

    offset: int
    length: int


def row_groups(sizes: Sequence[int]) -> Iterator[slice]:
    """Cut a run of pictures with these sizes (bytes) into row groups.

    >>> [(part.start, part.stop) for part in row_groups([20 * 2**20, 20 * 2**20, 5])]
    [(0, 1), (1, 3)]
    """
    start, held = 0, 0
    for index, size in enumerate(sizes):
        if index > start and (index - start == MAX_ROWS or held + size > MAX_BYTES):
            yield slice(start, index)
            start, held = index, 0
        held += size
    if start < len(sizes):
        yield slice(start, len(sizes))


class ShardWriter:
    """Write row groups of pictures with their other columns to one Parquet file.

    `columns` are the columns beside `image`, `renditions` the names of columns with other versions of the picture. Use
    as a context manager; `ranges` and `rendition_ranges` are complete after it.
    """

    def __init__(self, path: Path, columns: pa.Schema, renditions: Sequence[str] = ()) -> None:
        self.path = path
        self.ranges: list[ImageRange] = []
        self.rendition_ranges: dict[str, list[ImageRange]] = {}
        self._pictures = (IMAGE.name, *renditions)
        fields = [IMAGE.with_name(name) for name in self._pictures]
        self._schema = pa.schema([*fields, *columns], metadata=columns.metadata)
        others = [name for name in columns.names if _is_flat(columns.field(name).type)]
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression=_compression(self._schema, self._pictures),
            use_dictionary=[*others, *(f"{name}.path" for name in self._pictures)],
            write_statistics=others,
            data_page_size=_ONE_PAGE,
            write_page_checksum=True,
            store_schema=True,
        )

    def write(
        self,
        images: Sequence[bytes],
        paths: Sequence[str],
        others: pa.Table,
        renditions: Mapping[str, Sequence[bytes]] = MappingProxyType({}),
    ) -> None:
        """Write one row group: pictures, their names, the other columns and the renditions, row by row."""
        bodies = (images, *(renditions[name] for name in self._pictures[1:]))
        pictures = [_structs(each, paths) for each in bodies]
        names = self._schema.names[len(pictures) :]
        columns = [*pictures, *(others[name] for name in names)]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema), MAX_ROWS)

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.close()
        if kind is None:
            self.ranges = locate(self.path)
            names = self._pictures[1:]
            self.rendition_ranges = {name: locate(self.path, name) for name in names}


def _structs(bodies: Sequence[bytes], paths: Sequence[str]) -> pa.StructArray:
    arrays = [pa.array(bodies, pa.binary()), pa.array(paths, pa.string())]
    return pa.StructArray.from_arrays(arrays, fields=list(IMAGE.type))


def locate(path: Path, name: str = IMAGE.name) -> list[ImageRange]:
    """Find the byte range of every picture of a column and check each length prefix on disk.

    Raises `LayoutError` when the file is not laid out as this module writes it.
    """
    with pq.ParquetFile(path) as parquet, path.open("rb") as raw:
        try:
            return [
                located
                for group in range(parquet.num_row_groups)
                for located in _locate_group(parquet, group, raw, name)
            ]
        except (KeyError, AttributeError, TypeError, ValueError, IndexError) as error:
            # A damaged schema has other names and types than those that are read here.
            raise LayoutError(f"{path.name} has another schema: {error}") from error


def _locate_group(
    parquet: pq.ParquetFile, group: int, raw: "Iterable[bytes]", name: str
) -> list[ImageRange]:
    chunk = _image_chunk(parquet.metadata.row_group(group), group, f"{name}.bytes")
    column = parquet.read_row_group(group, columns=[f"{name}.bytes"])[name].combine_chunks()
    lengths = pc.binary_length(column.field("bytes")).to_pylist()
    if None in lengths:
        raise LayoutError(f"row group {group} holds a null picture")
    end = chunk.data_page_offset + chunk.total_compressed_size
    offset = end - sum(lengths) - _PREFIX.size * len(lengths)
    ranges = []
    for length in lengths:
        raw.seek(offset)  # type: ignore[attr-defined]  # a binary file
        if raw.read(_PREFIX.size) != _PREFIX.pack(length):  # type: ignore[attr-defined]  # a binary file
            raise LayoutError(f"row group {group}: no length prefix {length} at byte {offset}")
        ranges.append(ImageRange(offset + _PREFIX.size, length))
        offset += _PREFIX.size + length
    return ranges


def _image_chunk(group: pq.RowGroupMetaData, number: int, column: str) -> pq.ColumnChunkMetaData:
    for index in range(group.num_columns):
        chunk = group.column(index)
        if chunk.path_in_schema == column:
            if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
                raise LayoutError(f"row group {number}: {column} is not plain and uncompressed")
            return chunk
    raise LayoutError(f"row group {number} has no column {column}")


def _compression(schema: pa.Schema, pictures: Sequence[str]) -> dict[str, str]:
    """Name the codec of every leaf column: none for the pictures, zstd for the rest."""
    plain = {f"{name}.bytes" for name in pictures}
    return {leaf: "NONE" if leaf in plain else "ZSTD" for leaf in _leaves(schema)}


def _leaves(schema: pa.Schema) -> Iterator[str]:
    for field in schema:
        if pa.types.is_struct(field.type):
            yield from (f"{field.name}.{child.name}" for child in field.type)
        elif pa.types.is_list(field.type):
            yield f"{field.name}.list.element"
        else:
            yield field.name


def _is_flat(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind))
