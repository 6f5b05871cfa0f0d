"""A small workspace of made pictures, for the tests of whole curation runs."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalog import Workspace, rows, write_segment

CRAWLED = datetime(2025, 6, 1)  # noqa: DTZ001 - the catalog keeps UTC without a zone


@dataclass(frozen=True)
class Shot:
    """One photo: its bytes, what EXIF says (None: no EXIF), who took it."""

    name: str
    body: bytes
    exif: Mapping[str, object] | None
    photographer: str | None = None
    api: Mapping[str, object] | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass
class SmallEmbedder:
    """Embed by shrinking: quick, and alike pictures come out alike. Counts the pictures it saw."""

    model_id: str = "small@1"
    seen: list[int] = field(default_factory=list)

    def load(self) -> None:
        """Need nothing."""

    def embed(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Average over blocks of 36 x 36, take the mean off, normalise."""
        self.seen.append(len(pictures))
        blocks = pictures.reshape(len(pictures), 8, 36, 8, 36, 3).mean(axis=(2, 4))
        flat = blocks.reshape(len(pictures), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(flat, axis=1, keepdims=True)
        return np.asarray(flat / np.maximum(norm, 1e-9), dtype=np.float32)


def scene(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    """Draw overlapping boxes over a gradient: corners and edges that another seed does not have."""
    rng = np.random.default_rng(seed)
    width, height = size
    pixels = np.linspace(rng.integers(0, 120, 3), rng.integers(120, 256, 3), width)[None].repeat(
        height, 0
    )
    for _ in range(60):
        left, top = rng.integers(0, width - 8), rng.integers(0, height - 8)
        right, bottom = left + rng.integers(6, 60), top + rng.integers(6, 45)
        pixels[top:bottom, left:right] = rng.integers(0, 256, 3)
    return Image.fromarray((pixels + rng.normal(0, 3, pixels.shape)).clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int = 92) -> bytes:
    """Encode without EXIF."""
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def exif(seed: int, **changes: object) -> dict[str, object]:
    """Give sound EXIF: settings run over all bins, one camera for every three seeds."""
    return {
        "f_number": (2.0, 4.0, 8.0)[seed % 3],
        "iso": (100.0, 400.0, 3200.0)[seed // 3 % 3],
        "exposure_time": (1 / 500, 1 / 100, 1 / 10)[seed // 9 % 3],
        "camera": f"acme {seed // 3}",
        "make": "Acme",
        "model": str(seed // 3),
        "exif_width": 200,
        "exif_height": 150,
    } | changes


def sound_shots(n: int, start: int = 0) -> list[Shot]:
    """Make `n` different pictures with sound EXIF."""
    return [Shot(f"{i:03d}.jpg", jpeg(scene(i)), exif(i)) for i in range(start, start + n)]


def fill(workspace: Workspace, shots: Sequence[Shot]) -> None:
    """Put the shots into the spool as a crawl would."""
    tables: dict[str, list[dict[str, Any]]] = {"assets": [], "photos": [], "exif": []}
    for shot in shots:
        tables["assets"].append(
            {
                "sha256": shot.sha256,
                "bytes": len(shot.body),
                "mime": "image/jpeg",
                "width": 200,
                "height": 150,
                "jpeg_quality": 92,
                "first_seen": CRAWLED,
            }
        )
        tables["photos"].append(
            {
                "photo_id": hashlib.sha256(shot.name.encode()).hexdigest()[:32],
                "source": "folder",
                "source_photo_id": shot.name,
                "asset_sha256": shot.sha256,
                "photographer": shot.photographer,
                "fetched_at": CRAWLED,
                "training_allowed": True,
            }
        )
        tables["exif"].append(_record(shot, "file", shot.exif))
        if shot.api:
            tables["exif"].append(_record(shot, "api", shot.api))
    typed = {name: rows(name, records) for name, records in tables.items()}
    images = [(shot.sha256, shot.body) for shot in shots]
    write_segment(workspace, typed, job="crawl:test", images=images)


def _record(shot: Shot, source: str, settings: Mapping[str, object] | None) -> dict[str, object]:
    status = "none" if settings is None else "ok"
    record = {"asset_sha256": shot.sha256, "exif_source": source, "status": status}
    return record | dict(settings or {})
