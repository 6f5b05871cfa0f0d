"""The same photographs give the same rows, by HTTP through the spider or from a folder; and hard files stop nobody."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog
from crawler import FolderSource, crawl
from tests.factories import jpeg, picture, plain_jpeg
from tests.real_data import REAL, needs

ROOT = Path(__file__).parents[2]
ASSETS = "SELECT * EXCLUDE (first_seen, pack, pack_offset, pack_length) FROM assets ORDER BY sha256"
EXIF = "SELECT * FROM exif ORDER BY asset_sha256, exif_source"
PHOTOS = "SELECT source_photo_id, asset_sha256 FROM photos ORDER BY source_photo_id"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Nine photographs in nested folders, two without EXIF, one a copy of another."""
    folder = tmp_path / "photos"
    (folder / "trip one" / "day 2").mkdir(parents=True)
    for number in range(6):
        place = folder / ("trip one/day 2" if number % 2 else "trip one")
        name = f"é {number}.jpg"
        (place / name).write_bytes(
            jpeg(f_number=(28 + number, 10), iso=100 * (number + 1), seed=number)
        )
    (folder / "plain.jpg").write_bytes(plain_jpeg(picture((64, 48), 3)))
    (folder / "trip one" / "copy.jpg").write_bytes((folder / "trip one" / "é 0.jpg").read_bytes())
    (folder / "last.JPEG").write_bytes(jpeg(f_number=(8, 1), iso=64, seed=9))
    return folder


@pytest.fixture
def site(photos: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "safelight", "demo", "site", "--photos", str(photos)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.mark.long
def test_a_site_and_a_folder_give_the_same_rows(
    photos: Path, site: str, workspace: Workspace, tmp_path: Path
) -> None:
    crawl(workspace, FolderSource(str(photos)))
    other = Workspace.at(tmp_path / "by_http")
    command = ["--home", str(other.home), "crawl", "run", "unsplash", "--api-base", site]
    environment = os.environ | {
        "SAFELIGHT_UNSPLASH_KEY": "demo",
        "SAFELIGHT_CONTACT": "tests@localhost",
    }
    subprocess.run(
        [sys.executable, "-m", "safelight", *command],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    with open_catalog(workspace) as folder, open_catalog(other) as http:
        assert len(folder.records(PHOTOS)) == 9
        for sql in (ASSETS, EXIF, PHOTOS):
            assert http.records(sql) == folder.records(sql)


@needs("exif_zoo/zoo.tar")
def test_every_hard_file_ends_as_a_row_or_an_error_row(
    workspace: Workspace, tmp_path: Path
) -> None:
    with tarfile.open(REAL / "exif_zoo" / "zoo.tar") as archive:
        archive.extractall(tmp_path / "zoo", filter="data")
        files = sum(member.isfile() for member in archive.getmembers())
    crawl(workspace, FolderSource(str(tmp_path / "zoo")))
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT count(DISTINCT photo_id) AS n FROM photos")[0]["n"]
        errors = catalog.records(
            "SELECT count(DISTINCT photo_id) AS n FROM fetches WHERE photo_id NOT IN (SELECT photo_id FROM photos) "
            "AND error IS NOT NULL"
        )[0]["n"]
    assert files == 104
    assert int(str(rows)) + int(str(errors)) == files
    assert int(str(rows)) >= 80
