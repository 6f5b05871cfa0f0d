"""Makes the pictures of a plan while the site is already answering.

With `workers` the pictures are rendered ahead in other processes, in the order in which the site
lists them; without, each is rendered in a thread when it is first asked for. A folder given as
`cache` keeps the bytes for the next run: an entry's name covers the plan and the renderer's code.
"""

import asyncio
import hashlib
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache as remembered
from pathlib import Path

import numpy as np
import PIL

from photosite.pictures.bodies import Body, body
from photosite.pictures.gallery import ApiExif, Listing, planned_api_exif, planned_listings
from photosite.plan.plan import DemoPlan, Planned


class PlanGallery:
    """A gallery of everything that a plan says.

    An original and its copies are made together: then the original is rendered once.
    """

    def __init__(self, plan: DemoPlan, *, workers: int = 0, cache: Path | None = None) -> None:
        self.listings: Sequence[Listing] = planned_listings(plan)
        self._photos = {photo.id: photo for photo in plan.uploads}
        self._families: dict[str, list[Planned]] = {}
        for photo in plan.uploads:
            self._families.setdefault(_root(photo), []).append(photo)
        self._folder = cache
        self._workers = workers
        self._executor: Executor | None = None
        self._made: dict[str, asyncio.Future[dict[str, Body]]] = {}

    def start(self) -> None:
        """Begin to render ahead, when there are workers; needs a running event loop."""
        if self._workers:
            self._executor = ProcessPoolExecutor(
                self._workers, multiprocessing.get_context("spawn")
            )
            for photo in self._photos.values():
                self._begin(_root(photo))
        else:
            self._executor = ThreadPoolExecutor(1, "darkroom")

    def api_exif(self, photo_id: str) -> ApiExif:
        """Give what the API tells of the settings; raise `KeyError` for an unknown id."""
        return planned_api_exif(self._photos[photo_id])

    async def body(self, photo_id: str) -> Body:
        """Give the original's answer; raise `KeyError` for an unknown id."""
        made = await asyncio.shield(self._begin(_root(self._photos[photo_id])))
        return made[photo_id]

    async def close(self) -> None:
        """Stop rendering; what is not begun is not made."""
        for waiting in self._made.values():
            waiting.cancel()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def _begin(self, root: str) -> asyncio.Future[dict[str, Body]]:
        """Have a family made, once."""
        if root not in self._made:
            loop = asyncio.get_running_loop()
            self._made[root] = loop.run_in_executor(
                self._executor, kept_bodies, self._families[root], self._folder
            )
        return self._made[root]


def _root(photo: Planned) -> str:
    return photo.parent.id if photo.parent else photo.id


def kept_bodies(family: Sequence[Planned], folder: Path | None) -> dict[str, Body]:
    """Give the answers of an original and its copies by id."""
    return {photo.id: kept_body(photo, folder) for photo in family}


def kept_body(photo: Planned, folder: Path | None) -> Body:
    """Give a photo's answer, from the folder of an earlier run when it is there."""
    if folder is None or photo.broken:
        return body(photo)
    path = folder / entry_name(photo)
    if path.exists():
        content = path.read_bytes()
        return Body(content, "image/jpeg", len(content))
    made = body(photo)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(made.content)
    part.replace(path)
    return made


def entry_name(photo: Planned) -> str:
    """Name a cache entry by all that decides its bytes."""
    return hashlib.sha256(f"{renderer_digest()}\n{photo!r}".encode()).hexdigest()[:32] + ".jpg"


@remembered
def renderer_digest() -> str:
    """Digest the code that renders, with the versions of numpy and Pillow."""
    digest = hashlib.sha256(f"{np.__version__} {PIL.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
