"""Join a chosen photo with its picture, settings, author and page from the release."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
from PIL import Image, ImageOps

from curation import sound_picture
from training.data.photo_settings import SHORT_NAMES, TASKS, format_value
from training.evaluation.ranking import ClassPrediction, RankedPhoto, ValuePrediction
from training.evaluation.saved_head import SavedHead


class PictureSource(Protocol):
    """The part of a release that a panel uses: the index and the shard files."""

    def index(self) -> pa.Table:
        """Return one row per picture with `asset_sha256`, `shard`, `offset` and `length`."""
        ...

    def shard(self, path: str) -> Path:
        """Return the file of a shard by its path inside the release."""
        ...


@dataclass(frozen=True)
class PredictionTile:
    """One photo of a panel: the choice, its picture (RGB, upright) and texts about it."""

    choice: RankedPhoto
    picture: Image.Image
    values: Mapping[str, str]  # true values by task, as people write them
    short_names: Mapping[str, str]  # of the heads, by task
    loss_text: str  # such as "NLL 0.31"
    camera: str
    photographer: str
    attribution: str
    page_url: str  # empty unless it is a web address

    @property
    def sql(self) -> str:
        """The query for the catalog rows of the photo."""
        return (
            "SELECT * FROM photos JOIN exif USING (asset_sha256) "
            f"WHERE asset_sha256 = '{self.choice.asset_sha256}'"
        )


def read_picture(path: Path, offset: int, length: int, side_px: int) -> Image.Image:
    """Decode the picture in a byte range of a shard, upright RGB, longer side at most `side_px`.

    The result carries no metadata of the file. Of a sound it is the outline over time.
    """
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(length)
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        upright = Image.fromarray(sound_picture(data, side_px // 2))
    else:
        with Image.open(BytesIO(data)) as stored:
            stored.draft("RGB", (side_px, side_px))
            upright = ImageOps.exif_transpose(stored).convert("RGB")
    upright.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    clean = Image.new("RGB", upright.size)
    clean.paste(upright)
    return clean


def make_tiles(
    choices: Iterable[RankedPhoto],
    release: PictureSource,
    heads: Sequence[SavedHead],
    side_px: int,
) -> dict[str, PredictionTile]:
    """Make a tile for each chosen photo, by asset_sha256; each picture is read once."""
    by_sha = {choice.asset_sha256: choice for choice in choices}
    index = pl.DataFrame(release.index()).filter(pl.col("asset_sha256").is_in(list(by_sha)))
    return {
        row["asset_sha256"]: _tile(by_sha[row["asset_sha256"]], row, release, heads, side_px)
        for row in index.iter_rows(named=True)
    }


def _tile(
    choice: RankedPhoto,
    row: Mapping[str, Any],
    release: PictureSource,
    heads: Sequence[SavedHead],
    side_px: int,
) -> PredictionTile:
    path = release.shard(row["shard"])
    page = row.get("page_url") or ""
    return PredictionTile(
        choice=choice,
        picture=read_picture(path, row["offset"], row["length"], side_px),
        values={head.name: true_text(head, choice, row) for head in heads},
        short_names={head.name: short_name(head) for head in heads},
        loss_text=loss_text(choice, heads),
        camera=row.get("camera") or "camera unknown",
        photographer=row.get("photographer") or "",
        attribution=row.get("attribution") or "",
        page_url=page if page.startswith(("https://", "http://")) else "",
    )


def short_name(head: SavedHead) -> str:
    """Return the name of a head above its chart."""
    return SHORT_NAMES.get(head.name, head.title) if head.has_setting_classes else head.title


def true_text(head: SavedHead, choice: RankedPhoto, row: Mapping[str, Any]) -> str:
    """Write the truth of a head: a setting as photographers do, another class by its name, a value with its unit."""
    if head.name in TASKS and head.has_setting_classes:
        return format_value(head.name, row.get(head.name))
    prediction = choice.heads.get(head.name)
    if isinstance(prediction, ClassPrediction):
        return head.class_name(prediction.target)
    return head.value_text(prediction.target if prediction else None)


def loss_text(choice: RankedPhoto, heads: Sequence[SavedHead]) -> str:
    """Write by what the photo is ranked: NLL of classes, error of one value, else the loss.

    >>> value = ValuePrediction(30.0, 34.0, None, None, 1.2)
    >>> age = SavedHead("age", "regression", "values", "Age", unit="years")
    >>> loss_text(RankedPhoto("a", "g", 1.2, {"age": value}), [age])
    'off by 4 years'
    """
    predictions = list(choice.heads.values())
    if all(isinstance(prediction, ClassPrediction) for prediction in predictions):
        return f"NLL {choice.loss:.2f}"
    if len(predictions) == 1 and isinstance(predictions[0], ValuePrediction):
        head = next(head for head in heads if head.name in choice.heads)
        return f"off by {head.value_text(predictions[0].error)}"
    return f"loss {choice.loss:.2f}"
