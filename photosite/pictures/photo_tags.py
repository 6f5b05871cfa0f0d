"""The EXIF tags that a demo camera writes: settings, camera, photographer, time."""

import datetime as dt
from fractions import Fraction

from photosite.plan.damage import Tags
from photosite.plan.plan import PlannedPhoto
from photosite.plan.stops import aperture_value, time_value

EDITORS = {"tone": "Brightroom 7.2", "crop": "Darkslide Editor 4.1", "resize": "Pixelbarn 2.0"}
SIDEWAYS = 6  # Orientation of a camera held upright: turn the stored picture right by 90 degrees


def camera_tags(photo: PlannedPhoto, size: tuple[int, int]) -> Tags:
    """Return the tags of an undamaged file; `size` is (width, height) of the stored pixels."""
    shot, camera = photo.shot, photo.shot.camera
    low, high = camera.focal_mm
    widest = camera.widest
    tags: Tags = {
        "Make": camera.make,
        "Model": camera.model,
        "Orientation": SIDEWAYS if shot.is_upright and photo.edit is None else 1,
        "XResolution": Fraction(72),
        "YResolution": Fraction(72),
        "ResolutionUnit": 2,
        "Software": f"{camera.model} Ver.1.{camera.quality % 7}",
        "DateTime": _stamp(photo.taken),
        "ExposureTime": shot.exposure_time,
        "FNumber": shot.f_number,
        "ISO": shot.iso,
        "ExifVersion": b"0231",
        "DateTimeOriginal": _stamp(photo.taken),
        "SubSecTimeOriginal": f"{shot.view % 100:02d}",
        "ShutterSpeedValue": _apex(time_value(shot.exposure_time)),
        "ApertureValue": _apex(aperture_value(shot.f_number)),
        "MaxApertureValue": _apex(aperture_value(widest)),
        "FocalLength": Fraction(shot.focal_mm),
        "PixelXDimension": size[0],
        "PixelYDimension": size[1],
        "BodySerialNumber": photo.photographer.serial,
        "LensSpecification": (
            (low, 1), (high, 1), widest.as_integer_ratio(), widest.as_integer_ratio(),
        ),
        "LensModel": camera.lens,
    }  # fmt: skip
    if shot.scene % 3 == 0:  # some photographers set their name in the camera
        tags["Artist"] = photo.photographer.name
    if photo.edit in EDITORS:
        tags |= {"Software": EDITORS[photo.edit], "DateTime": _stamp(photo.posted)}
    return tags


def _apex(value: float) -> tuple[int, int]:
    return round(value * 1000), 1000


def _stamp(moment: dt.datetime) -> str:
    return f"{moment:%Y:%m:%d %H:%M:%S}"
