"""Decode one file fully and say what it is: health, pixels' hash, size, light, sharpness, detail.

Two decoders look at each JPEG. libjpeg-turbo in strict mode is fast and refuses what libjpeg only warns
about (a file cut and closed again, garbage in the scan); Pillow then tells `damaged` (it still makes a
picture) from `truncated` and `undecodable`. Everything that is not a plain JPEG goes through Pillow.
Both give the same RGB bytes, so `pixel_sha256` does not depend on the way taken.
"""

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import simplejpeg
from PIL import Image

from curation.stage import THUMBNAIL_SIDE_PX, with_outputs
from curation.thumbnails import Grey, read_thumbnail, thumbnail_correlation

MAX_PIXELS = 120_000_000  # a 100-Mpx medium-format back with some room
MAX_SIDE_PX = 30_000
MIN_SIDE_PX = 64  # below it neither hash nor features mean anything
SHARPNESS_SIDE_PX = 512

Pixels = npt.NDArray[np.uint8]
"""Upright RGB, shape (height, width, 3)."""


@dataclass(frozen=True)
class Health:
    """What decoding found in one file; columns as in the `health` table, and the hidden thumbnail."""

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
    thumbnail: bytes | None = None


class DecodeError(Exception):
    """A file has no usable pixels; `status` is the `decode_status` to record."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Decode:
    """Stage: `image` bytes to the health columns and a 288 x 288 RGB `thumbnail`.

    `thumbnail_offset` and `thumbnail_length` say where the thumbnail of the EXIF lies in `image`; length 0 is none.
    """

    name = "decode"
    version = "2"
    inputs = ("image", "thumbnail_offset", "thumbnail_length")
    outputs = pa.schema(
        [
            pa.field("decode_status", pa.string()),
            pa.field("detail", pa.string()),
            pa.field("pixel_sha256", pa.string()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("luma_mean", pa.float64()),
            pa.field("luma_std", pa.float64()),
            pa.field("sharpness", pa.float64()),
            pa.field("detail_energy", pa.float64()),
            pa.field("thumbnail_correlation", pa.float64()),
            pa.field("thumbnail", pa.binary()),
        ]
    )

    def setup(self) -> None:
        """Need nothing."""

    def run(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Decode each row; a bad file becomes a status, never an exception."""
        given = zip(*(batch.column(name) for name in self.inputs), strict=True)
        found = [asdict(_examine_row(*row)) for row in given]
        columns: dict[str, Sequence[object]] = {
            name: [row[name] for row in found] for name in self.outputs.names
        }
        return with_outputs(batch, self.outputs, columns)


def _examine_row(image: pa.Scalar, offset: pa.Scalar, length: pa.Scalar) -> Health:
    body, start = image.as_py(), offset.as_py()
    return examine(body, body[start : start + length.as_py()])


def examine(image: bytes, thumbnail: bytes = b"") -> Health:
    """Decode one file and measure it; every failure is a `decode_status` with its detail.

    `thumbnail` is the JPEG inside its EXIF, in the orientation of the stored pixels. A damaged picture is not
    compared with it.
    """
    try:
        pixels, orientation, warning = _decode(image)
        small = read_thumbnail(thumbnail) if thumbnail and not warning else None
        upright = None if small is None else _turn(small, orientation)
        return _measure(pixels, "damaged" if warning else "ok", warning, upright)
    except DecodeError as error:
        return Health(error.status, error.detail)
    except Exception as error:  # noqa: BLE001 - decoders raise anything on hostile bytes; recorded as a row
        return Health("undecodable", _said(error))


def decode_upright(image: bytes) -> tuple[Pixels, str | None]:
    """Give the upright RGB pixels and what a strict decoder complained about (None if nothing).

    Alpha is laid on white, CMYK, palettes and 16 bit become RGB, animations give their first frame.
    Raises `DecodeError` for files without a whole picture or beyond the size limits.
    """
    pixels, _, warning = _decode(image)
    return pixels, warning


def _decode(image: bytes) -> tuple[Pixels, int, str | None]:
    """Give the upright pixels, the orientation that was applied and the complaint."""
    with warnings.catch_warnings():  # Pillow warns of odd but valid files; limits are checked below
        warnings.simplefilter("ignore")
        opened = _open(image)
        _check_size(*opened.size)
        orientation = _orientation(opened)
        if opened.format in ("JPEG", "MPO") and opened.mode in ("RGB", "L"):
            try:
                return _turn(_decode_strictly(image), orientation), orientation, None
            except ValueError as error:
                return _turn(_decode_by_pillow(opened), orientation), orientation, _said(error)
        return _turn(_decode_by_pillow(opened), orientation), orientation, None


def _open(image: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(image))
    except Image.DecompressionBombError as error:
        raise DecodeError("too_large", _said(error)) from error
    except Exception as error:  # Pillow's plugins raise anything; the caller records it
        raise DecodeError("undecodable", _said(error)) from error


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise DecodeError("too_small", f"{width} x {height} px, smallest side is {MIN_SIDE_PX} px")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        raise DecodeError("too_large", f"{width} x {height} px")


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - a corrupt EXIF block must not cost the picture; upright is assumed
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _decode_strictly(image: bytes) -> Pixels:
    pixels: Pixels = simplejpeg.decode_jpeg(image, "RGB", strict=True)
    return pixels


def _decode_by_pillow(picture: Image.Image) -> Pixels:
    try:
        picture.load()
        return np.asarray(_as_rgb(picture))
    except Exception as error:  # a decoder said no; the status says how
        status = "truncated" if "truncated" in str(error).lower() else "undecodable"
        raise DecodeError(status, _said(error)) from error


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _from_deep_grey(picture).convert("RGB")
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return picture.convert("RGB")


def _from_deep_grey(picture: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and float grey to 8 bit; Pillow alone would clip it to white."""
    values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    tops = (65535.0,) if picture.mode.startswith("I;16") else (1.0, 255.0, 65535.0)
    top = next((number for number in tops if values.max() <= number), float(values.max()))
    return Image.fromarray((np.clip(values / top, 0, 1) * 255).round().astype(np.uint8))


def _turn(pixels: Pixels, orientation: int) -> Pixels:
    """Apply an EXIF Orientation to RGB or grey pixels."""
    if orientation == 1:
        return pixels
    mirrored = pixels[:, ::-1] if orientation in (2, 4, 5, 7) else pixels
    # Orientation 2 is a mirror; 4, 5, 7 are a mirror followed by 2, 1, 3 quarter turns to the left.
    quarter_turns = {2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation]
    return np.ascontiguousarray(np.rot90(mirrored, quarter_turns))


def _measure(pixels: Pixels, status: str, detail: str | None, embedded: Grey | None) -> Health:
    height, width = pixels.shape[:2]
    luma = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    mean, std = cv2.meanStdDev(luma)
    small = _shrink(luma, SHARPNESS_SIDE_PX)
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
        thumbnail=thumbnail.tobytes(),
    )


def _pixel_sha256(pixels: Pixels) -> str:
    """Hash size and pixels: the same bytes in another shape are another picture."""
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"{width}x{height}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _shrink(luma: npt.NDArray[np.uint8], side_px: int) -> npt.NDArray[np.uint8]:
    scale = side_px / max(luma.shape)
    if scale >= 1:
        return luma
    size = (max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale)))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


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


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
