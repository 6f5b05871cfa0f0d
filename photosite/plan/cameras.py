"""Twelve camera models of fictitious makers, and sixteen photographers with one camera each.

The models differ as real ones do: frame, lens, noise, tone curve, colours, vignetting, JPEG quality.
Each photographer uses one camera model, so that groups by photographer and camera do not merge into one.
"""

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
        return f"{sum(ord(letter) * 7919 for letter in self.username) % 9_000_000 + 1_000_000}"


F = Fraction
CAMERAS = (
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

PHOTOGRAPHERS = tuple(
    Photographer(name.lower().replace(" ", "_"), name, CAMERAS[camera], share)
    for name, camera, share in (
        ("Ada Winterling", 0, 9), ("Bo Marchetti", 1, 8), ("Chandra Oyelaran", 2, 8),
        ("Dieuwke Postma", 3, 7), ("Emil Sundqvist", 4, 7), ("Farida Haddou", 5, 7),
        ("Gael Thibodeaux", 6, 6), ("Hana Kobylka", 7, 6), ("Inigo Larrea", 8, 6),
        ("Jun Morisaki", 9, 6), ("Kwame Adjei", 10, 6), ("Leocadia Brandt", 11, 6),
        ("Marit Aaberg", 0, 5), ("Nikolaj Ferro", 3, 5), ("Oonagh Tierney", 6, 4),
        ("Pavel Drozd", 9, 4),
    )
)  # fmt: skip
