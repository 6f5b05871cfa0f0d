import asyncio
from pathlib import Path

import pytest

from photosite.pictures.plan_gallery import PlanGallery, cached_body, entry_name, renderer_files
from photosite.pictures.response_body import make_body
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
    direct = [make_body(photo).content for photo in PLAN.uploads]
    assert asyncio.run(all_bodies(PlanGallery(PLAN))) == direct
    assert asyncio.run(all_bodies(PlanGallery(PLAN, workers=1))) == direct


def test_a_kept_picture_is_not_rendered_again(tmp_path: Path) -> None:
    photo = PLAN.uploads[0]
    first = cached_body(photo, tmp_path / "cache")
    entry = tmp_path / "cache" / entry_name(photo)
    assert entry.read_bytes() == first.content
    entry.write_bytes(b"from the cache")
    assert cached_body(photo, tmp_path / "cache").content == b"from the cache"


def test_the_name_of_an_entry_covers_every_module_that_a_picture_is_rendered_with() -> None:
    rendering = {"lens.py", "camera.py", "damage.py", "props.py"}
    assert rendering <= {path.name for path in renderer_files()}


def test_an_unknown_photo_is_an_error() -> None:
    async def ask() -> None:
        gallery = PlanGallery(PLAN)
        gallery.start()
        with pytest.raises(KeyError):
            await gallery.body("nobody")
        await gallery.close()

    asyncio.run(ask())
