import gzip
import struct
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from catalog import AssetReader, Workspace, open_catalog
from crawler.commands.planner import plan_files
from crawler.errors import InputMissingError, InputRefusedError
from crawler.readers.idx_files import png, read_idx
from crawler.report.audit import audit
from crawler.session.crawl import crawl
from crawler.sources import IdxSource
from tests.real_data import REAL, needs

PER_DIGIT = [889, 1012, 927, 907, 892, 817, 864, 912, 873, 907]  # as the data's own manifest says


def idx(*sizes: int, values: bytes) -> bytes:
    return bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + values


def real(limit: int | None = None) -> IdxSource:
    names = (f"mnist-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    images, labels = (str(REAL / "digits" / name) for name in names)
    return IdxSource(images, labels, limit=limit)


@given(st.integers(1, 30), st.integers(1, 30), st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_a_png_gives_its_values_back(width: int, height: int, random: Random) -> None:
    values = bytes(int(random.random() * 256) for _ in range(width * height))
    with Image.open(BytesIO(png(values, width, height))) as picture:
        assert (picture.size, picture.mode) == ((width, height), "L")
        assert picture.tobytes() == values


def test_a_png_has_the_same_bytes_everywhere() -> None:
    assert png(b"\0\xff", 2, 1).hex(" ", -4) == (
        "89504e47 0d0a1a0a 0000000d 49484452 00000002 00000001 08000000 00d14920 "
        "56000000 0e494441 54780101 0300fcff 0000ff01 020100b7 012ef700 00000049 454e44ae 426082"
    )


@needs("digits/mnist-images-idx3-ubyte.gz")
def test_digits_come_in_with_their_labels_and_their_values(workspace: Workspace) -> None:
    assert plan_files(real()).files == 9000
    summary = crawl(workspace, real(limit=300))
    assert (summary.done, summary.failed, summary.rows["photos"]) == (300, 0, 300)
    sizes, values = read_idx(REAL / "digits/mnist-images-idx3-ubyte.gz", 3)
    assert sizes == (9000, 28, 28)
    _, labels = read_idx(REAL / "digits/mnist-labels-idx1-ubyte.gz", 1)
    with open_catalog(workspace) as catalog, AssetReader(workspace) as reader:
        found = catalog.records(
            "SELECT p.source_photo_id AS name, l.value, l.task, a.* FROM photos p "
            "JOIN labels l ON subject_id = photo_id JOIN assets a ON a.sha256 = p.asset_sha256 ORDER BY name"
        )
        assert [row["name"] for row in found] == [f"mnist/{n:05}" for n in range(300)]
        assert [int(str(row["value"])) for row in found] == list(labels[:300])
        assert {(row["task"], row["format"], row["width"], row["height"]) for row in found} == {
            ("digit", "PNG", 28, 28)
        }
        for place in (0, 7, 299):
            row = found[place]
            body = reader.read(row["pack"], row["pack_offset"], row["pack_length"])
            with Image.open(BytesIO(body)) as picture:
                assert picture.tobytes() == values[place * 784 : place * 784 + 784]


@pytest.mark.slow
@needs("digits/mnist-images-idx3-ubyte.gz")
def test_all_digits_come_in(workspace: Workspace) -> None:
    summary = crawl(workspace, real())
    assert (summary.done, summary.failed) == (9000, 0)
    with open_catalog(workspace) as catalog:
        found = catalog.records("SELECT count(*) AS n FROM labels GROUP BY value ORDER BY value")
    assert [row["n"] for row in found] == PER_DIGIT
    assert audit(workspace).problems == []


def test_plain_files_are_read_too_and_a_changed_file_is_read_again(
    workspace: Workspace, tmp_path: Path
) -> None:
    images, labels = tmp_path / "train-images.idx3-ubyte", tmp_path / "train-labels.idx1-ubyte"
    images.write_bytes(idx(3, 2, 2, values=bytes(range(12))))
    labels.write_bytes(idx(3, values=bytes([4, 5, 6])))
    source = IdxSource(str(images), str(labels), task="fruit")
    assert crawl(workspace, source).done == 3
    images.write_bytes(idx(3, 2, 2, values=bytes(range(11)) + b"\xff"))
    again = crawl(workspace, source)  # what did not change is not kept twice
    assert (again.done, again.rows["photos"], again.rows["assets"]) == (3, 1, 1)
    with open_catalog(workspace) as catalog:
        found = catalog.records("SELECT DISTINCT source_photo_id FROM photos ORDER BY ALL")
        tasks = catalog.records("SELECT task, value FROM labels ORDER BY ALL")
    assert [row["source_photo_id"] for row in found] == [f"train/0000{n}" for n in range(3)]
    assert [tuple(row.values()) for row in tasks] == [("fruit", v) for v in "456"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no IDX file"),
        (b"\0\0\x08\3\0\0", "no IDX file"),
        (idx(4, values=b"abcd"), "3 dimensions"),
        (b"\0\0\x0d\3" + bytes(12), "no IDX file of bytes"),
        (idx(2, 2, 2, values=b"abcdefg"), "7 values do not make 2 x 2 x 2"),
        (idx(2**31, 2**31, 2**31, values=b"a"), "do not make"),
        (gzip.compress(idx(1, 1, 1, values=b"a"), mtime=0)[:-9], "unpacked"),
        (b"\x1f\x8bgarbage", "unpacked"),
    ],
)
def test_what_is_no_idx_file_is_refused(tmp_path: Path, body: bytes, why: str) -> None:
    (tmp_path / "a").write_bytes(body)
    with pytest.raises(InputRefusedError, match=why):
        read_idx(tmp_path / "a", 3)


def test_labels_of_another_set_are_refused(tmp_path: Path) -> None:
    (tmp_path / "i").write_bytes(idx(1, 1, 1, values=b"a"))
    (tmp_path / "l").write_bytes(idx(2, values=b"ab"))
    with pytest.raises(InputRefusedError, match="it labels 2 pictures, and there are 1"):
        list(IdxSource(str(tmp_path / "i"), str(tmp_path / "l")).pages("crawl"))
    with pytest.raises(InputMissingError):
        IdxSource(str(tmp_path / "i"), str(tmp_path / "none")).check()
