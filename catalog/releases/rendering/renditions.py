"""Smaller versions of the pictures of a release, made when it is published: the columns `image_256` and the like.

A loader that reads them decodes a fraction of the pixels. They are upright JPEGs without tags, drawn in sandboxed
processes. The same pictures give the same bytes on the same version of Pillow only, so a release with renditions may
have another digest elsewhere.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from catalog.errors import MissingPartError, ReleaseError

SIDES = (16, 4096)  # px, the smallest and the largest that can be asked for


def rendition_names(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the columns of the renditions that a plan asks for.

    >>> rendition_names({"renditions": [256, 64]})
    ('image_256', 'image_64')
    """
    return tuple(f"image_{side}" for side in plan.get("renditions", ()))


def place_columns(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the columns of the index that say where the renditions are, in bytes inside their shard."""
    return tuple(
        f"{name}_{part}" for name in rendition_names(plan) for part in ("offset", "length")
    )


class RenditionMaker:
    """Draws the renditions of a plan, in processes that are started when they are needed; a context manager."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.names = rendition_names(plan)
        self._sides: Sequence[int] = plan.get("renditions", ())
        for side in self._sides:
            if not SIDES[0] <= side <= SIDES[1]:
                raise ReleaseError(
                    f"a rendition of {side} px cannot be made; give {SIDES[0]} to {SIDES[1]}"
                )
        self._open = ExitStack()
        if self._sides:
            _need_pillow()
            from catalog.sandbox import DecoderPool

            self._decoders = DecoderPool("catalog.releases.rendering.jobs")
            self._open.callback(self._decoders.close)
            self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="renditions")
            self._open.enter_context(self._threads)

    def __enter__(self) -> "RenditionMaker":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def make(self, bodies: Sequence[bytes]) -> dict[str, list[bytes]]:
        """Draw each picture at each size; the original stands where a picture is small or cannot be decoded."""
        return {
            name: list(self._threads.map(self._draw, bodies, [side] * len(bodies)))
            for name, side in zip(self.names, self._sides, strict=True)
        }

    def _draw(self, body: bytes, side: int) -> bytes:
        from catalog.sandbox import DecoderError

        try:
            parts = self._decoders.decode("rendition", body, side_px=side).parts
        except DecoderError:  # whoever reads it meets the same bytes as in `image`
            return body
        return parts[0] if parts else body


def _need_pillow() -> None:
    try:
        import PIL  # noqa: F401 - the decoder processes need it
    except ModuleNotFoundError as error:
        raise MissingPartError("Pillow", "train") from error
