import json
from datetime import datetime

import pytest

from crawler.errors import ContactMissingError, KeyMissingError
from crawler.frontier.items import READY, Item
from crawler.listing.vocabulary import source_exif, utc_now
from crawler.session.records import FetchResult, photo_row
from crawler.sources.unsplash import UnsplashSource
from tests.real_data import REAL, needs


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (UnsplashSource(), "/photos?page=2&per_page=30"),
        (UnsplashSource("search", "red sea"), "/search/photos?query=red+sea&page=2&per_page=30"),
        (UnsplashSource("topic", "sea"), "/topics/sea/photos?page=2&per_page=30"),
        (UnsplashSource("collection", "9"), "/collections/9/photos?page=2&per_page=30"),
        (UnsplashSource("user", "a/b"), "/users/a%2Fb/photos?page=2&per_page=30"),
    ],
)
def test_each_listing_has_its_address(source: UnsplashSource, path: str) -> None:
    assert source.page_url(2) == f"https://api.unsplash.com{path}"


def test_a_crawl_needs_a_contact_and_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAFELIGHT_CONTACT", raising=False)
    monkeypatch.delenv("SAFELIGHT_UNSPLASH_KEY", raising=False)
    with pytest.raises(ContactMissingError, match="SAFELIGHT_CONTACT"):
        UnsplashSource().check()
    monkeypatch.setenv("SAFELIGHT_CONTACT", "me@example.org")
    with pytest.raises(KeyMissingError, match="SAFELIGHT_UNSPLASH_KEY"):
        UnsplashSource().check()
    monkeypatch.setenv("SAFELIGHT_UNSPLASH_KEY", "hidden")
    UnsplashSource().check()
    assert "hidden" not in json.dumps(dict(UnsplashSource().config))


def test_training_is_allowed_only_on_a_recorded_basis() -> None:
    plain, asked = UnsplashSource(), UnsplashSource(training_basis="letter of 2 May")
    said = {"id": "x"}
    assert (plain.photo(said)["training_allowed"], plain.photo(said)["training_basis"]) == (
        False,
        "unsplash_api_terms",
    )
    assert (asked.photo(said)["training_allowed"], asked.photo(said)["training_basis"]) == (
        True,
        "letter of 2 May",
    )


@needs("unsplash/photos.jsonl")
def test_recorded_photo_objects_become_rows() -> None:
    lines = (REAL / "unsplash/photos.jsonl").read_text("utf-8").splitlines()
    source, rows = UnsplashSource(), []
    for line in lines:
        item = Item(
            1, "c", "p", "http://h/", "h", source.photo(json.loads(line)), READY, 0, 0, None
        )
        rows.append(photo_row(FetchResult(item, 1, "http://h/?client_id=K", utc_now())))
    assert len(rows) == 170
    assert all(row["photographer"] and row["attribution"] and row["page_url"] for row in rows)
    assert all(isinstance(row["posted_at"], datetime) for row in rows)
    assert {row["image_url"] for row in rows} == {"http://h/"}
    assert sum(row["source_exif_json"] is not None for row in rows) == 5
    exif = next(source_exif(row["source_exif_json"]) for row in rows if row["source_exif_json"])
    assert exif
    assert (exif["f_number"], exif["exposure_time"], exif["iso"]) == (5.6, 1 / 500, 140.0)
    assert exif["camera"] == "nikon d3100"
    assert not any("latitude" in str(row) for row in rows)
