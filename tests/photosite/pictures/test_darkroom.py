import asyncio
from pathlib import Path

import pytest

from photosite.pictures.bodies import body
from photosite.pictures.darkroom import PlanGallery, entry_name, kept_body
from photosite.plan.plan import DemoPlan

PLAN = DemoPlan(photos=4, has_faults=False)


async def all_bodies(gallery: PlanGallery) -> list[bytes]:
    gallery.start()
    try:
        return [(await gallery.body(photo.id)).content for photo in PLAN.uploads]
    finally:
        await gallery.close()


@pytest.mark.slow
def test_workers_render_the_same_bytes_as_a_thread_and_as_nobody() -> None:
    direct = [body(photo).content for photo in PLAN.uploads]
    assert asyncio.run(all_bodies(PlanGallery(PLAN))) == direct
    assert asyncio.run(all_bodies(PlanGallery(PLAN, workers=1))) == direct


def test_a_kept_picture_is_not_rendered_again(tmp_path: Path) -> None:
    photo = PLAN.uploads[0]
    first = kept_body(photo, tmp_path / "cache")
    entry = tmp_path / "cache" / entry_name(photo)
    assert entry.read_bytes() == first.content
    entry.write_bytes(b"from the cache")
    assert kept_body(photo, tmp_path / "cache").content == b"from the cache"


def test_an_unknown_photo_is_an_error() -> None:
    async def ask() -> None:
        gallery = PlanGallery(PLAN)
        gallery.start()
        with pytest.raises(KeyError):
            await gallery.body("nobody")
        await gallery.close()

    asyncio.run(ask())
