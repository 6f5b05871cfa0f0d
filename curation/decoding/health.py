"""Examine one file: whether it decodes cleanly, and the size, brightness, sharpness and detail of its picture.

This code reads untrusted bytes, so it runs only in a decoder process; `decoding.py` calls it.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from curation.decoding.integrity import file_fault, palette_fault, strip_fault, unwritten_fault
from curation.decoding.limits import THUMBNAIL_SIDE_PX, DecodeError
from curation.decoding.pixels import ImageHeader, Pixels, decode_stored, error_line, turn
from curation.decoding.scan_damage import discontinuity_score
from curation.decoding.thumbnails import Grey, read_thumbnail, thumbnail_correlation
from curation.decoding.unused_tail import unused_tail

SHARPNESS_SIDE_PX = 512
PREVIEW_SIDE_PX = 640  # longest side of the preview, which later stages read


@dataclass(frozen=True)
class Health:
    """The result of decoding one file: the columns of the `health` table, a thumbnail and a preview."""

    decode_status: str
    detail: str | None = None
    pixel_sha256: str | None = None
    width: int | None = None
    height: int | None = None
    luma_mean: float | None = None
    luma_std: float | None = None
    sharpness: float | None = None
    detail_energy: float | None = None
    thumbnail_correlation: float | None = None
    exif_blocks: int | None = None
    thumbnail: bytes | None = None
    preview: bytes | None = None
    preview_width: int | None = None


def failed_health(error: Exception) -> Health:
    """Name the `decode_status` of a file whose decoding ended with an error."""
    if isinstance(error, DecodeError):
        return Health(error.status, error.detail)
    is_memory = isinstance(error, MemoryError)
    return Health("too_much_memory" if is_memory else "undecodable", error_line(error))


def examine_image(image: bytes, header: ImageHeader, thumbnail: bytes) -> Health:
    """Decode and measure a file after its header; `thumbnail` is the JPEG in its EXIF; decoders may raise anything."""
    pixels, warning = decode_stored(image, header)
    warning = warning or _silent_damage(image, header, pixels)
    stored_thumbnail = read_thumbnail(thumbnail) if thumbnail and not warning else None
    embedded = None if stored_thumbnail is None else turn(stored_thumbnail, header.orientation)
    blocks = header.structure.exif_blocks if header.container == "JPEG" else None
    pixels = turn(pixels, header.orientation)
    return _measure(pixels, "damaged" if warning else "ok", warning, embedded, blocks)


def _silent_damage(image: bytes, header: ImageHeader, pixels: Pixels) -> str | None:
    """Name the damage of a file that was decoded without an error; `pixels` as stored."""
    if fault := file_fault(image, header.container):
        return fault
    if header.container == "JPEG":
        score = discontinuity_score(pixels, header.structure)
        return (
            f"the picture breaks along its coding units (strength {score:.1f})"
            if score > 1
            else None
        )
    if header.container == "PNG":
        return palette_fault(header.picture)
    if header.container in ("BMP", "TIFF"):
        return strip_fault(image, header.picture) or unwritten_fault(pixels)
    return unused_tail(image, header.container, pixels)


def _measure(
    pixels: Pixels, status: str, detail: str | None, embedded: Grey | None, exif_blocks: int | None
) -> Health:
    height, width = pixels.shape[:2]
    luma = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    mean, std = cv2.meanStdDev(luma)
    small = shrink(luma, SHARPNESS_SIDE_PX)
    preview = shrink(pixels, PREVIEW_SIDE_PX)
    side = THUMBNAIL_SIDE_PX
    thumbnail = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return Health(
        decode_status=status,
        detail=detail,
        pixel_sha256=_pixel_sha256(pixels),
        width=width,
        height=height,
        luma_mean=float(mean[0, 0]) / 255,
        luma_std=float(std[0, 0]) / 255,
        sharpness=float(cv2.Laplacian(small, cv2.CV_32F).var()),
        detail_energy=detail_energy(luma),
        thumbnail_correlation=(
            None if embedded is None else thumbnail_correlation(small, embedded)
        ),
        exif_blocks=exif_blocks,
        thumbnail=thumbnail.tobytes(),
        preview=np.ascontiguousarray(preview).tobytes(),
        preview_width=preview.shape[1],
    )


def _pixel_sha256(pixels: Pixels) -> str:
    """Hash size and pixels: the same bytes in another shape are another picture."""
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"{width}x{height}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def shrink(pixels: npt.NDArray[np.uint8], side_px: int) -> npt.NDArray[np.uint8]:
    """Scale RGB or luma down to a longest side of at most `side_px`, by area; smaller ones stay as they are."""
    scale = side_px / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def detail_energy(luma: npt.NDArray[np.uint8]) -> float:
    """Share of the luma energy (without the mean) above half of the Nyquist frequency, 0 to 1.

    Read by a cosine transform (no seams at the borders) from the middle, at most 512 px a side, in multiples
    of 32 px. An upscaled picture has next to none. Needs at least 32 px a side, else 0.
    """
    height, width = (min(512, side // 32 * 32) for side in luma.shape)
    if not (height and width):
        return 0.0
    top, left = (luma.shape[0] - height) // 2, (luma.shape[1] - width) // 2
    part = luma[top : top + height, left : left + width].astype(np.float32)
    power = np.square(cv2.dct(part - part.mean()))
    total = float(power.sum())
    return float((power * _is_fine(height, width)).sum()) / total if total > 0 else 0.0


@lru_cache(maxsize=64)
def _is_fine(height: int, width: int) -> npt.NDArray[np.float32]:
    """Mark the cosine coefficients above half of the Nyquist frequency."""
    rows, columns = np.ogrid[0:height, 0:width]
    return (np.hypot(rows / height, columns / width) > 0.5).astype(np.float32)
