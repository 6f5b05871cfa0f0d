import json

import pytest

from crawler.fetch.addresses import without_secrets
from crawler.fetch.failures import status_failure
from crawler.listing.vocabulary import hash_id, photo_id, source_exif, utc
from crawler.session.records import make_crawl_id


def test_ids_follow_their_recipe() -> None:
    import hashlib

    assert photo_id("folder", "a/b.jpg") == hashlib.sha256(b"folder\na/b.jpg").hexdigest()[:32]
    assert hash_id("c", "p", 1) == hashlib.sha256(b"c\np\n1").hexdigest()[:32]


def test_the_same_order_has_the_same_crawl_id() -> None:
    assert make_crawl_id("s", {"a": 1, "b": None}) == make_crawl_id("s", {"b": None, "a": 1})
    assert make_crawl_id("s", {"a": 1}) != make_crawl_id("s", {"a": 2})


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://me:pw@a.org/p.jpg?w=9&client_id=K", "https://a.org/p.jpg?w=9"),
        ("https://a.org/p.jpg?w=9&ixid=1", "https://a.org/p.jpg?w=9&ixid=1"),
        ("https://a.org/p.jpg?Signature=zz", "https://a.org/p.jpg"),
        ("cats/a b.jpg", "cats/a b.jpg"),
    ],
)
def test_secrets_are_taken_out_of_addresses(url: str, clean: str) -> None:
    assert without_secrets(url) == clean


def test_times_become_utc_without_a_zone() -> None:
    assert utc("2015-04-10T12:03:03-04:00").isoformat() == "2015-04-10T16:03:03"
    assert utc("2021-05-01T12:00:00Z").isoformat() == "2021-05-01T12:00:00"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"aperture": "f/2.8", "iso": 100, "exposure_time": "1/250"}, (2.8, 100.0, 0.004)),
        ({"aperture": 4, "iso": None, "exposure_time": "0.5"}, (4.0, None, 0.5)),
        ({"aperture": "wide", "iso": "200", "exposure_time": "1/0"}, (None, 200.0, None)),
    ],
)
def test_exif_of_an_api_is_typed(said: dict[str, object], expected: tuple[object, ...]) -> None:
    row = source_exif(json.dumps(said))
    assert row
    assert (row["f_number"], row["iso"], row["exposure_time"]) == expected
    assert row["exif_source"] == "api"


@pytest.mark.parametrize("said", [None, "{}", '{"make": "Acme", "iso": null}'])
def test_an_api_without_a_setting_makes_no_row(said: str | None) -> None:
    assert source_exif(said) is None


def test_statuses_have_classes() -> None:
    assert status_failure(404).error_class == "final"
    assert {status_failure(status).error_class for status in (408, 429, 500, 503)} == {"transient"}
