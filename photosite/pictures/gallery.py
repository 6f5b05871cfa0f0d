"""The interface of a gallery: the photos of a plan, or the files of a folder.

A gallery has the listings of all photos from the start; it makes or reads the bytes of a photo on demand.
"""

import datetime as dt
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from photosite.pictures.response_body import ResponseBody
from photosite.plan.plan import DemoPlan, PlannedPhoto

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
        """The name of the camera, the maker once."""
        if self.make is None or self.model is None:
            return self.model
        return self.model if self.model.startswith(self.make) else f"{self.make}, {self.model}"


@dataclass(frozen=True)
class Listing:
    """The metadata of one photo in a list of the API. Width and height are in pixels, upright."""

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
        """Return the settings as in the API; raise `KeyError` for an unknown id."""

    async def body(self, photo_id: str) -> ResponseBody:
        """Return the response body of the original; raise `KeyError` for an unknown id."""

    async def close(self) -> None:
        """Release the resources of the gallery."""


def planned_listings(plan: DemoPlan) -> list[Listing]:
    """List the photos of a plan as the API does."""
    return [_listing(photo) for photo in plan.uploads]


def _listing(photo: PlannedPhoto) -> Listing:
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


def planned_api_exif(photo: PlannedPhoto) -> ApiExif:
    """Return the settings in the API: the true ones, those of a damaged tag, or none."""
    if photo.exif == "none" or photo.damage in {"software_only", "exif_garbage"}:
        return ApiExif()
    shot = photo.shot
    undamaged = ApiExif(
        make=shot.camera.make,
        model=shot.camera.model,
        exposure_time=format_exposure_time(shot.exposure_time),
        aperture=f"{float(shot.f_number):.1f}",
        focal_length=f"{shot.focal_mm:.1f}",
        iso=shot.iso,
    )
    return ApiExif(**(vars(undamaged) | _damaged_settings(photo)))


def _damaged_settings(photo: PlannedPhoto) -> dict[str, str | int | None]:
    """Return the API values that replace settings with a damaged tag."""
    shot = photo.shot
    by_damage: dict[str, dict[str, str | int | None]] = {
        "iso_zero": {"iso": 0},
        "iso_saturated": {"iso": 65535},
        "f_number_zero": {"aperture": "0.0"},
        "f_number_apex": {"aperture": f"{2 * math.log2(shot.f_number):.1f}"},
        "exposure_infinite": {"exposure_time": None},
        "exposure_negative": {"exposure_time": "-1/125"},
        "exposure_inverted": {"exposure_time": str(1 / shot.exposure_time)},
    }
    return by_damage.get(photo.damage or "", {})


def format_exposure_time(exposure_time: Fraction) -> str:
    """Format a time as Unsplash does: 1/250, 0.5, 2."""
    if exposure_time.numerator == 1 and exposure_time < Fraction(3, 10):
        return str(exposure_time)
    return f"{float(exposure_time):g}"
