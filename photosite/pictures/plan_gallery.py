"""Render the pictures of a plan while the site is running.

With `workers` the pictures are rendered ahead in child processes, in the order of the site's list. Without workers each
picture is rendered in a thread on its first request. The folder `cache` stores the bytes for the next run; the name of
an entry is a hash of the planned photo and of the renderer's code.
"""

import asyncio
import hashlib
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache as cache_result
from pathlib import Path

import numpy as np
import PIL

from photosite.pictures.gallery import ApiExif, Listing, planned_api_exif, planned_listings
from photosite.pictures.response_body import ResponseBody, make_body
from photosite.plan.plan import DemoPlan, PlannedPhoto


class PlanGallery:
    """A gallery of all photos of a plan.

    An original and its copies are made together, so that the original is rendered once.
    """

    def __init__(self, plan: DemoPlan, *, workers: int = 0, cache: Path | None = None) -> None:
        self.listings: Sequence[Listing] = planned_listings(plan)
        self._photos = {photo.id: photo for photo in plan.uploads}
        self._families: dict[str, list[PlannedPhoto]] = {}
        for photo in plan.uploads:
            self._families.setdefault(_root(photo), []).append(photo)
        self._folder = cache
        self._workers = workers
        self._executor: Executor | None = None
        self._bodies: dict[str, asyncio.Future[dict[str, ResponseBody]]] = {}

    def start(self) -> None:
        """Start rendering ahead if there are workers; needs a running event loop."""
        if self._workers:
            self._executor = ProcessPoolExecutor(
                self._workers, multiprocessing.get_context("spawn")
            )
            for photo in self._photos.values():
                self._render(_root(photo))
        else:
            self._executor = ThreadPoolExecutor(1, "darkroom")

    def api_exif(self, photo_id: str) -> ApiExif:
        """Return the settings as in the API; raise `KeyError` for an unknown id."""
        return planned_api_exif(self._photos[photo_id])

    async def body(self, photo_id: str) -> ResponseBody:
        """Return the response body of the original; raise `KeyError` for an unknown id."""
        bodies = await asyncio.shield(self._render(_root(self._photos[photo_id])))
        return bodies[photo_id]

    async def close(self) -> None:
        """Stop rendering; pictures that are not started are cancelled."""
        for future in self._bodies.values():
            future.cancel()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def _render(self, root: str) -> asyncio.Future[dict[str, ResponseBody]]:
        """Start to render an original and its copies, once."""
        if root not in self._bodies:
            loop = asyncio.get_running_loop()
            self._bodies[root] = loop.run_in_executor(
                self._executor, cached_bodies, self._families[root], self._folder
            )
        return self._bodies[root]


def _root(photo: PlannedPhoto) -> str:
    return photo.parent.id if photo.parent else photo.id


def cached_bodies(family: Sequence[PlannedPhoto], folder: Path | None) -> dict[str, ResponseBody]:
    """Return the response bodies of an original and its copies by id."""
    return {photo.id: cached_body(photo, folder) for photo in family}


def cached_body(photo: PlannedPhoto, folder: Path | None) -> ResponseBody:
    """Return the response body of a photo, from the cache folder if it is there."""
    if folder is None or photo.broken:
        return make_body(photo)
    path = folder / entry_name(photo)
    if path.exists():
        content = path.read_bytes()
        return ResponseBody(content, "image/jpeg", len(content))
    new = make_body(photo)
    folder.mkdir(parents=True, exist_ok=True)
    partial_path = path.with_suffix(f".{os.getpid()}.part")
    partial_path.write_bytes(new.content)
    partial_path.replace(path)
    return new


def entry_name(photo: PlannedPhoto) -> str:
    """Return the name of a cache entry: a hash of everything that determines its bytes."""
    return hashlib.sha256(f"{renderer_digest()}\n{photo!r}".encode()).hexdigest()[:32] + ".jpg"


@cache_result
def renderer_digest() -> str:
    """Return the digest of the renderer's code and of the versions of numpy and Pillow."""
    digest = hashlib.sha256(f"{np.__version__} {PIL.__version__}".encode())
    for path in renderer_files():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def renderer_files() -> list[Path]:
    """List the modules that determine the bytes of a picture."""
    room = Path(__file__).parents[1]
    folders = ("optics", "pictures", "plan", "scenes")
    return sorted(path for folder in folders for path in (room / folder).glob("*.py"))
