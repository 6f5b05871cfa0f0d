"""Draw the pictures that a model finds best and worst, in one grid: wrong ones framed red, faces pixelated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image, ImageDraw, ImageFont

from training.evaluation.saved_head import SavedHead
from training.report.binary.pixelate import Detect, pixelate_faces
from training.report.panels.tiles import PictureSource, read_picture
from training.report.saved_run import SavedRun

BEST, WORST = 13, 12
COLUMNS = 5
TILE_PX, FRAME_PX, TEXT_PX = 230, 6, 24
RED, PLAIN, INK = "#d4151b", "#ffffff", "#1b2530"


@dataclass(frozen=True)
class GridPicture:
    """One picture of the grid: the probability of the second class, and whether the decision is wrong."""

    asset_sha256: str
    share: float
    predicted: str
    is_wrong: bool


def choose(
    run: SavedRun, head: SavedHead, best: int = BEST, worst: int = WORST
) -> list[GridPicture]:
    """Choose the labelled test pictures with the highest, then those with the lowest probability of the second class.

    No picture is in both: with few pictures the best ones come first.
    """
    rows = run.main.predictions.filter(
        (pl.col("task") == head.name) & pl.col("target").is_not_null()
    ).with_columns(pl.col("probabilities").list.get(1).alias("share"))
    rows = rows.sort("share", "asset_sha256", descending=[True, False])
    first = rows.head(best)
    last = rows.tail(max(0, min(worst, len(rows) - len(first))))
    return [
        GridPicture(
            row["asset_sha256"], row["share"], head.class_name(int(row["predicted"])),
            row["predicted"] != row["target"],
        )
        for row in pl.concat([first, last]).iter_rows(named=True)
    ]  # fmt: skip


def write_grid(
    run: SavedRun, release: PictureSource, head: SavedHead, detect: Detect
) -> Path | None:
    """Write `best_and_worst.png` into the run folder; None without labelled predictions."""
    chosen = choose(run, head)
    if not chosen:
        return None
    index = pl.DataFrame(release.index()).filter(
        pl.col("asset_sha256").is_in([each.asset_sha256 for each in chosen])
    )
    places = {row["asset_sha256"]: row for row in index.iter_rows(named=True)}
    pictures = [picture_of(places.get(each.asset_sha256), release, detect) for each in chosen]
    path = run.folder / "best_and_worst.png"
    draw_grid(chosen, pictures).save(path)
    return path


def picture_of(row: dict[str, Any] | None, release: PictureSource, detect: Detect) -> Image.Image:
    """Read a picture at the size of its tile, with its faces pixelated; grey if it is not in the release any more."""
    if row is None:
        return Image.new("RGB", (TILE_PX, TILE_PX), "#c3cbd5")
    path = release.shard(row["shard"])
    large = read_picture(path, row["offset"], row["length"], 2 * TILE_PX)
    hidden = pixelate_faces(large, detect)
    hidden.thumbnail((TILE_PX, TILE_PX), Image.Resampling.BOX)
    return pixelate_faces(hidden, detect)


def draw_grid(chosen: Sequence[GridPicture], pictures: Sequence[Image.Image]) -> Image.Image:
    """Draw tiles in reading order, the best one first; whole pictures, with a red frame around wrong ones."""
    cell = TILE_PX + 2 * FRAME_PX
    rows = -(-len(chosen) // COLUMNS)
    canvas = Image.new("RGB", (COLUMNS * (cell + 8) + 8, rows * (cell + TEXT_PX + 8) + 8), PLAIN)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(15)
    for number, (each, picture) in enumerate(zip(chosen, pictures, strict=True)):
        left = 8 + number % COLUMNS * (cell + 8)
        top = 8 + number // COLUMNS * (cell + TEXT_PX + 8)
        x, y = left + (cell - picture.width) // 2, top + (cell - picture.height) // 2
        if each.is_wrong:
            frame = (
                x - FRAME_PX,
                y - FRAME_PX,
                x + picture.width + FRAME_PX - 1,
                y + picture.height + FRAME_PX - 1,
            )
            draw.rectangle(frame, fill=RED)
        canvas.paste(picture, (x, y))
        word = " (wrong)" if each.is_wrong else ""
        draw.text(
            (left + 4, top + cell + 2), f"{each.share:.2f}  {each.predicted}{word}", INK, font
        )
    return canvas
