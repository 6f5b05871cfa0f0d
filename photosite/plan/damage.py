"""Twelve ways in which the EXIF or the file of a photograph is wrong, as seen on real sites.

Each is a function from the tags that the camera wrote to the tags that the file has. Only the last
three cannot be said in tags: another thumbnail, pointers into nowhere, a file cut off.
"""

from collections.abc import Callable
from fractions import Fraction

from photosite.plan.exif_writer import Value
from photosite.plan.shots import Shot
from photosite.plan.stops import aperture_value

Tags = dict[str, Value]


def _without_camera(tags: Tags) -> Tags:
    """Keep what an image editor writes on its own."""
    kept = ("Orientation", "XResolution", "YResolution", "ResolutionUnit", "DateTime")
    return {name: tags[name] for name in kept if name in tags} | {
        "Software": "Darkslide Editor 4.1"
    }


def _late(tags: Tags) -> Tags:
    """Say that the picture was taken long after today, which is after its file was written."""
    return tags | {"DateTimeOriginal": "2099" + str(tags["DateTimeOriginal"])[4:]}


def _inverted(tags: Tags) -> Tags:
    time = tags["ExposureTime"]
    assert isinstance(time, Fraction)
    return tags | {"ExposureTime": 1 / time}


TAG_DAMAGE: dict[str, Callable[[Tags], Tags]] = {
    "iso_zero": lambda tags: tags | {"ISO": 0},
    "iso_saturated": lambda tags: tags | {"ISO": 65535},
    "f_number_zero": lambda tags: tags | {"FNumber": (0, 1)},
    "exposure_infinite": lambda tags: tags | {"ExposureTime": (1, 0)},
    "exposure_negative": lambda tags: tags | {"ExposureTime": (-1, 125)},
    "exposure_inverted": _inverted,
    "f_number_apex": lambda tags: tags | {"FNumber": tags["ApertureValue"]},
    "date_impossible": _late,
    "software_only": _without_camera,
}
DAMAGE_KINDS = (*TAG_DAMAGE, "wrong_thumbnail", "exif_garbage", "truncated_jpeg")


def suits(shot: Shot, kind: str) -> bool:
    """Say whether this damage would be wrong on this photograph: f/4 is Av 4, no lie at all.

    An upside-down time needs a time far from one second, an APEX value in the wrong field a wide
    enough gap between both readings (0.6 stops or more).
    """
    if kind == "exposure_inverted":
        return shot.exposure_time <= Fraction(1, 30)
    if kind == "f_number_apex":
        apex = aperture_value(shot.f_number)
        return shot.f_number >= 7 and abs(aperture_value(apex) - apex) > 0.6
    return True
