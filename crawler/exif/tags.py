"""An EXIF tag as the readers give it, and the numbers of the tags in use."""

from typing import NamedTuple

from crawler.exif.values import number

MAKE, MODEL, ORIENTATION, SOFTWARE, DATE_TIME = 0x010F, 0x0110, 0x0112, 0x0131, 0x0132
EXIF_POINTER, GPS_POINTER = 0x8769, 0x8825
EXPOSURE_TIME, F_NUMBER, ISO = 0x829A, 0x829D, 0x8827
SENSITIVITY, RECOMMENDED_INDEX, ISO_SPEED = 0x8831, 0x8832, 0x8833
DATE_TIME_ORIGINAL = 0x9003
SHUTTER_SPEED, APERTURE, BRIGHTNESS, EXPOSURE_BIAS, MAX_APERTURE = range(0x9201, 0x9206)
FLASH, FOCAL_LENGTH, MAKER_NOTE = 0x9209, 0x920A, 0x927C
WIDTH, HEIGHT, FOCAL_35MM = 0xA002, 0xA003, 0xA405
SERIAL, LENS_SPECIFICATION, LENS_MODEL = 0xA431, 0xA432, 0xA434
DNG_SERIAL = 0xC62F

MOST_NUMBERS = 64  # most numbers of one tag; longer lists are tables that are not used here

SETTINGS = {"f_number": F_NUMBER, "iso": ISO, "exposure_time": EXPOSURE_TIME}


class Tag(NamedTuple):
    """One tag: its name, its value as written (`28/10`), and its numbers; a text tag stores no numbers."""

    name: str
    raw: str
    numbers: tuple[float | None, ...] = ()

    @property
    def values(self) -> tuple[float | None, ...]:
        """Numbers of the tag; text is parsed on access, because few text tags are read as numbers."""
        return self.numbers or (number(self.raw),)


Tags = dict[int, Tag]


def value(tags: Tags, tag: int) -> float | None:
    """Return the first number of a tag; None when it is missing or not a number."""
    return tags[tag].values[0] if tag in tags else None
