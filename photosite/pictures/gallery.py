"""What the site lists: photos of a plan, or the files of a folder, behind one face.

A gallery knows every photo's listing at once and makes or reads a photo's bytes on demand.
"""

import datetime as dt
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from photosite.pictures.bodies import Body
from photosite.plan.plan import DemoPlan, Planned

TOPICS = {"nature": ("mountains", "forest", "garden"), "city": ("street", "nightcity", "harbour"),
          "people": ("portrait", "track", "cafe"), "still-life": ("table",)}  # fmt: skip
WORDS = {
    "mountains": "a lake below mountains",
    "street": "people and cars in a street",
    "portrait": "portrait of a person in a park",
    "harbour": "boats in a harbour by the sea",
    "garden": "flowers in a garden",
    "forest": "a path in the forest",
    "track": "somebody riding along a road",
    "table": "cups and fruit on a table",
    "cafe": "guests in a cafe with lamps",
    "nightcity": "lights of the city at night",
}


@dataclass(frozen=True)
class ApiExif:
    """The `exif` object of the API, as strings the way Unsplash writes them; null where unknown."""

    make: str | None = None
    model: str | None = None
    exposure_time: str | None = None
    aperture: str | None = None
    focal_length: str | None = None
    iso: int | None = None

    @property
    def name(self) -> str | None:
        """Name the camera, the maker once."""
        if self.make is None or self.model is None:
            return self.model
        return self.model if self.model.startswith(self.make) else f"{self.make}, {self.model}"


@dataclass(frozen=True)
class Listing:
    """What the site tells of one photo. Width and height are in pixels, as shown upright."""

    id: str
    width: int
    height: int
    created: dt.datetime
    username: str
    name: str
    description: str | None = None
    alt: str | None = None
    tags: tuple[str, ...] = ()
    topic: str | None = None
    fault: str | None = None
    color: str = field(default="#808080")


class Gallery(Protocol):
    """A collection of photos that can be served."""

    @property
    def listings(self) -> Sequence[Listing]:
        """List every photo, the newest first."""

    def api_exif(self, photo_id: str) -> ApiExif:
        """Give what the API tells of the settings; raise `KeyError` for an unknown id."""

    async def body(self, photo_id: str) -> Body:
        """Give the original's answer; raise `KeyError` for an unknown id."""

    async def close(self) -> None:
        """Give back what was held for serving."""


def planned_listings(plan: DemoPlan) -> list[Listing]:
    """List the photos of a plan as the site shows them."""
    return [_listing(photo) for photo in plan.uploads]


def _listing(photo: Planned) -> Listing:
    shot = photo.shot
    width, height = shot.camera.frame
    if shot.is_upright:
        width, height = height, width
    if photo.edit == "resize":
        width, height = round(width * 0.6), round(height * 0.6)
    return Listing(
        id=photo.id,
        width=width,
        height=height,
        created=photo.posted,
        username=photo.photographer.username,
        name=photo.photographer.name,
        description=WORDS[shot.family].capitalize() if shot.scene % 4 else None,
        alt=WORDS[shot.family],
        tags=(shot.family, *WORDS[shot.family].split()[-1:], _daytime(shot.light)),
        topic=next(topic for topic, families in TOPICS.items() if shot.family in families),
        fault=photo.fault,
        color="#" + hashlib.sha256(photo.id.encode()).hexdigest()[:6],
    )


def _daytime(light: float) -> str:
    return "day" if light > 11 else "dusk" if light > 6 else "night"


def planned_api_exif(photo: Planned) -> ApiExif:
    """Tell what the site read from the upload: the truth, the lie of a damaged tag, or nothing."""
    if photo.exif == "none" or photo.damage in {"software_only", "exif_garbage"}:
        return ApiExif()
    shot = photo.shot
    honest = ApiExif(
        make=shot.camera.make,
        model=shot.camera.model,
        exposure_time=time_text(shot.exposure_time),
        aperture=f"{float(shot.f_number):.1f}",
        focal_length=f"{shot.focal_mm:.1f}",
        iso=shot.iso,
    )
    return ApiExif(**(vars(honest) | _lies(photo)))


def _lies(photo: Planned) -> dict[str, str | int | None]:
    """Give what the site shows in place of settings that the damage spoilt."""
    shot = photo.shot
    shown: dict[str, dict[str, str | int | None]] = {
        "iso_zero": {"iso": 0},
        "iso_saturated": {"iso": 65535},
        "f_number_zero": {"aperture": "0.0"},
        "f_number_apex": {"aperture": f"{2 * math.log2(shot.f_number):.1f}"},
        "exposure_infinite": {"exposure_time": None},
        "exposure_negative": {"exposure_time": "-1/125"},
        "exposure_inverted": {"exposure_time": str(1 / shot.exposure_time)},
    }
    return shown.get(photo.damage or "", {})


def time_text(exposure_time: Fraction) -> str:
    """Write a time as Unsplash does: 1/250, 0.5, 2."""
    if exposure_time.numerator == 1 and exposure_time < Fraction(3, 10):
        return str(exposure_time)
    return f"{float(exposure_time):g}"
