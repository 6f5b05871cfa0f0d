"""The shape of the API, held against recorded answers of the real one."""

import json

import pytest

from photosite.pictures.gallery import format_exposure_time, planned_api_exif, planned_listings
from photosite.plan.stops import EXPOSURE_TIMES
from photosite.site.api_objects import detailed_photo, page_links
from tests.photosite.shots_for_tests import full_plan
from tests.real_data import REAL

RECORDED = REAL / "unsplash" / "photos.jsonl"


@pytest.mark.skipif(not RECORDED.exists(), reason="recorded answers are not here")
def test_a_detail_has_the_fields_and_kinds_of_the_recorded_ones() -> None:
    recorded = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    real = next(photo for photo in recorded if photo.get("exif"))
    photo = next(p for p in full_plan().uploads if p.exif == "file" and not p.damage)
    listing = next(item for item in planned_listings(full_plan()) if item.id == photo.id)
    ours = detailed_photo(listing, planned_api_exif(photo), "http://127.0.0.1:1", 0)
    social = {"related_collections"}
    assert real.keys() - ours.keys() <= social
    for part in ("exif", "urls"):
        assert real[part].keys() <= ours[part].keys()  # type: ignore[attr-defined]  # JSON
        for name, value in real[part].items():
            assert isinstance(ours[part][name], type(value))  # type: ignore[index]  # JSON


def test_times_are_written_as_the_site_writes_them() -> None:
    written = [format_exposure_time(time) for time in EXPOSURE_TIMES]
    assert written[0] == "1/4000"
    assert written[-1] == "4"
    assert "0.3" in written


def test_the_last_page_has_no_next_one() -> None:
    links = page_links("http://a/photos", 3, 3, [("per_page", "10")])
    assert 'rel="next"' not in links
    assert '<http://a/photos?page=2&per_page=10>; rel="prev"' in links
