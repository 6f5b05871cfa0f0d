"""Ways in which the EXIF of a photograph can be wrong, planted into made JPEGs and patched into real ones."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from tests import factories
from tests.factories import Value

SOUND: dict[str, Value] = {
    "Make": "Acme",
    "Model": "One",
    "Orientation": 1,
    "DateTime": "2024:05:01 10:00:00",
    "DateTimeOriginal": "2024:05:01 10:00:00",
    "FNumber": (80, 10),
    "ISO": 400,
    "ExposureTime": (1, 125),
    "ApertureValue": (6, 1),
    "ShutterSpeedValue": (697, 100),
    "BrightnessValue": (597, 100),  # Av 6 + Tv 6.97 - Sv 7
    "MaxApertureValue": (3, 1),
    "FocalLength": (50, 1),
    "LensSpecification": ((24, 1), (70, 1), (28, 10), (28, 10)),
    "PixelXDimension": 160,
    "PixelYDimension": 120,
}


@dataclass(frozen=True)
class Damage:
    """Tags to write (None: leave out) in place of the sound ones, and the reason or flag that must be given."""

    tags: dict[str, Value | None]
    reason: str


HARD: dict[str, Damage] = {
    "iso_zero": Damage({"ISO": 0}, "iso_not_positive"),
    "iso_saturated": Damage({"ISO": 65535}, "iso_saturated"),
    "iso_one": Damage({"ISO": 1}, "iso_out_of_range"),
    "iso_beyond_all": Damage(
        {"ISO": 65535, "RecommendedExposureIndex": 9_000_000}, "iso_out_of_range"
    ),
    "f_number_zero": Damage({"FNumber": (0, 1)}, "f_number_not_positive"),
    "f_number_zero_by_zero": Damage({"FNumber": (0, 0)}, "f_number_not_finite"),
    "f_number_infinite": Damage({"FNumber": (28, 0)}, "f_number_not_finite"),
    "f_number_negative": Damage({"FNumber": (-28, 10)}, "f_number_not_positive"),
    "f_number_huge": Damage({"FNumber": (200, 1), "ApertureValue": None}, "f_number_out_of_range"),
    "f_number_tiny": Damage({"FNumber": (5, 10), "ApertureValue": None}, "f_number_out_of_range"),
    "f_number_ten_times": Damage({"FNumber": (56, 1)}, "f_number_contradicts_apex"),
    "f_number_is_apex": Damage({"FNumber": (6, 1)}, "f_number_contradicts_apex"),
    "f_number_another": Damage({"FNumber": (40, 10)}, "f_number_contradicts_apex"),
    "f_number_wider_than_lens": Damage(
        {"FNumber": (18, 10), "ApertureValue": None}, "f_number_below_lens_minimum"
    ),
    "f_number_wider_than_maximum": Damage(
        {"FNumber": (18, 10), "ApertureValue": None, "LensSpecification": None},
        "f_number_below_lens_minimum",
    ),
    "f_number_wider_than_lens_with_apex": Damage(
        {"FNumber": (18, 10), "ApertureValue": (170, 100)}, "f_number_below_lens_minimum"
    ),
    "time_zero": Damage({"ExposureTime": (0, 1)}, "exposure_time_not_positive"),
    "time_infinite": Damage({"ExposureTime": (1, 0)}, "exposure_time_not_finite"),
    "time_zero_by_zero": Damage({"ExposureTime": (0, 0)}, "exposure_time_not_finite"),
    "time_negative": Damage({"ExposureTime": (-1, 125)}, "exposure_time_not_positive"),
    "time_negative_unsigned": Damage(
        {"ExposureTime": (2**32 - 1, 125)}, "exposure_time_not_positive"
    ),
    "time_inverted": Damage({"ExposureTime": (125, 1)}, "exposure_time_contradicts_apex"),
    "time_inverted_beyond_range": Damage(
        {"ExposureTime": (8000, 1), "ShutterSpeedValue": (1297, 100)},
        "exposure_time_contradicts_apex",
    ),
    "long_time_inverted": Damage(
        {"ExposureTime": (1, 2), "ShutterSpeedValue": (-1, 1)}, "exposure_time_contradicts_apex"
    ),
    "time_is_apex": Damage({"ExposureTime": (697, 100)}, "exposure_time_contradicts_apex"),
    "time_in_milliseconds": Damage({"ExposureTime": (8, 1)}, "exposure_time_contradicts_apex"),
    "time_another": Damage({"ExposureTime": (1, 30)}, "exposure_time_contradicts_apex"),
    "time_of_days": Damage(
        {"ExposureTime": (100_000, 1), "ShutterSpeedValue": None}, "exposure_time_out_of_range"
    ),
    "time_of_nothing": Damage(
        {"ExposureTime": (1, 10_000_000), "ShutterSpeedValue": None}, "exposure_time_out_of_range"
    ),
    "software_only": Damage(
        dict.fromkeys(SOUND) | {"Software": "Some Editor 2"}, "exif_software_only"
    ),
}
"""Kinds that make a setting, or all, unusable."""

SOFT: dict[str, Damage] = {
    "iso_of_slow_film": Damage({"ISO": 6, "BrightnessValue": None}, "iso_unusual"),
    "very_fast_lens": Damage(
        {
            "FNumber": (80, 100),
            "ApertureValue": None,
            "MaxApertureValue": None,
            "LensSpecification": None,
            "BrightnessValue": None,
        },
        "f_number_unusual",
    ),
    "bulb": Damage(
        {"ExposureTime": (900, 1), "ShutterSpeedValue": None, "BrightnessValue": None},
        "exposure_time_unusual",
    ),
    "brightness_of_another": Damage({"BrightnessValue": (12, 1)}, "brightness_contradicts"),
    "focal_length_outside_lens": Damage({"FocalLength": (200, 1)}, "focal_length_outside_lens"),
    "crop_factor_of_nothing": Damage({"FocalLengthIn35mmFilm": 900}, "focal_length_implausible"),
    "max_aperture_of_another": Damage(
        {
            "FNumber": (28, 10),
            "ApertureValue": (297, 100),
            "MaxApertureValue": (4, 1),
            "BrightnessValue": None,
        },
        "max_aperture_contradicts",
    ),
    "orientation_nine": Damage({"Orientation": 9}, "orientation_invalid"),
    "resized": Damage({"PixelXDimension": 4000, "PixelYDimension": 3000}, "was_resized"),
    "clock_unset": Damage({"DateTimeOriginal": "2000:01:01 00:00:41"}, "clock_unset"),
    "date_of_zeros": Damage({"DateTimeOriginal": "0000:00:00 00:00:00"}, "date_implausible"),
    "date_in_words": Damage({"DateTimeOriginal": "last summer"}, "date_implausible"),
    "date_after_writing": Damage({"DateTimeOriginal": "2024:08:01 10:00:00"}, "date_implausible"),
    "date_of_the_future": Damage(
        {"DateTimeOriginal": "2099:01:01 10:00:00", "DateTime": None}, "date_implausible"
    ),
    "date_before_cameras": Damage({"DateTimeOriginal": "1970:03:01 10:00:00"}, "date_implausible"),
    "edited": Damage({"Software": "Adobe Photoshop CS6"}, "edited_software"),
}
"""Kinds that are only noted."""


def planted(damage: Damage, seed: int = 0) -> bytes:
    """Make a JPEG of 160 x 120 px whose EXIF has this damage."""
    tags = SOUND | damage.tags
    block = factories.exif_block({name: v for name, v in tags.items() if v is not None})
    return factories.plain_jpeg(factories.picture((160, 120), seed), exif=block)


def sound(seed: int = 0) -> bytes:
    """Make a JPEG whose EXIF is sound."""
    return planted(Damage({}, ""), seed)


def without_sense(body: bytes) -> bytes:
    """Overwrite all of the EXIF block behind its header."""
    at = body.index(b"Exif\0\0") + 14
    return body[:at] + b"\xa7" * 400 + body[at + 400 :]


def with_two_blocks(body: bytes) -> bytes:
    """Put a second EXIF segment behind the first."""
    at = body.index(b"\xff\xe1")
    length = 2 + int.from_bytes(body[at + 2 : at + 4], "big")
    return body[: at + length] + body[at : at + length] + body[at + length :]


def with_pointer_into_nowhere(body: bytes) -> bytes:
    """Let the value of Make lie far outside the block."""
    return patched(
        body, {0x010F: lambda entry, order: entry[:4] + struct.pack(order + "II", 900, 2**30)}
    )


def with_thumbnail_of(seed: int) -> bytes:
    """Make a JPEG whose thumbnail shows the picture of another seed."""
    other = factories.picture((160, 120), seed).resize((80, 60), Image.Resampling.BICUBIC)
    block = factories.exif_block(SOUND, thumbnail=other)
    return factories.plain_jpeg(factories.picture((160, 120), 0), exif=block)


Patch = Callable[[bytes, str], bytes]


def rational(tag: int, top: int, bottom: int) -> Callable[[bytes], bytes]:
    """Give a function that overwrites one rational of a file; the file comes back as it was without the tag."""

    def change(body: bytes) -> bytes:
        block, start, order = _block(body)
        for place in _entries(block, order):
            if struct.unpack_from(order + "H", block, place)[0] == tag:
                (at,) = struct.unpack_from(order + "I", block, place + 8)
                data = struct.pack(order + ("i" if top < 0 else "I") + "I", top, bottom)
                return body[: start + at] + data + body[start + at + 8 :]
        return body

    return change


def short(tag: int, value: int) -> Callable[[bytes], bytes]:
    """Give a function that overwrites one 16-bit number of a file."""

    def change(body: bytes) -> bytes:
        return patched(
            body,
            {tag: lambda entry, order: entry[:2] + struct.pack(order + "HIHH", 3, 1, value, 0)},
        )

    return change


def patched(body: bytes, changes: dict[int, Patch]) -> bytes:
    """Rewrite the 12-byte entries of these tags."""
    block, start, order = _block(body)
    for place in _entries(block, order):
        (tag,) = struct.unpack_from(order + "H", block, place)
        if tag in changes:
            entry = changes[tag](block[place : place + 12], order)
            body = body[: start + place] + entry + body[start + place + 12 :]
    return body


def _block(body: bytes) -> tuple[bytes, int, str]:
    start = body.index(b"Exif\0\0") + 6
    return body[start : start + 65536], start, "<" if body[start : start + 2] == b"II" else ">"


def _entries(block: bytes, order: str) -> list[int]:
    """List the places of the entries of the first directory and of the EXIF directory."""
    result: list[int] = []
    waiting = [struct.unpack_from(order + "I", block, 4)[0]]
    while waiting:
        at = waiting.pop()
        (count,) = struct.unpack_from(order + "H", block, at)
        for place in range(at + 2, at + 2 + 12 * count, 12):
            result.append(place)
            if struct.unpack_from(order + "H", block, place)[0] == 0x8769:
                waiting.append(struct.unpack_from(order + "I", block, place + 8)[0])
    return result


ON_REAL: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "f_number_zero": ("f_number", rational(0x829D, 0, 1), "f_number_not_positive"),
    "f_number_infinite": ("f_number", rational(0x829D, 28, 0), "f_number_not_finite"),
    "f_number_huge": ("f_number", rational(0x829D, 900, 1), "f_number_out_of_range"),
    "time_infinite": ("exposure_time", rational(0x829A, 1, 0), "exposure_time_not_finite"),
    "time_zero": ("exposure_time", rational(0x829A, 0, 125), "exposure_time_not_positive"),
    "time_negative": (
        "exposure_time",
        rational(0x829A, 2**32 - 1, 125),
        "exposure_time_not_positive",
    ),
    "iso_zero": ("iso", short(0x8827, 0), "iso_not_positive"),
    "iso_one": ("iso", short(0x8827, 1), "iso_out_of_range"),
}
"""Kinds patched into real files: the setting, what to do to the bytes, the reason that must be given."""
