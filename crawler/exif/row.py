"""Make the `exif` row of one file from its EXIF reading."""

import hashlib
import json
from datetime import datetime
from importlib.metadata import version

from crawler.exif import tags as t
from crawler.exif.reader import ExifReading
from crawler.exif.values import camera_name, iso_speed, moment

Cell = str | float | int | bool | datetime | list[str] | None

READER = f"exifread {version('exifread')} + Pillow {version('pillow')}"

_INT32 = 2**31
_LONGEST_TEXT = 200  # characters of one value in raw_json

# Never stored: places (GPS), names (also of computers, which are named after people), serial numbers, and tags that
# may contain any of these: free text, maker notes, XMP, IPTC, Photoshop blocks, profiles.
_PRIVATE = frozenset(
    [
        *(0x010E, 0x02BC, 0x013B, 0x013C, 0x8298, 0x83BB, 0x8649, 0x8769, 0x8773, t.GPS_POINTER),
        *(t.MAKER_NOTE, 0x9286, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0xA005, 0xA420, 0xA430),
        *(t.SERIAL, 0xA435, 0xA437, 0xA438, 0xA439, t.DNG_SERIAL, 0xFDE8, 0xFDE9),
    ]
)


def exif_row(sha256: str, reading: ExifReading | None) -> dict[str, Cell]:
    """Make the row with `exif_source` file; `reading` is None when the file has no EXIF."""
    row: dict[str, Cell] = {"asset_sha256": sha256, "exif_source": "file", "reader": READER}
    if reading is None:
        return row | {"status": "none", "gps_present": False}
    tags = reading.tags
    return (
        row
        | {"status": reading.status, "error": "; ".join(reading.problems)[:500] or _why(reading)}
        | _camera(tags)
        | _settings(tags)
        | _dates(tags)
        | _numbers(tags)
        | {
            "gps_present": reading.gps_present,
            "readers_disagree": list(reading.readers_disagree),
            "raw_json": _raw_json(tags),
        }
    )


def _why(reading: ExifReading) -> str | None:
    return "no tag could be read" if reading.status == "unreadable" else None


def _camera(tags: t.Tags) -> dict[str, Cell]:
    make, model = _text(tags, t.MAKE), _text(tags, t.MODEL)
    serial = _text(tags, t.SERIAL) or _text(tags, t.DNG_SERIAL)
    return {
        "make": make,
        "model": model,
        "camera": camera_name(make, model),
        "lens": _text(tags, t.LENS_MODEL),
        "serial_sha256": hashlib.sha256(serial.encode()).hexdigest() if serial else None,
        "software": _text(tags, t.SOFTWARE),
    }


def _settings(tags: t.Tags) -> dict[str, Cell]:
    ratings = tags[t.ISO].values if t.ISO in tags else ()
    precise = [t.value(tags, tag) for tag in (t.RECOMMENDED_INDEX, t.ISO_SPEED, t.SENSITIVITY)]
    return {
        "f_number": t.value(tags, t.F_NUMBER),
        "iso": iso_speed(ratings, precise),
        "exposure_time": t.value(tags, t.EXPOSURE_TIME),
        "f_number_raw": _text(tags, t.F_NUMBER),
        "iso_raw": _text(tags, t.ISO),
        "exposure_time_raw": _text(tags, t.EXPOSURE_TIME),
    }


def _dates(tags: t.Tags) -> dict[str, Cell]:
    taken = _text(tags, t.DATE_TIME_ORIGINAL)
    return {
        "taken_at": moment(taken),
        "taken_at_raw": taken,
        "modified_at_raw": _text(tags, t.DATE_TIME),
    }


def _numbers(tags: t.Tags) -> dict[str, Cell]:
    return {
        "focal_mm": t.value(tags, t.FOCAL_LENGTH),
        "focal_35mm": t.value(tags, t.FOCAL_35MM),
        "flash": _whole(tags, t.FLASH),
        "orientation": _whole(tags, t.ORIENTATION),
        "aperture_value": t.value(tags, t.APERTURE),
        "shutter_speed_value": t.value(tags, t.SHUTTER_SPEED),
        "brightness_value": t.value(tags, t.BRIGHTNESS),
        "max_aperture_value": t.value(tags, t.MAX_APERTURE),
        "exposure_bias": t.value(tags, t.EXPOSURE_BIAS),
        "lens_min_f_number": _lens_min(tags),
        "exif_width": _whole(tags, t.WIDTH),
        "exif_height": _whole(tags, t.HEIGHT),
    }


def _text(tags: t.Tags, tag: int) -> str | None:
    return (tags[tag].raw.strip() or None) if tag in tags else None


def _whole(tags: t.Tags, tag: int) -> int | None:
    value = t.value(tags, tag)
    return int(value) if value is not None and abs(value) < _INT32 else None


def _lens_min(tags: t.Tags) -> float | None:
    """Return the smaller N of LensSpecification (two focal lengths, two N); 0/0 is unknown."""
    apertures = tags[t.LENS_SPECIFICATION].values[2:4] if t.LENS_SPECIFICATION in tags else ()
    return min((n for n in apertures if n is not None and 0 < n < float("inf")), default=None)


def _raw_json(tags: t.Tags) -> str:
    public = {
        tag.name: tag.raw
        for number, tag in sorted(tags.items())
        if number not in _PRIVATE and not tag.name.startswith("Tag ")
    }
    return json.dumps({name: raw[:_LONGEST_TEXT] for name, raw in public.items()}, sort_keys=True)
