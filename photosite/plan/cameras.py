"""Seventy-two camera models of fictitious makers, and eighty photographers with one camera each.

The models differ as real ones do: lens, noise, tone curve, colours, vignetting, JPEG quality. Each photographer uses
one camera model, so that groups by photographer and camera do not merge into one; there are so many that a test set of
15 % holds ten of them.
"""

import dataclasses
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class CameraModel:
    """The properties of one camera model that determine its pictures and its EXIF.

    `frame` is (width, height) in pixels, `sensor_mm` the sensor's width, `focal_mm` the lens's
    range, `noise` and `vignette` are factors around 1, `warmth` is red over blue, `contrast` the
    slope of the tone curve in the mid-tones.
    """

    make: str
    model: str
    lens: str
    focal_mm: tuple[int, int]
    widest: Fraction
    isos: tuple[int, int]
    frame: tuple[int, int]
    sensor_mm: float
    noise: float
    contrast: float
    saturation: float
    warmth: float
    vignette: float
    quality: int

    @property
    def name(self) -> str:
        """The name as in the catalog: lower case, the maker once."""
        make, model = self.make.lower(), self.model.lower()
        return model if model.startswith(make) else f"{make} {model}"


@dataclass(frozen=True)
class Photographer:
    """A user who uploads: user name, display name, camera, share of the uploads."""

    username: str
    name: str
    camera: CameraModel
    share: float

    @property
    def serial(self) -> str:
        """The serial number of the photographer's camera, the same in every picture."""
        return f"{zlib.crc32(self.username.encode()) % 9_000_000 + 1_000_000}"


F = Fraction
LENSES = (F("1.4"), F("1.8"), F("2"), F("2.8"))
SENSORS_MM = (23.5, 27.0, 30.0, 36.0)
SUCCESSORS = ("S", "R", "Plus", "T", "X")
FIRST_MODELS = (
    CameraModel("LUMORA", "LUMORA L2", "LUMORA 50mm F1.4", (50, 50), F("1.4"), (100, 6400),
                (408, 272), 36.0, 1.00, 1.10, 1.10, 1.04, 1.00, 92),
    CameraModel("LUMORA", "LUMORA L5 Mark II", "LUMORA 24-70mm F2.8", (28, 70), F("2.8"), (100, 12800),
                (408, 272), 36.0, 0.85, 1.00, 1.00, 1.00, 0.90, 93),
    CameraModel("AVELLE", "X-3", "AVELLE XR 35mm f/1.8", (35, 35), F("1.8"), (160, 6400),
                (400, 264), 23.5, 1.10, 1.20, 1.20, 1.06, 1.10, 90),
    CameraModel("AVELLE", "X-E7", "AVELLE XR 23mm f/2", (23, 35), F("2"), (160, 12800),
                (400, 264), 23.5, 1.00, 1.15, 1.15, 1.02, 0.95, 91),
    CameraModel("Brennwald Optik", "BW 60", "Primar 60/1.4", (60, 60), F("1.4"), (100, 3200),
                (384, 288), 36.0, 0.95, 0.95, 0.90, 0.97, 1.15, 94),
    CameraModel("KITTIWAKE", "Kittiwake K100", "K-Zoom 24-70 1:2.8", (24, 70), F("2.8"), (100, 6400),
                (416, 296), 28.0, 1.20, 1.05, 1.15, 1.08, 1.05, 88),
    CameraModel("Osprey Imaging", "D40s", "OSP 40mm f/1.8G", (40, 40), F("1.8"), (100, 12800),
                (408, 272), 36.0, 0.90, 1.08, 1.05, 0.98, 1.00, 92),
    CameraModel("Osprey Imaging", "D7", "OSP 35mm f/2D", (35, 50), F("2"), (100, 6400),
                (400, 264), 23.5, 1.15, 1.12, 1.08, 1.03, 1.10, 89),
    CameraModel("TANAGER", "TG-1", "TANAGER 45mm F1.8", (45, 45), F("1.8"), (200, 6400),
                (376, 280), 27.0, 1.20, 1.05, 1.25, 1.00, 0.90, 88),
    CameraModel("TANAGER", "TG-9 Pro", "TANAGER 28-75mm F2.8", (30, 75), F("2.8"), (100, 12800),
                (384, 288), 30.0, 0.95, 1.00, 1.05, 1.05, 1.00, 92),
    CameraModel("Vireo", "Vireo One", "Vireo 28 mm f/1.8", (28, 40), F("1.8"), (100, 3200),
                (400, 300), 30.0, 1.25, 1.25, 1.20, 1.02, 0.85, 87),
    CameraModel("WREN & SONS", "Model 8", "Wren 85mm f/1.4", (70, 85), F("1.4"), (100, 3200),
                (360, 288), 36.0, 1.05, 0.92, 0.85, 1.09, 1.20, 93),
)  # fmt: skip


def _successors(first: CameraModel) -> Iterator[CameraModel]:
    """Make the later models of a camera, which differ from it as much as the first models do from each other."""
    for suffix in SUCCESSORS:
        rng = random.Random(f"{first.model} {suffix}")  # noqa: S311  # repeatable, not secret
        widest = rng.choice(LENSES)
        yield dataclasses.replace(
            first,
            model=f"{first.model} {suffix}",
            lens=f"{first.make.title()} f/{float(widest):g} {suffix}",
            widest=widest,
            sensor_mm=rng.choice(SENSORS_MM),
            noise=first.noise * rng.uniform(0.88, 1.12),
            contrast=rng.uniform(0.92, 1.22),
            saturation=rng.uniform(0.88, 1.22),
            warmth=rng.uniform(0.96, 1.08),
            vignette=rng.uniform(0.85, 1.2),
            quality=rng.randint(87, 94),
        )


CAMERAS = (*FIRST_MODELS, *(camera for first in FIRST_MODELS for camera in _successors(first)))

GIVEN_NAMES = (
    "Ada", "Bo", "Chandra", "Dieuwke", "Emil", "Farida", "Gael", "Hana", "Inigo", "Jun", "Kwame",
    "Leocadia", "Marit", "Nikolaj", "Oonagh", "Pavel",
)  # fmt: skip
FAMILY_NAMES = (
    "Winterling", "Marchetti", "Oyelaran", "Postma", "Sundqvist", "Haddou", "Thibodeaux", "Kobylka",
    "Larrea", "Morisaki", "Adjei", "Brandt", "Aaberg", "Ferro", "Tierney", "Drozd",
)  # fmt: skip
N_PHOTOGRAPHERS = 80


def _photographers() -> Iterator[Photographer]:
    """Give each camera to a photographer, and the first ones to a second."""
    for number in range(N_PHOTOGRAPHERS):
        given = GIVEN_NAMES[number % len(GIVEN_NAMES)]
        family = FAMILY_NAMES[(number + number // len(GIVEN_NAMES)) % len(FAMILY_NAMES)]
        yield Photographer(
            username=f"{given}_{family}".lower(),
            name=f"{given} {family}",
            camera=CAMERAS[number % len(CAMERAS)],
            share=9 - number % 5,
        )


PHOTOGRAPHERS = tuple(_photographers())
