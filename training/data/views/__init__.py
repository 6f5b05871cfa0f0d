"""Views by kind: how a stored picture becomes the named arrays that a network gets."""

from collections.abc import Mapping
from typing import Any

from training.data.views.aligned_faces import AlignedFaces
from training.data.views.base import View
from training.data.views.crops import Crops
from training.data.views.crops_and_patches import CropsAndPatches
from training.data.views.edited_pairs import EditedPairs
from training.data.views.log_mel import LogMel
from training.data.views.patches_and_thumbnail import PatchesAndThumbnail
from training.data.views.small_pictures import SmallPictures
from training.data.views.whole_and_native import WholeAndNative
from training.data.views.whole_picture import WholePicture

__all__ = [
    "VIEWS",
    "AlignedFaces",
    "Crops",
    "CropsAndPatches",
    "EditedPairs",
    "LogMel",
    "PatchesAndThumbnail",
    "SmallPictures",
    "View",
    "WholeAndNative",
    "WholePicture",
    "view_from",
]

VIEWS: dict[str, type[View]] = {
    view.kind: view
    for view in (
        PatchesAndThumbnail,
        EditedPairs,
        Crops,
        CropsAndPatches,
        AlignedFaces,
        SmallPictures,
        LogMel,
        WholeAndNative,
        WholePicture,
    )
}


def view_from(description: Mapping[str, Any]) -> View | None:
    """Make a view from the entry `view` of config.json; None for a kind that only a recipe of its own knows."""
    fields = dict(description)
    kind = VIEWS.get(fields.pop("kind", ""))
    return None if kind is None else kind(**fields)
