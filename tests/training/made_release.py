"""Make a small release of pictures whose noise, blur and light follow their settings."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageFilter

from catalog import Release, Workspace, open_catalog, publish, rows, write_segment
from curation.rules.bin_edges import BINS, SETTINGS
from curation.rules.bins import to_bin, to_stops
from tests.factories import jpeg

F_NUMBERS, ISOS, TIMES = (1.8, 4.0, 11.0), (100.0, 400.0, 3200.0), (1 / 1000, 1 / 125, 1 / 15)
SIZE = (176, 136)


def photograph(number: int, classes: tuple[int, int, int]) -> Image.Image:
    """Draw shapes; ISO class gives noise, aperture class gives sharpness, time class gives light."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(40, 160, (9, 12, 3)) + 40 * classes[2]
    picture = Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize(
        SIZE, Image.Resampling.NEAREST
    )
    blurred = picture.filter(ImageFilter.GaussianBlur(4.0 - 2 * classes[0]))
    noise = rng.normal(0, (1, 8, 24)[classes[1]], (SIZE[1], SIZE[0], 3))
    return Image.fromarray((np.asarray(blurred) + noise).clip(0, 255).astype(np.uint8))


def make_item(number: int, *, allowed: bool | None = True) -> tuple[dict[str, Any], bytes]:
    """Make one row of `curated_items` with its picture; every seventh has no ISO."""
    classes = (number % 3, number // 3 % 3, number // 9 % 3)
    values = dict(
        zip(SETTINGS, (F_NUMBERS[classes[0]], ISOS[classes[1]], TIMES[classes[2]]), strict=True)
    )
    data = jpeg(image=photograph(number, classes), seed=number)
    camera = f"acme {number % 8}"
    row: dict[str, Any] = {
        "run_id": "run", "asset_sha256": hashlib.sha256(data).hexdigest(), "photo_id": f"{number:032d}",
        "source": "made", "source_photo_id": str(number), "group_id": camera, "camera": camera,
        "split": ("train", "train", "train", "train", "train", "validation", "test", "test")[number % 8],
        "random_split": ("train", "test", "validation", "train", "train")[number % 5],
        "weight": 1.0 + number % 2, "native_resolution": number % 4 != 0, "photographer": camera,
        "width": SIZE[0], "height": SIZE[1], "jpeg_quality": 90, "licence": "CC0-1.0",
        "training_allowed": allowed, "training_basis": "made here",
    }  # fmt: skip
    for setting, value in values.items():
        missing = setting == "iso" and number % 7 == 0
        row |= labels(setting, None if missing else value)
    return row, data


def labels(setting: str, value: float | None) -> Mapping[str, float | int | None]:
    """Return the three label columns of one setting."""
    if value is None:
        return {setting: None, f"{setting}_stops": None, f"{setting}_bin": None}
    stops = to_stops(setting, [value])
    return {
        setting: value,
        f"{setting}_stops": float(stops[0]),
        f"{setting}_bin": int(to_bin(setting, stops)[0]),
    }


@dataclass(frozen=True)
class LooseRelease:
    """A release without a catalog: its pictures lie one after the other in one file."""

    path: Path
    table: pa.Table

    def index(self) -> pa.Table:
        return self.table

    def shard(self, name: str) -> Path:
        return self.path / name


def loose_release(folder: Path, n: int) -> LooseRelease:
    """Write `n` made pictures into a file; for what needs bytes and rows but no tables."""
    made = [make_item(number) for number in range(n)]
    places, offset = [], 0
    for row, data in made:
        places.append(row | {"shard": "bytes", "offset": offset, "length": len(data)})
        offset += len(data)
    (folder / "bytes").write_bytes(b"".join(data for _, data in made))
    return LooseRelease(folder, pa.Table.from_pylist(places))


def make_release(
    workspace: Workspace,
    n: int = 40,
    *,
    allowed: bool | None = True,
    columns: Mapping[str, list[Any]] | None = None,
) -> Release:
    """Publish `n` pictures as the data set `made`; the last one is never allowed for training.

    `columns` are labels that it has, too, one value a picture.
    """
    made = [make_item(number, allowed=allowed if number < n - 1 else None) for number in range(n)]
    return publish_items(workspace, made, columns)


def publish_items(
    workspace: Workspace,
    made: Sequence[tuple[dict[str, Any], bytes]],
    columns: Mapping[str, list[Any]] | None = None,
) -> Release:
    """Publish rows of `curated_items` with their pictures as the data set `made`."""
    assets = [
        {"sha256": row["asset_sha256"], "bytes": len(data), "format": "JPEG", "header_status": "ok"}
        for row, data in made
    ]
    images = [(row["asset_sha256"], data) for row, data in made]
    write_segment(workspace, {"assets": rows("assets", assets)}, job="crawl:made", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    items = rows("curated_items", [row for row, _ in made])
    plan: dict[str, Any] = {"bins": {name: list(edges) for name, edges in BINS.items()}, "seed": 0}
    for name, values in (columns or {}).items():
        items = items.append_column(name, pa.array(values))
        plan.setdefault("labels", []).append(name)
    return publish(workspace, "made", items, plan=plan, run_id="run")
