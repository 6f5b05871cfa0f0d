"""Turns a planned photo into the bytes that the site sends for it."""

import io
import json
import random
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import Image, ImageOps

from photosite.pictures.camera import photograph
from photosite.pictures.edits import edited
from photosite.pictures.photo_tags import camera_tags
from photosite.plan.damage import TAG_DAMAGE
from photosite.plan.exif_writer import exif_block, into_jpeg, pointing_nowhere
from photosite.plan.plan import Planned
from photosite.plan.shots import Shot

THUMBNAIL_SIDE_PX = 112  # about
TRUNCATED_SHARE = 0.6


@dataclass(frozen=True)
class Body:
    """What an address answers: bytes, the type that is claimed for them, the length that is claimed.

    `claimed_length` is longer than the content where a server breaks off.
    """

    content: bytes
    content_type: str
    claimed_length: int


def body(photo: Planned) -> Body:
    """Make what the site sends as the original of this photo; the same bytes every time."""
    if photo.broken and photo.broken != "short_body":
        return _not_a_picture(photo.broken, photo.id)
    content = photo_bytes(photo)
    if photo.broken == "short_body":
        return Body(content[: len(content) * 2 // 3], "image/jpeg", len(content))
    return Body(content, "image/jpeg", len(content))


@lru_cache(maxsize=2)  # copies are made right after their original
def photo_bytes(photo: Planned) -> bytes:
    """Render, edit, encode, tag and damage one photo."""
    picture, quality, tagged_size = _stored_picture(photo)
    jpeg = encoded(picture, quality)
    if photo.exif != "file":
        return jpeg
    jpeg = into_jpeg(jpeg, _exif(photo, picture, tagged_size))
    if photo.damage == "truncated_jpeg":
        return jpeg[: round(len(jpeg) * TRUNCATED_SHARE)]
    return jpeg


def encoded(picture: Image.Image, quality: int) -> bytes:
    """Encode as JPEG without EXIF."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _stored_picture(photo: Planned) -> tuple[Image.Image, int, tuple[int, int]]:
    """Give the pixels as stored, their JPEG quality, and the size that EXIF tells."""
    if photo.parent is None or photo.edit is None:
        picture = _as_stored(photo.shot)
        return picture, photo.shot.camera.quality, picture.size
    with Image.open(io.BytesIO(photo_bytes(photo.parent))) as original:
        upright = ImageOps.exif_transpose(original).convert("RGB")
    picture, quality = edited(upright, photo.edit, photo.edit_seed)
    # People who shrink or cut a picture rarely have the old dimensions corrected.
    return picture, quality, upright.size


def _as_stored(shot: Shot) -> Image.Image:
    """Lay an upright picture on its side, as cameras store it."""
    picture = Image.fromarray(photograph(shot))
    return picture.transpose(Image.Transpose.ROTATE_90) if shot.is_upright else picture


def _exif(photo: Planned, picture: Image.Image, tagged_size: tuple[int, int]) -> bytes:
    tags = camera_tags(photo, tagged_size)
    if photo.damage in TAG_DAMAGE:
        tags = TAG_DAMAGE[photo.damage](tags)
    if photo.thumbnail_of is not None:
        picture = _as_stored(replace(photo.thumbnail_of, is_upright=photo.shot.is_upright))
    with_thumbnail = photo.damage != "software_only"
    block = exif_block(tags, _thumbnail(picture) if with_thumbnail else None)
    if photo.damage == "exif_garbage":
        return pointing_nowhere(block, 0x00FF_0000 + photo.shot.view % 9999)
    return block


def _thumbnail(picture: Image.Image) -> bytes:
    return encoded(picture.reduce(max(1, round(max(picture.size) / THUMBNAIL_SIDE_PX))), 75)


def _not_a_picture(kind: str, photo_id: str) -> Body:
    if kind == "html":
        page = (
            f"<!DOCTYPE html><html><body><h1>Sorry</h1><p>{photo_id} has moved.</p></body></html>"
        )
        return _whole(page.encode(), "image/jpeg")
    if kind == "json":
        return _whole(
            json.dumps({"errors": ["Image is being processed"]}).encode(), "application/json"
        )
    if kind == "random_bytes":
        # A byte above 127 first: no picture, no text, no known magic begins like this.
        noise = random.Random(photo_id).randbytes(12_000)  # noqa: S311  # repeatable, not secret
        return _whole(b"\x93" + noise, "image/jpeg")
    return _whole(b"", "image/jpeg")


def _whole(content: bytes, content_type: str) -> Body:
    return Body(content, content_type, len(content))
