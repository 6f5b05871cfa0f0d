"""Twelve kinds of damage to the EXIF or the file of a photograph; all of them occur on real sites.

Nine kinds are functions from the tags of the camera to the tags of the file. The last three are not
expressed in tags: the thumbnail of another photo, an IFD pointer outside the block, a truncated file.
"""

from collections.abc import Callable
from fractions import Fraction

from photosite.plan.exif_writer import Value
from photosite.plan.shot_parameters import Shot
from photosite.plan.stops import aperture_value

Tags = dict[str, Value]


def _without_camera(tags: Tags) -> Tags:
    """Keep only the tags that an image editor writes."""
    kept = ("Orientation", "XResolution", "YResolution", "ResolutionUnit", "DateTime")
    return {name: tags[name] for name in kept if name in tags} | {
        "Software": "Darkslide Editor 4.1"
    }


def _late(tags: Tags) -> Tags:
    """Set the date of the exposure to 2099, after the date of the file."""
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


def is_detectable(shot: Shot, kind: str) -> bool:
    """Return whether this damage changes the settings of this photograph; f/4 is Av 4, so there it does not.

    An inverted time needs a time far from one second; an APEX value in the wrong field needs a difference
    of at least 0.6 stops between both readings.
    """
    if kind == "exposure_inverted":
        return shot.exposure_time <= Fraction(1, 30)
    if kind == "f_number_apex":
        apex = aperture_value(shot.f_number)
        return shot.f_number >= 7 and abs(aperture_value(apex) - apex) > 0.6
    return True
