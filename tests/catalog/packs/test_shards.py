"""A shard opens in any Parquet reader and each of its pictures is a byte range."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from catalog.errors import LayoutError
from catalog.packs.shards import MAX_ROWS, ShardWriter, locate, row_groups

COLUMNS = pa.schema([("name", pa.string()), ("vector", pa.list_(pa.float32()))])


def write(path: Path, images: list[bytes]) -> ShardWriter:
    names = [str(number) for number in range(len(images))]
    others = pa.table({"name": names, "vector": [[1.0]] * len(images)}, schema=COLUMNS)
    with ShardWriter(path, COLUMNS) as writer:
        for part in row_groups([len(image) for image in images]):
            writer.write(
                images[part], names[part], others.slice(part.start, part.stop - part.start)
            )
    return writer


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=250))
def test_every_picture_is_where_its_range_says(
    tmp_path_factory: pytest.TempPathFactory, images: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("shard") / "x.parquet"
    writer = write(path, images)
    raw = path.read_bytes()
    assert [raw[r.offset : r.offset + r.length] for r in writer.ranges] == images
    assert locate(path) == writer.ranges


def test_a_parquet_reader_sees_pictures_and_labels(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", [b"one", b"two"])
    rows = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert [row["image"]["bytes"] for row in rows] == [b"one", b"two"]
    assert rows[1]["name"] == "1"
    assert rows[1]["vector"] == [1.0]


def test_row_groups_keep_to_rows_and_bytes() -> None:
    assert [s.stop - s.start for s in row_groups([1] * 250)] == [MAX_ROWS, MAX_ROWS, 50]
    big = 20 * 2**20
    assert [s.stop - s.start for s in row_groups([big, big, big])] == [1, 1, 1]
    assert list(row_groups([])) == []


def test_one_page_a_row_group_even_for_large_pictures(tmp_path: Path) -> None:
    images = [bytes([n]) * 3_000_000 for n in range(12)]
    writer = write(tmp_path / "x.parquet", images)
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups == 2
    with (tmp_path / "x.parquet").open("rb") as raw:
        raw.seek(writer.ranges[11].offset)
        assert raw.read(writer.ranges[11].length) == images[11]


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_a_file_of_another_layout_is_refused(tmp_path: Path, compression: str) -> None:
    picture = pa.array([{"bytes": b"x" * 50, "path": "a"}] * 3)
    pq.write_table(pa.table({"image": picture}), tmp_path / "x.parquet", compression=compression)
    with pytest.raises(LayoutError, match="plain and uncompressed"):
        locate(tmp_path / "x.parquet")


def test_a_file_without_pictures_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(LayoutError, match=r"no column image\.bytes"):
        locate(tmp_path / "x.parquet")


def test_nothing_is_located_after_a_failed_write(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ShardWriter(tmp_path / "x.parquet", COLUMNS) as writer:
        raise RuntimeError
    assert writer.ranges == []
