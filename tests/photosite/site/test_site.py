import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from photosite.pictures.response_body import photo_bytes
from photosite.plan.plan import DemoPlan, PlannedPhoto
from photosite.site.site import PhotoSite

KEY = {"Authorization": "Client-ID demo"}
PLAN = DemoPlan(seed=7, photos=120)
BUSY = DemoPlan(seed=7, photos=400)  # large enough for a fault and a breakage of every kind


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes
    json: object


Get = Callable[..., Awaitable[Response]]


def visit(site: PhotoSite, talk: Callable[[Get], Awaitable[None]]) -> None:
    """Serve the site while `talk` sends requests to it."""

    async def run() -> None:
        async with site, aiohttp.ClientSession() as session:

            async def get(path: str, headers: dict[str, str] = KEY) -> Response:
                url = path if path.startswith("http") else site.url + path
                async with session.get(url, headers=headers) as response:
                    raw = await response.read()
                    is_json = response.content_type == "application/json"
                    content = await response.json() if is_json and raw else None
                    return Response(response.status, dict(response.headers), raw, content)

            await talk(get)

    asyncio.run(run())


def a_photo(**marked: object) -> PlannedPhoto:
    """Find a photo of the plan with these marks and no other fault."""
    marks = {"broken": None, "fault": None, "damage": None} | marked
    return next(p for p in PLAN.uploads if all(getattr(p, k) == v for k, v in marks.items()))


def test_lists_come_in_pages_that_together_hold_every_photo_once() -> None:
    async def talk(get: Get) -> None:
        first = await get("/photos?per_page=30")
        assert first.headers["X-Total"] == "120"
        assert first.headers["X-Per-Page"] == "30"
        assert 'rel="next"' in first.headers["Link"]
        assert 'rel="prev"' not in first.headers["Link"]
        ids: list[str] = []
        for page in range(1, 6):
            response = await get(f"/photos?per_page=30&page={page}")
            ids += [photo["id"] for photo in response.json]  # type: ignore[attr-defined]  # JSON
        assert ids == [photo.id for photo in PLAN.uploads]
        assert len((await get("/photos?per_page=500&page=x")).json) == 30  # type: ignore[arg-type]  # JSON
        oldest = (await get("/photos?order_by=oldest")).json
        assert oldest[0]["id"] == PLAN.uploads[-1].id  # type: ignore[index]  # JSON

    visit(PhotoSite(PLAN), talk)


def test_without_the_key_the_api_answers_401_and_pictures_need_none() -> None:
    photo = a_photo()

    async def talk(get: Get) -> None:
        for headers in ({}, {"Authorization": "Client-ID other"}):
            refused = await get("/photos", headers)
            assert refused.status == 401
            assert refused.json == {"errors": ["OAuth error: The access token is invalid"]}
        assert (await get(f"/images/{photo.id}", {})).status == 200
        assert (await get("/robots.txt", {})).body.startswith(b"User-agent: *")

    visit(PhotoSite(PLAN), talk)


def test_over_the_quota_the_api_answers_403_with_unsplashs_words() -> None:
    async def talk(get: Get) -> None:
        assert (await get("/photos")).headers["X-RateLimit-Remaining"] == "1"
        assert (await get("/photos")).headers["X-RateLimit-Remaining"] == "0"
        over = await get("/photos")
        assert over.status == 403
        assert over.body == b"Rate Limit Exceeded"
        assert over.headers["X-RateLimit-Limit"] == "2"

    visit(PhotoSite(PLAN, quota=2), talk)


def test_only_the_detail_holds_the_settings() -> None:
    photo = a_photo(exif="file")

    async def talk(get: Get) -> None:
        listed = (await get("/photos")).json[0]  # type: ignore[index]  # JSON
        assert "exif" not in listed
        detail = (await get(f"/photos/{photo.id}")).json
        assert listed.keys() <= detail.keys()  # type: ignore[attr-defined]  # JSON
        exif = detail["exif"]  # type: ignore[index]  # JSON
        assert exif["iso"] == photo.shot.iso
        assert exif["aperture"] == f"{float(photo.shot.f_number):.1f}"
        assert exif["make"] == photo.shot.camera.make

    visit(PhotoSite(PLAN), talk)


def test_settings_that_only_the_api_knows_are_told_and_lost_ones_are_null() -> None:
    async def talk(get: Get) -> None:
        known = (await get(f"/photos/{a_photo(exif='api').id}")).json["exif"]  # type: ignore[index]  # JSON
        lost = (await get(f"/photos/{a_photo(exif='none').id}")).json["exif"]  # type: ignore[index]  # JSON
        zero = (await get(f"/photos/{a_photo(damage='iso_zero').id}")).json["exif"]  # type: ignore[index]  # JSON
        assert known["iso"] > 0
        assert set(lost.values()) == {None}
        assert zero["iso"] == 0

    visit(PhotoSite(PLAN), talk)


def test_a_download_is_counted_and_leads_to_the_original_bytes() -> None:
    photo = a_photo(kind="original")

    async def talk(get: Get) -> None:
        links = (await get(f"/photos/{photo.id}")).json["links"]  # type: ignore[index]  # JSON
        address = (await get(links["download_location"])).json["url"]  # type: ignore[index]  # JSON
        picture = await get(address, {})
        assert picture.body == photo_bytes(photo)
        assert picture.headers["Content-Type"] == "image/jpeg"
        log = (await get("/demo/requests", {})).json
        assert log["downloads"] == {photo.id: 1}  # type: ignore[index]  # JSON
        assert log["images"] == {photo.id: 1}  # type: ignore[index]  # JSON
        assert (await get(f"/photos/{photo.id}")).json["downloads"] == 1  # type: ignore[index]  # JSON

    visit(PhotoSite(PLAN), talk)


def test_renditions_are_narrower_and_without_exif() -> None:
    photo = a_photo(kind="original", damage=None)

    async def talk(get: Get) -> None:
        urls = (await get(f"/photos/{photo.id}")).json["urls"]  # type: ignore[index]  # JSON
        small = await get(urls["thumb"], {})
        assert b"Exif" not in small.body[:400]
        assert len(small.body) < len((await get(urls["raw"], {})).body)
        empty = await get(f"/images/{a_photo(broken='empty').id}?w=200")
        assert empty.status == 422

    visit(PhotoSite(PLAN), talk)


def test_search_topics_collections_and_users_list_the_same_photos() -> None:
    async def talk(get: Get) -> None:
        found = (await get("/search/photos?query=forest&per_page=30")).json
        forests = sum(photo.shot.family == "forest" for photo in PLAN.uploads)
        assert found["total"] == len(found["results"]) == forests  # type: ignore[index]  # JSON
        topics = (await get("/topics")).json
        assert sum(topic["total_photos"] for topic in topics) == 120  # type: ignore[attr-defined]  # JSON
        for path in (
            "/topics/nature/photos",
            "/collections/1001/photos",
            "/users/ada_winterling/photos",
        ):
            response = await get(path)
            assert response.status == 200
            assert response.json
        assert len((await get("/collections")).json) == 3  # type: ignore[arg-type]  # JSON
        person = (await get("/users/ada_winterling")).json
        assert person["name"] == "Ada Winterling"  # type: ignore[index]  # JSON

    visit(PhotoSite(PLAN), talk)


def test_what_does_not_exist_is_answered_with_404() -> None:
    async def talk(get: Get) -> None:
        for path in ("photos/no", "photos/no/download", "topics/no/photos", "collections/9/photos"):
            response = await get(f"/{path}")
            assert response.status == 404
            assert "errors" in response.json  # type: ignore[operator]  # JSON
        assert (await get("/users/nobody/photos")).status == 404
        assert (await get("/images/no")).status == 404
        assert (await get("/search/photos")).status == 400

    visit(PhotoSite(PLAN), talk)


def faulty(kind: str) -> PlannedPhoto:
    return next(photo for photo in BUSY.uploads if photo.fault == kind)


FAULTS = {"404": (404, 404), "500_once": (500, 200), "429_once": (429, 200), "503_once": (503, 200)}


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_come_as_planned_and_only_as_often(kind: str) -> None:
    photo = faulty(kind)

    async def talk(get: Get) -> None:
        answers = [await get(f"/images/{photo.id}", {}) for _ in range(2)]
        assert tuple(response.status for response in answers) == FAULTS[kind]
        if kind in {"429_once", "503_once"}:
            assert answers[0].headers["Retry-After"] == "1"

    visit(PhotoSite(BUSY), talk)


def test_a_dropped_connection_breaks_off_once_and_a_slow_answer_comes() -> None:
    async def talk(get: Get) -> None:
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(f"/images/{faulty('dropped_once').id}", {})
        assert (await get(f"/images/{faulty('dropped_once').id}", {})).status == 200
        assert (await get(f"/images/{faulty('slow_start').id}", {})).status == 200

    visit(PhotoSite(BUSY), talk)


def test_a_short_body_breaks_off_every_time() -> None:
    photo = next(p for p in BUSY.uploads if p.broken == "short_body")

    async def talk(get: Get) -> None:
        for _ in range(2):
            with pytest.raises(aiohttp.ClientPayloadError):
                await get(f"/images/{photo.id}", {})

    visit(PhotoSite(BUSY), talk)


def test_without_faults_everything_planned_is_served() -> None:
    async def talk(get: Get) -> None:
        assert (await get(f"/images/{faulty('404').id}", {})).status == 200

    visit(PhotoSite(BUSY, has_faults=False), talk)


def test_a_folder_is_served_byte_for_byte_under_its_paths(tmp_path: Path) -> None:
    (tmp_path / "a b" / "50%").mkdir(parents=True)
    inner = tmp_path / "a b" / "50%" / "ünder#1?.jpg"
    inner.write_bytes(photo_bytes(a_photo(kind="original", exif="file")))
    Image.new("RGB", (9, 7)).save(tmp_path / "plain.png")
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    (tmp_path / "notes.txt").write_text("no picture")

    async def talk(get: Get) -> None:
        listed = (await get("/photos")).json
        ids = [photo["id"] for photo in listed]  # type: ignore[attr-defined]  # JSON
        assert ids == ["a b/50%/ünder#1?.jpg", "broken.jpg", "plain.png"]
        nested, broken, plain = listed  # type: ignore[misc]  # JSON
        assert "%2F" in nested["links"]["self"]
        detail = (await get(nested["links"]["self"])).json
        assert detail["id"] == ids[0]  # type: ignore[index]  # JSON
        assert detail["exif"]["iso"] > 0  # type: ignore[index]  # JSON
        address = (await get(nested["links"]["download_location"])).json["url"]  # type: ignore[index]  # JSON
        assert (await get(address, {})).body == inner.read_bytes()
        assert (plain["width"], plain["height"], broken["width"]) == (9, 7, 0)
        assert (await get(plain["links"]["self"])).json["exif"]["iso"] is None  # type: ignore[index]  # JSON
        assert (await get(broken["links"]["self"])).json["exif"]["make"] is None  # type: ignore[index]  # JSON
        assert (await get(plain["urls"]["full"], {})).headers["Content-Type"] == "image/png"

    visit(PhotoSite(tmp_path), talk)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="name one that holds pictures"):
        PhotoSite(tmp_path / "nowhere")
