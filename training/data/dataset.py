"""The pictures of a release as a map-style data set, for anybody's `torch.utils.data.DataLoader`.

It is the simple way: every transform is a callable, every sampler of torch works. `loader` is the fast one.
"""

import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from catalog import CACHE_BYTES, Workspace
from training.data.arrays import Pixels
from training.data.decode import decode
from training.data.orientation import UPRIGHT, orientation_of, turn_upright
from training.data.selection import Selection, open_here_or_remote, select
from training.data.shards import ShardReader

if TYPE_CHECKING:
    import polars as pl

Transform = Callable[[Any], Any]


class PictureDataset(Dataset[dict[str, Any]]):
    """Pictures of a release with their labels; item i is a dict.

    `image`: a uint8 tensor (3, H, W), RGB, or what `transform` gives. For each label a numpy scalar (float32 or int64)
    and `NAME_mask`, false where the label is missing (its value is then 0). `id`: the SHA-256 of the picture. For each
    other column its value.

    May be pickled and forked, and threads may share it: shards are opened again in each process.
    """

    def __init__(
        self,
        selection: Selection,
        *,
        transform: Transform | None = None,
        as_array: bool = False,
        decoded: bool = True,
        upright: bool = True,
    ) -> None:
        self.selection = selection
        self.transform = transform
        self._as_array, self._decoded, self._upright = as_array, decoded, upright
        self._reader = ShardReader(selection.release, mapped=True)

    def __len__(self) -> int:
        return len(self.selection)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Return item `i`; raises `IndexError` and `UndecodablePictureError`."""
        number = operator.index(i)
        row = number + len(self) if number < 0 else number
        if not 0 <= row < len(self):
            raise IndexError(f"item {i} of {len(self)} pictures")
        return {"image": self._image(row), **label_values(self.selection, row)}

    @property
    def index(self) -> "pl.DataFrame":
        """All columns of the release's index, one row an item."""
        return self.selection.frame()

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """The class names of each label that is a text: code 0 is the first."""
        labels = self.selection.labels
        return {name: label.classes for name, label in labels.items() if label.classes}

    def _image(self, row: int) -> Any:
        data = self.selection.read(self._reader, row)
        if not self._decoded:
            return self.transform(data) if self.transform else data
        pixels = self._pixels(data, row)
        if self.transform is None:
            return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        if self._as_array:
            # Decoders may hand out memory that must not be written to.
            return self.transform(np.require(pixels, requirements=("C", "W")))
        return self.transform(Image.fromarray(pixels))

    def _pixels(self, data: bytes, row: int) -> Pixels:
        """Decode a picture to (H, W, 3), RGB."""
        pixels = decode(data, name=self.selection.id(row))
        orientation = orientation_of(data) if self._upright else UPRIGHT
        return pixels if orientation == UPRIGHT else turn_upright(pixels, orientation).copy()


def label_values(selection: Selection, row: int) -> dict[str, Any]:
    """Return the id, the labels with their masks and the other columns of one picture."""
    values: dict[str, Any] = {"id": selection.id(row)}
    for name, label in selection.labels.items():
        values[name] = label.values[row]
        values[f"{name}_mask"] = label.mask[row]
    for name, column in selection.columns.items():
        value = column[row]
        values[name] = value.item() if isinstance(value, np.generic) else value
    return values


def dataset(  # noqa: PLR0913 - keywords; each of them is documented
    name: str,
    split: str | None = None,
    *,
    labels: Sequence[str] = (),
    columns: Sequence[str] = (),
    where: str = "",
    image: str = "image",
    transform: Transform | None = None,
    as_array: bool = False,
    decode: bool = True,
    upright: bool = True,
    workspace: Workspace | str | Path | None = None,
    source: str | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> PictureDataset:
    """Open pictures of a release (`name` or `name@1.2.0`) as a map-style data set: `dataset[i]` is a dict.

    `labels` are columns of the index, given with a mask; `columns` are given as they are, with NaN for a
    missing number and "" for a missing text. `where` is an SQL predicate over the index, such as `iso > 400`.
    `image` is the column to read, such as image_256. `transform` is called with a Pillow picture (RGB), with `as_array`
    with an array (H, W, 3), without `decode` with the original bytes. `upright` uses the tag Orientation. `workspace`
    is by default that of SAFELIGHT_HOME, else ./workspace. `source` reads a release that is not here, from http(s)://,
    s3:// or a folder: a shard is fetched when a picture of it is read, into a cache of at most `cache_bytes`.

    Raises `ReleaseNotFoundError`, `ReleaseError` for a split or predicate that does not fit, `UsageError` for unknown
    columns and an empty selection; warns about revoked releases and pictures without training permission.
    """
    release = open_here_or_remote(name, workspace, source, cache_bytes)
    selection = select(
        release, split=split, where=where, labels=labels, columns=columns, image=image
    )
    return PictureDataset(
        selection, transform=transform, as_array=as_array, decoded=decode, upright=upright
    )
