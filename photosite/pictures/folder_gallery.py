"""Serve the files of a folder as a photo site, byte for byte."""

import datetime as dt
import warnings
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from PIL import Image

from photosite.pictures.gallery import ApiExif, Listing, format_exposure_time
from photosite.pictures.response_body import ResponseBody

TYPES = {
    ".avif": "image/avif", ".bmp": "image/bmp", ".exv": "application/octet-stream",
    ".gif": "image/gif", ".heic": "image/heic", ".heif": "image/heif", ".jfif": "image/jpeg",
    ".jp2": "image/jp2", ".jpe": "image/jpeg", ".jpeg": "image/jpeg", ".jpg": "image/jpeg",
    ".png": "image/png", ".tif": "image/tiff", ".tiff": "image/tiff", ".webp": "image/webp",
}  # fmt: skip
MAKE, MODEL, EXIF_IFD = 0x010F, 0x0110, 0x8769
EXPOSURE_TIME, F_NUMBER, ISO, FOCAL_LENGTH = 0x829A, 0x829D, 0x8827, 0x920A


class FolderGallery:
    """A gallery of all files with the suffix of an image below a folder; the id of a photo is its relative path."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder; name one that holds pictures")
        self._paths = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix.lower() in TYPES
        }

    @cached_property
    def listings(self) -> Sequence[Listing]:
        """List every file in the order of the paths; sizes are 0 where Pillow cannot read the file."""
        return [_listing(photo_id, path) for photo_id, path in self._paths.items()]

    def api_exif(self, photo_id: str) -> ApiExif:
        """Read the settings with Pillow; raise `KeyError` for an unknown id."""
        return _read_exif(self._paths[photo_id])

    async def body(self, photo_id: str) -> ResponseBody:
        """Return the bytes of the file; raise `KeyError` for an unknown id."""
        path = self._paths[photo_id]
        content = path.read_bytes()
        return ResponseBody(content, TYPES[path.suffix.lower()], len(content))

    async def close(self) -> None:
        """Do nothing: this gallery holds no resources."""


def _listing(photo_id: str, path: Path) -> Listing:
    width, height = _size(path)
    written = dt.datetime.fromtimestamp(path.stat().st_mtime, tz=dt.UTC)
    folders = tuple(Path(photo_id).parts[:-1])
    return Listing(
        photo_id, width, height, written, "folder", "folder", alt=path.stem, tags=folders
    )


def _size(path: Path) -> tuple[int, int]:
    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("ignore")
            return picture.size
    except Exception:  # noqa: BLE001  # a broken file is listed with size 0, as the docstring says
        return 0, 0


def _read_exif(path: Path) -> ApiExif:
    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("ignore")
            top = picture.getexif()
            inner = top.get_ifd(EXIF_IFD)
            return ApiExif(
                make=_text(top.get(MAKE)),
                model=_text(top.get(MODEL)),
                exposure_time=_time(inner.get(EXPOSURE_TIME)),
                aperture=_decimal(inner.get(F_NUMBER)),
                focal_length=_decimal(inner.get(FOCAL_LENGTH)),
                iso=_whole(inner.get(ISO)),
            )
    except Exception:  # noqa: BLE001  # the API returns null for settings that cannot be read
        return ApiExif()


def _text(value: object) -> str | None:
    return value.strip("\0 ") or None if isinstance(value, str) else None


def _decimal(value: object) -> str | None:
    return f"{_positive(value):.1f}" if _positive(value) else None


def _time(value: object) -> str | None:
    seconds = _positive(value)
    if not seconds:
        return None
    return format_exposure_time(Fraction(seconds).limit_denominator(100_000))


def _positive(value: object) -> float | None:
    """Return a number that is finite and above zero, else None."""
    try:
        number = float(value)  # type: ignore[arg-type]  # what does not convert is caught below
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None


def _whole(value: object) -> int | None:
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) and first > 0 else None
