import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from catalog import Workspace, open_catalog
from crawler.commands.crawl import crawl as command
from crawler.errors import CrawlError
from crawler.readers.img2dataset_folder import ArchiveLocation
from crawler.session.crawl import crawl
from crawler.session.summary import CrawlSummary
from crawler.settings import CrawlSettings
from crawler.sources import Img2DatasetSource
from tests.factories import jpeg, picture, plain_jpeg

EXIF = {
    "Image Make": "Acme",
    "Image Model": "One",
    "EXIF FNumber": "14/5",
    "EXIF ISOSpeedRatings": "400",
    "EXIF ExposureTime": "1/250",
    "GPS GPSLatitude": "[52, 31, 0]",
}
PICTURES = {"000000000": plain_jpeg(picture(seed=1)), "000000002": jpeg(seed=2)}


def noted(key: str, url: str, status: str = "success", **more: object) -> dict[str, object]:
    """Make a row as img2dataset 1.45 writes it with extract_exif, compute_hash sha256 and a column of the user's."""
    good = status == "success"
    return {
        "url": url,
        "caption": f"caption {key}",
        "punsafe": 0.25,
        "key": key,
        "status": status,
        "error_message": None if good else "HTTP Error 404: Not Found",
        "width": 64 if good else None,
        "height": 48 if good else None,
        "original_width": 640 if good else None,
        "original_height": 480 if good else None,
        "exif": json.dumps(EXIF) if key == "000000000" else "{}",
        "sha256": "ab" if good else None,
        **more,
    }


ROWS = [
    noted("000000000", "https://a.example/0.jpg"),
    noted("000000001", "https://a.example/1.jpg", "failed_to_download"),
    noted("000000002", "https://B.example/2.jpg?key=secret"),
]


def write_tar(top: Path, *, table: bool = True) -> None:
    if table:
        pq.write_table(pa.Table.from_pylist(ROWS), top / "00000.parquet")
    with tarfile.open(top / "00000.tar", "w") as tar:
        for row in ROWS:
            key = str(row["key"])
            if key in PICTURES:
                parts = {"jpg": PICTURES[key], "json": json.dumps(row, indent=4).encode()}
                parts["txt"] = str(row["caption"]).encode()
                for ending, content in parts.items():
                    member = tarfile.TarInfo(f"{key}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    (top / "00000_stats.json").write_text("{}")


def write_files(top: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), top / "00000.parquet")
    (top / "00000").mkdir()
    for key, content in PICTURES.items():
        (top / "00000" / f"{key}.jpg").write_bytes(content)


def write_parquet(top: Path) -> None:
    rows = [{**row, "jpg": PICTURES.get(str(row["key"])), "txt": row["caption"]} for row in ROWS]
    with pq.ParquetWriter(top / "00000.parquet", pa.Table.from_pylist(rows).schema) as writer:
        for row in rows:  # a row group each: bytes are found across groups
            writer.write_table(pa.Table.from_pylist([row], schema=writer.schema))


LAYOUTS = {"webdataset": write_tar, "files": write_files, "parquet": write_parquet}


def run(workspace: Workspace, top: Path) -> CrawlSummary:
    return crawl(workspace, Img2DatasetSource(str(top)), CrawlSettings())


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_each_layout_gives_the_same_rows(layout: str, workspace: Workspace, tmp_path: Path) -> None:
    top = tmp_path / "out"
    top.mkdir()
    LAYOUTS[layout](top)
    summary = run(workspace, top)
    assert (summary.status, summary.listed, summary.done) == ("finished", 3, 2)
    assert summary.errors == {"img2dataset_failed": 1}
    assert {name for name, n in run(workspace, top).rows.items() if n} == {"crawls"}
    with open_catalog(workspace) as catalog:
        first, second = catalog.records("SELECT * FROM v_photos ORDER BY image_url")
        [failed] = catalog.records("SELECT * FROM fetches WHERE outcome = 'failed'")
        exif = catalog.records("SELECT * FROM exif WHERE exif_source = 'dataset'")
        labels = catalog.records("SELECT DISTINCT task, value, label_source FROM labels")
    assert first["source_photo_id"] == first["image_url"] == "https://a.example/0.jpg"
    assert (first["title"], first["listed_width"], first["bytes"]) == (
        "caption 000000000",
        640,
        len(PICTURES["000000000"]),
    )
    # The file has lost its EXIF; what img2dataset noted about the original stands in for it.
    assert (first["f_number"], first["iso"], first["exposure_time"]) == (2.8, 400, 0.004)
    assert [row["photo_id"] for row in exif] == [first["photo_id"]]
    assert "secret" not in str(second)
    assert (failed["url"], failed["error_class"]) == ("https://a.example/1.jpg", "final")
    assert failed["error_detail"] == "failed_to_download: HTTP Error 404: Not Found"
    assert labels == [{"task": "punsafe", "value": "0.25", "label_source": "dataset"}]
    assert "52" not in str(exif) + str(first["source_exif_json"])


@pytest.mark.parametrize("files", [False, True])
def test_without_a_table_the_notes_beside_the_pictures_speak(
    files: bool, workspace: Workspace, tmp_path: Path
) -> None:
    write_tar(tmp_path, table=False)
    if files:
        with tarfile.open(tmp_path / "00000.tar") as tar:
            tar.extractall(tmp_path / "00000", filter="data")
        (tmp_path / "00000.tar").unlink()
    summary = run(workspace, tmp_path)
    assert (summary.listed, summary.done, summary.failed) == (2, 2, 0)
    with open_catalog(workspace) as catalog:
        titles = catalog.records("SELECT title FROM photos ORDER BY title")
    assert [row["title"] for row in titles] == ["caption 000000000", "caption 000000002"]


def test_what_is_broken_is_an_error_row(workspace: Workspace, tmp_path: Path) -> None:
    write_tar(tmp_path)
    tar = tmp_path / "00000.tar"
    with tarfile.open(tar) as opened:
        [last] = [m for m in opened if m.name == "000000002.jpg"]
    tar.write_bytes(tar.read_bytes()[: last.offset_data + 100])
    summary = run(workspace, tmp_path)
    assert summary.done == 1
    assert summary.errors["img2dataset_failed"] >= 1
    assert sum(summary.errors.values()) == 2


def test_files_that_left_after_the_listing_are_missing(
    workspace: Workspace, tmp_path: Path
) -> None:
    write_files(tmp_path)
    source = Img2DatasetSource(str(tmp_path))
    pages = list(source.pages())
    (tmp_path / "00000" / "000000002.jpg").unlink()

    class ListedPhoto(Img2DatasetSource):
        def pages(self):  # type: ignore[no-untyped-def]
            return iter(pages)

    summary = crawl(workspace, ListedPhoto(str(tmp_path)), CrawlSettings(max_bytes=100))
    assert summary.errors == {"img2dataset_failed": 1, "missing": 1, "too_big": 1}


def test_a_folder_without_shards_says_so(tmp_path: Path) -> None:
    with pytest.raises(CrawlError, match="holds no shards"):
        Img2DatasetSource(str(tmp_path)).check()


def test_places_survive_the_frontier() -> None:
    for location in (
        ArchiveLocation("a.tar", 512, 9),
        ArchiveLocation("a.parquet", column="jpg", row=3),
        ArchiveLocation(failed="x"),
    ):
        assert ArchiveLocation.read(location.text()) == location


def test_the_command_plans_and_runs(workspace: Workspace, tmp_path: Path) -> None:
    write_parquet(tmp_path)
    plan = CliRunner().invoke(command, ["plan", "img2dataset", str(tmp_path)])
    assert plan.output == "2 pictures and 1 failure in 1 shard\n"
    words = ["run", "img2dataset", str(tmp_path), "--training-basis", "CC0"]
    done = CliRunner().invoke(command, [*words, "--home", str(workspace.home)])
    assert "img2dataset_failed 1" in done.output
    with open_catalog(workspace) as catalog:
        [row] = catalog.records("SELECT DISTINCT training_allowed, training_basis FROM photos")
    assert row == {"training_allowed": True, "training_basis": "CC0"}
