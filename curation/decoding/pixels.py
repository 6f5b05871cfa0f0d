"""Decode one file to upright RGB pixels, or raise an error with the reason.

Two decoders read JPEG files. libjpeg-turbo in strict mode is fast and refuses what libjpeg only warns about (a file cut
and closed again, most garbage in the scan); Pillow then distinguishes `damaged` (there is still a picture) from
`truncated` and `undecodable`. Every other file is decoded by Pillow. Both decoders give the same RGB bytes, so
`pixel_sha256` does not depend on the decoder. Of 560 JPEGs with fourteen kinds of planted damage the strict decoder
refused 505; libvips with fail_on=warning refused 369, all of which the strict decoder refused too.
"""

import io
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

from curation.decoding.containers import READERS, JpegStructure, jpeg_structure, sniff
from curation.decoding.limits import MIN_SIDE_PX, DecodeError, check_size

Pixels = npt.NDArray[np.uint8]
"""Upright RGB, shape (height, width, 3)."""

_STRICT_COLOR_SPACES = {
    "RGB": "RGB",
    "L": "RGB",
    "CMYK": "CMYK",
}  # mode of a JPEG -> color space of the strict decoder


@dataclass(frozen=True)
class ImageHeader:
    """The header of a file within the limits; no pixel is decoded yet."""

    container: str
    picture: Image.Image
    structure: JpegStructure

    @cached_property
    def orientation(self) -> int:
        """EXIF Orientation, to be read after the pixels.

        For it Pillow reads a PNG to its end and hides the errors; pixels that are read afterwards are then black where
        the file is damaged.
        """
        return _orientation(self.picture)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored, in px."""
        width, height = self.picture.size
        return width, height


def decode_upright(image: bytes) -> tuple[Pixels, str | None]:
    """Give the upright RGB pixels and the warning of the strict decoder (None without one).

    Alpha is composited on white; CMYK, palettes and 16 bit become RGB; animations give their first frame.
    Raises `DecodeError` for files without a whole picture or beyond the size limits.
    """
    with warnings.catch_warnings():  # Pillow warns of odd but valid files
        warnings.simplefilter("ignore")
        header = open_header(image)
        pixels, warning = decode_stored(image, header)
    return turn(pixels, header.orientation), warning


def open_header(image: bytes, min_side_px: int = MIN_SIDE_PX) -> ImageHeader:
    """Read the header by the container's own decoder; raises `DecodeError` before any pixel is decoded."""
    container = sniff(image)
    if container is None:
        raise DecodeError("not_an_image", f"no image starts with {image[:8]!r}")
    if container not in READERS:
        raise DecodeError("unsupported", f"there is no decoder for {container}")
    try:
        picture = Image.open(io.BytesIO(image), formats=[container])
    except Image.DecompressionBombError as error:
        raise DecodeError("too_large", error_line(error)) from error
    except Exception as error:  # Pillow's plugins raise anything; the caller records it
        raise DecodeError("undecodable", error_line(error)) from error
    check_size(*picture.size, len(image), min_side_px)
    structure = jpeg_structure(image) if container == "JPEG" else JpegStructure()
    return ImageHeader(container, picture, structure)


def decode_stored(image: bytes, header: ImageHeader) -> tuple[Pixels, str | None]:
    """Give RGB pixels in the stored orientation, and the warning of the strict decoder."""
    color_space = _STRICT_COLOR_SPACES.get(header.picture.mode)
    if header.container != "JPEG" or color_space is None:
        return _decode_by_pillow(header.picture), None
    try:
        strict: Pixels = simplejpeg.decode_jpeg(image, color_space, strict=True)
    except ValueError as error:
        return _decode_by_pillow(header.picture), error_line(error)
    # Pillow handles inverted and Adobe CMYK; the strict decoder only checked the scan.
    return (strict if color_space == "RGB" else _decode_by_pillow(header.picture)), None


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - a corrupt EXIF block must not lose the picture; upright is assumed
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _decode_by_pillow(picture: Image.Image) -> Pixels:
    try:
        picture.load()
        return np.asarray(_as_rgb(picture))
    except MemoryError as error:
        raise DecodeError("too_much_memory", error_line(error)) from error
    except Exception as error:  # the decoder failed; the status says how
        status = "truncated" if "truncated" in str(error).lower() else "undecodable"
        raise DecodeError(status, error_line(error)) from error


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


def error_line(error: Exception) -> str:
    """Write an error on one line, always with the same text: Pillow puts the address of the stream into one message."""
    if isinstance(error, UnidentifiedImageError):
        return "UnidentifiedImageError: the header is broken"
    return f"{type(error).__name__}: {error}"[:200]
