import csv
import gzip
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog import Workspace, open_catalog
from crawler.commands.crawl import crawl as command
from crawler.errors import ContactMissingError, CrawlError
from crawler.fetch.hosts import allow_host
from crawler.listing.vocabulary import photo_id
from crawler.session.crawl import crawl
from crawler.settings import CrawlSettings
from crawler.sources import UnsplashDatasetSource, UnsplashSource
from tests.factories import jpeg, picture, plain_jpeg
from tests.fakes.fault_site import FaultSite

# The columns in the order of the dataset's own documentation, and blur_hash of later editions.
COLUMN_NAMES = """photo_id photo_url photo_image_url photo_submitted_at photo_featured photo_width photo_height
photo_aspect_ratio photo_description photographer_username photographer_first_name photographer_last_name
exif_camera_make exif_camera_model exif_iso exif_aperture_value exif_focal_length exif_exposure_time
photo_location_name photo_location_latitude photo_location_longitude photo_location_country photo_location_city
stats_views stats_downloads ai_description ai_primary_landmark_name ai_primary_landmark_latitude
ai_primary_landmark_longitude ai_primary_landmark_confidence blur_hash"""
COLUMNS = COLUMN_NAMES.split()
PLACE = {
    "photo_location_name": "Hidden Bay",
    "photo_location_latitude": "12.3456",
    "ai_primary_landmark_name": "Hidden Tower",
}


def line(name: str, base: str = "https://images.example", **more: str) -> dict[str, str]:
    return {
        "photo_id": name,
        "photo_url": f"https://unsplash.com/photos/{name}",
        "photo_image_url": f"{base}/images/{name}",
        "photo_submitted_at": "2019-10-22 08:52:04.97",
        "photo_featured": "t",
        "photo_width": "6000",
        "photo_height": "4000",
        "photographer_username": "ann",
        "photographer_first_name": "Ann",
        "photographer_last_name": "Lens",
        "exif_camera_make": "NIKON CORPORATION",
        "exif_camera_model": "NIKON D90",
        "exif_iso": "200",
        "exif_aperture_value": "5.6",
        "exif_focal_length": "35.0",
        "exif_exposure_time": "1/250",
        **PLACE,
        **more,
    }


def write(
    path: Path, rows: list[dict[str, str]], columns: list[str], delimiter: str = "\t"
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter=delimiter, restval="")
        writer.writeheader()
        writer.writerows(rows)


def tables(top: Path, base: str = "https://images.example") -> Path:
    """Write two parts of photos with hostile rows, and the other tables."""
    quoted = 'he said "5\t6"\nand ü'
    bare = {name: "" for name in COLUMNS if name.startswith("exif")}
    first = [
        line("a-1", base, photo_description=quoted),
        line("b_2", base, **bare, ai_description="a pier"),
        line("c3", base, exif_exposure_time="1/0", exif_aperture_value="f/2.8", exif_iso="many"),
    ]
    second = [
        line("d4", "not an address", photographer_first_name="", photographer_last_name=""),
        line("", base),
        line("e5", base, photo_submitted_at="soon", photo_width="wide"),
    ]
    write(top / "photos.tsv000", first, COLUMNS)
    write(top / "photos.tsv001", second, COLUMNS)
    with (top / "photos.tsv001").open("a") as file:
        file.write("short\trow\n")
    (top / "photos.tsv.md5").write_text("no table")
    keywords = ["photo_id", "keyword", "ai_service_1_confidence", "ai_service_2_confidence"]
    said = [
        dict(zip([*keywords, "suggested_by_user"], row, strict=True))
        for row in (
            ("a-1", "pier", "22.5", "97.25", "f"),
            ("a-1", "sea", "", "", "t"),
            ("a-1", "sea", "", "", "t"),
            ("e5", "", "3", "", "f"),
            ("e5", "fog", "3", "", "f"),
        )
    ]
    write(top / "keywords.tsv000", said, [*keywords, "suggested_by_user"])
    colors = [{"photo_id": "a-1", "hex": "00FF00", "keyword": "lime", "coverage": "0.25"}]
    write(top / "colors.csv000", colors, list(colors[0]), ",")
    shown = {"photo_id": "a-1", "keyword": "beach", "anonymous_user_id": "u-secret"}
    write(top / "conversions.tsv000", [shown], list(shown))
    return top


def test_the_tables_alone_give_photos_and_their_exif(workspace: Workspace, tmp_path: Path) -> None:
    source = UnsplashDatasetSource(
        str(tables(tmp_path)), "lite", labels=["keywords", "colors", "conversions"]
    )
    summary = crawl(workspace, source)
    assert (summary.status, summary.skipped) == ("finished", 2)
    assert {name: summary.rows[name] for name in ("photos", "exif", "labels")} == {
        "photos": 5,
        "exif": 4,
        "labels": 5,
    }
    again = crawl(workspace, source)
    assert {name for name, n in again.rows.items() if n} == {"crawls"}
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT * FROM v_listed ORDER BY source_photo_id")
        labels = catalog.records("SELECT * FROM labels ORDER BY task, value")
    first, bare, odd, nameless, last = rows
    assert first["photo_id"] == photo_id("unsplash", "a-1")  # as source `unsplash` names it
    assert first["title"] == 'he said "5\t6"\nand ü'
    assert (first["photographer"], first["photographer_url"]) == (
        "Ann Lens",
        "https://unsplash.com/@ann",
    )
    assert (first["f_number"], first["iso"], first["exposure_time"]) == (5.6, 200, 0.004)
    assert (first["exif_source"], first["camera"], first["focal_mm"]) == (
        "dataset",
        "nikon d90",
        35,
    )
    assert first["posted_at"] == datetime.fromisoformat("2019-10-22T08:52:04.970000")
    assert (first["listed_width"], first["listed_height"]) == (6000, 4000)
    assert (bare["title"], bare["source_exif_json"], bare["f_number"]) == ("a pier", None, None)
    assert (odd["f_number"], odd["iso"], odd["exposure_time"]) == (2.8, None, None)
    assert (nameless["photographer"], nameless["image_url"]) == ("ann", None)
    assert (last["posted_at"], last["listed_width"]) == (None, None)
    assert {(row["training_allowed"], row["training_basis"]) for row in rows} == {
        (True, "unsplash_lite_dataset_terms")
    }
    assert {row["redistribution_allowed"] for row in rows} == {False}
    assert [(row["task"], row["value"], row["confidence"]) for row in labels] == [
        ("color", "lime", None),
        ("keyword", "fog", 0.03),
        ("keyword", "pier", 0.9725),
        ("keyword", "sea", None),
        ("search", "beach", None),
    ]
    assert not any(word in str(rows + labels) for word in ("Hidden", "12.3456", "u-secret"))


def test_columns_agree_with_those_of_the_api_road(tmp_path: Path) -> None:
    [row, *_] = UnsplashDatasetSource(str(tables(tmp_path)), "lite").photos()
    assert row
    user = {"name": "Ann Lens", "username": "ann", "links": {"html": "https://unsplash.com/@ann"}}
    page = {"html": "https://unsplash.com/photos/a-1"}
    said = UnsplashSource().photo({"id": "a-1", "user": user, "links": page})
    same = ("source", "source_photo_id", "photographer", "photographer_url", "attribution")
    assert [row[name] for name in (*same, "licence", "page_url")] == [
        said[name] for name in (*same, "licence", "page_url")
    ]


def test_pictures_are_fetched_when_asked_for(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = plain_jpeg(picture())
    source = UnsplashDatasetSource(str(tmp_path), "lite", pictures=True, width=640, limit=4)
    with FaultSite({"a-1": jpeg(), "b_2": bare, "c3": bare}) as site:
        tables(tmp_path, site.url)
        monkeypatch.delenv("SAFELIGHT_CONTACT", raising=False)
        with pytest.raises(ContactMissingError):
            source.check()
        monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")
        crawl(workspace, UnsplashDatasetSource(str(tmp_path), "lite"))
        summary = crawl(workspace, source, allow_host(CrawlSettings(), "http://127.0.0.1"))
    assert (summary.done, summary.skipped, summary.failed) == (3, 1, 0)
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT * FROM v_photos ORDER BY source_photo_id")
        exif = catalog.records(
            "SELECT exif_source, count(*) AS n FROM exif WHERE asset_sha256 IS NOT NULL GROUP BY ALL"
        )
        [left] = catalog.records("SELECT count(*) AS n FROM v_listed")
    assert [row["source_photo_id"] for row in rows] == ["a-1", "b_2", "c3"]
    assert all(str(row["image_url"]).endswith("?w=640&fit=max") for row in rows)
    assert rows[0]["f_number"] == 2.8  # what the file itself says comes first
    assert {row["exif_source"]: row["n"] for row in exif}["file"] == 2
    assert left["n"] == 2


def test_the_full_dataset_is_not_for_training_without_a_basis(tmp_path: Path) -> None:
    tables(tmp_path)
    for basis, wanted in (
        (None, (False, "unsplash_full_dataset_terms_noncommercial_only")),
        ("university course", (True, "university course")),
    ):
        [row, *_] = UnsplashDatasetSource(str(tmp_path), "full", training_basis=basis).photos()
        assert row
        assert (row["training_allowed"], row["training_basis"]) == wanted


def test_newer_names_commas_and_gz_are_read(tmp_path: Path) -> None:
    write(tmp_path / "photos.csv000", [line("a-1", photo_description='a, "b"')], COLUMNS, ",")
    plain = (tmp_path / "photos.csv000").read_bytes()
    (tmp_path / "photos.csv000").unlink()
    (tmp_path / "photos.csv000.gz").write_bytes(gzip.compress(plain))
    [row] = UnsplashDatasetSource(str(tmp_path), "lite").photos()
    assert row
    assert row["title"] == 'a, "b"'


def test_the_limit_holds_for_labels_too(workspace: Workspace, tmp_path: Path) -> None:
    source = UnsplashDatasetSource(str(tables(tmp_path)), "lite", labels=["keywords"], limit=1)
    summary = crawl(workspace, source)
    assert (summary.rows["photos"], summary.rows["labels"]) == (1, 2)


def test_a_folder_without_the_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(CrawlError, match=r"no photos\.tsv000"):
        UnsplashDatasetSource(str(tmp_path), "lite").check()
    tables(tmp_path)
    with pytest.raises(CrawlError, match=r"no collections\.tsv000"):
        UnsplashDatasetSource(str(tmp_path), "lite", labels=["collections"]).check()


def test_the_command_plans_and_runs(workspace: Workspace, tmp_path: Path) -> None:
    words = ["unsplash-dataset", str(tables(tmp_path)), "--home", str(workspace.home)]
    assert CliRunner().invoke(command, ["plan", *words]).exit_code == 2  # the edition is missing
    plan = CliRunner().invoke(command, ["plan", *words, "--edition", "lite"])
    assert "5 photos, 4 with all three settings, 0 API calls" in plan.output
    assert "2 broken lines" in plan.output
    done = CliRunner().invoke(command, ["run", *words, "--edition", "lite", "--labels", "colors"])
    assert done.exit_code == 0, done.output
    assert "labels 1, photos 5" in done.output
