"""Make the response body that the site sends for a planned photo."""

import io
import json
import random
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import Image, ImageOps

from photosite.pictures.camera import photograph
from photosite.pictures.edits import apply_edit
from photosite.pictures.photo_tags import camera_tags
from photosite.plan.damage import TAG_DAMAGE
from photosite.plan.exif_writer import break_ifd_pointer, exif_block, insert_into_jpeg
from photosite.plan.plan import PlannedPhoto
from photosite.plan.shot_parameters import Shot

THUMBNAIL_SIDE_PX = 112  # about
TRUNCATED_SHARE = 0.6


@dataclass(frozen=True)
class ResponseBody:
    """The body of an HTTP response with its Content-Type and Content-Length.

    `claimed_length` is larger than the content where the server closes the connection early.
    """

    content: bytes
    content_type: str
    claimed_length: int


def make_body(photo: PlannedPhoto) -> ResponseBody:
    """Make the response body of this photo's original; the bytes are the same every time."""
    if photo.broken and photo.broken != "short_body":
        return _broken_body(photo.broken, photo.id)
    content = photo_bytes(photo)
    if photo.broken == "short_body":
        return ResponseBody(content[: len(content) * 2 // 3], "image/jpeg", len(content))
    return ResponseBody(content, "image/jpeg", len(content))


@lru_cache(maxsize=2)  # copies are made right after their original
def photo_bytes(photo: PlannedPhoto) -> bytes:
    """Render, edit, encode, tag and damage one photo."""
    picture, quality, tagged_size = _stored_picture(photo)
    jpeg = encode_jpeg(picture, quality)
    if photo.exif != "file":
        return jpeg
    jpeg = insert_into_jpeg(jpeg, _exif(photo, picture, tagged_size))
    if photo.damage == "truncated_jpeg":
        return jpeg[: round(len(jpeg) * TRUNCATED_SHARE)]
    return jpeg


def encode_jpeg(picture: Image.Image, quality: int) -> bytes:
    """Encode as JPEG without EXIF."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _stored_picture(photo: PlannedPhoto) -> tuple[Image.Image, int, tuple[int, int]]:
    """Return the pixels as stored, their JPEG quality, and the size in EXIF."""
    if photo.parent is None or photo.edit is None:
        picture = _rotate_as_stored(photo.shot)
        return picture, photo.shot.camera.quality, picture.size
    with Image.open(io.BytesIO(photo_bytes(photo.parent))) as original:
        upright = ImageOps.exif_transpose(original).convert("RGB")
    picture, quality = apply_edit(upright, photo.edit, photo.edit_seed)
    # Editors that resize or crop a picture often keep the old dimensions in EXIF.
    return picture, quality, upright.size


def _rotate_as_stored(shot: Shot) -> Image.Image:
    """Rotate an upright picture by 90 degrees, as cameras store it."""
    picture = Image.fromarray(photograph(shot))
    return picture.transpose(Image.Transpose.ROTATE_90) if shot.is_upright else picture


def _exif(photo: PlannedPhoto, picture: Image.Image, tagged_size: tuple[int, int]) -> bytes:
    tags = camera_tags(photo, tagged_size)
    if photo.damage in TAG_DAMAGE:
        tags = TAG_DAMAGE[photo.damage](tags)
    if photo.thumbnail_of is not None:
        picture = _rotate_as_stored(replace(photo.thumbnail_of, is_upright=photo.shot.is_upright))
    with_thumbnail = photo.damage != "software_only"
    block = exif_block(tags, _thumbnail(picture) if with_thumbnail else None)
    if photo.damage == "exif_garbage":
        return break_ifd_pointer(block, 0x00FF_0000 + photo.shot.view % 9999)
    return block


def _thumbnail(picture: Image.Image) -> bytes:
    return encode_jpeg(picture.reduce(max(1, round(max(picture.size) / THUMBNAIL_SIDE_PX))), 75)


def _broken_body(kind: str, photo_id: str) -> ResponseBody:
    if kind == "html":
        page = (
            f"<!DOCTYPE html><html><body><h1>Sorry</h1><p>{photo_id} has moved.</p></body></html>"
        )
        return _complete(page.encode(), "image/jpeg")
    if kind == "json":
        return _complete(
            json.dumps({"errors": ["Image is being processed"]}).encode(), "application/json"
        )
    if kind == "random_bytes":
        # The first byte is above 127: no format of pictures or text begins with it.
        noise = random.Random(photo_id).randbytes(12_000)  # noqa: S311  # repeatable, not secret
        return _complete(b"\x93" + noise, "image/jpeg")
    return _complete(b"", "image/jpeg")


def _complete(content: bytes, content_type: str) -> ResponseBody:
    return ResponseBody(content, content_type, len(content))
