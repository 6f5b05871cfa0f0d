"""EXIF flags that need many pictures at once: copied EXIF blocks, and values that a camera model never writes.

One moment of one camera on several pictures is either a burst (the pictures look alike, so no split may part
them) or a block that somebody copied onto other pictures (a flag).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.exif.bin_edges import SETTINGS
from curation.similarity.pdq import from_hex, hamming, turned

MIN_ROWS_OF_MODEL: Final = 200
MIN_ROWS_PER_VALUE: Final = (
    10  # a model whose values fill a range (telephone ISO) says nothing by a new one
)
# Pictures are unlike when both signals say so: unrelated pictures differ in about 128 of the 256 bits.
UNLIKE_BITS: Final = 90
UNLIKE_COSINE: Final = 0.6
PLAIN_QUALITY: Final = 50  # below it a hash says nothing
MAX_PAIRED: Final = 50
MAX_SHOWN: Final = 5
_MOMENT = ("make", "model", "serial_sha256", "taken_at_raw", "sub_seconds", *SETTINGS)


@dataclass(frozen=True)
class Moments:
    """What pictures of one camera, moment and settings are.

    `cloned`: asset to evidence (JSON) where pictures with one moment look unlike; `bursts`: (asset, key of the
    moment) of pictures that look alike and must stay in one split.
    """

    cloned: dict[str, str]
    bursts: list[tuple[str, str]]


@dataclass(frozen=True)
class Look:
    """How a picture looks: PDQ hash (64 hex digits) with its quality 0-100, and a unit vector; None when unknown."""

    value: str | None
    quality: int | None
    vector: npt.NDArray[np.float32] | None


def find_moments(
    judged: pl.DataFrame,
    look: Callable[[list[str]], Mapping[str, Look]],
    unlike_cosine: float = UNLIKE_COSINE,
) -> Moments:
    """Compare the pictures that claim one moment of one camera; only the files' own records are asked.

    A moment needs make, model, a sound date and at least two settings. `look` says how pictures look, and is asked
    for those that share a moment only; below `unlike_cosine` their vectors say that they show different things.
    """
    cloned: dict[str, str] = {}
    bursts: list[tuple[str, str]] = []
    moments = _moments(judged)
    looks = look(sorted({name for _, members in moments for name in members}))
    for key, members in moments:
        unlike = {
            sha
            for pair in _pairs(members)
            if _are_unlike(looks.get(pair[0]), looks.get(pair[1]), unlike_cosine)
            for sha in pair
        }
        for sha in unlike:
            others = [other for other in members if other != sha]
            shown = {"moment": key, "n": len(members), "others": others[:MAX_SHOWN]}
            cloned[sha] = json.dumps(shown, sort_keys=True)
        if not unlike:
            bursts += [(sha, key) for sha in members]
    return Moments(cloned, bursts)


def _pairs(members: list[str]) -> list[tuple[str, str]]:
    """Pair all members; of very many, each with the first only."""
    if len(members) > MAX_PAIRED:
        return [(members[0], other) for other in members[1:]]
    return list(combinations(members, 2))


def _moments(judged: pl.DataFrame) -> list[tuple[str, list[str]]]:
    """List (key, assets) of every moment that several pictures claim, sorted."""
    known = pl.sum_horizontal(pl.col(f"{s}_valid").is_not_null() for s in SETTINGS)
    own = judged.filter(
        pl.col("exif_source") == "file",
        pl.col("make").is_not_null() & pl.col("model").is_not_null(),
        pl.col("taken_at").is_not_null(),
        ~pl.col("flags").list.contains("clock_unset"),
        known >= 2,
    )
    sub = pl.col("raw_json").str.json_path_match("$.SubSecTimeOriginal")
    parts = [pl.col(name).cast(pl.String).fill_null("-") for name in _MOMENT]
    keyed = own.with_columns(sub_seconds=sub).select(
        "asset_sha256", key=pl.concat_str(parts, separator=" ")
    )
    groups = keyed.unique().group_by("key").agg(pl.col("asset_sha256").sort())
    several = groups.filter(pl.col("asset_sha256").list.len() > 1).sort("key")
    return [(str(key), list(members)) for key, members in several.iter_rows()]


def _are_unlike(one: Look | None, other: Look | None, unlike_cosine: float) -> bool:
    """Say whether two pictures surely show different things; false when nothing is known of one."""
    if one is None or other is None or one.vector is None or other.vector is None:
        return False
    if float(one.vector @ other.vector) >= unlike_cosine:
        return False
    if one.value is None or other.value is None:
        return False
    if min(one.quality or 0, other.quality or 0) < PLAIN_QUALITY:
        return True  # plain pictures have no hash to speak of: the vector decides
    ways = turned(from_hex([other.value]))[:, 0]
    return int(hamming(from_hex([one.value]), ways).min()) > UNLIKE_BITS


def unseen_values(judged: pl.DataFrame) -> dict[str, str]:
    """Find values that no other of at least 200 pictures of the same model has: asset to evidence (JSON).

    Only settings of which the model uses few values are asked, such as the one or two apertures of a telephone.
    """
    own = judged.filter(pl.col("exif_source") == "file", pl.col("model").is_not_null())
    return {sha: said for setting in SETTINGS for sha, said in _unseen(own, setting)}


def _unseen(own: pl.DataFrame, setting: str) -> list[tuple[str, str]]:
    value, camera = pl.col(f"{setting}_valid"), ("make", "model")
    counted = own.filter(value.is_not_null()).with_columns(
        n_rows=pl.len().over(camera),
        n_values=value.n_unique().over(camera),
        n_same=pl.len().over(*camera, f"{setting}_valid"),
    )
    is_enough = pl.col("n_rows") > MIN_ROWS_OF_MODEL
    is_few = pl.col("n_values") * MIN_ROWS_PER_VALUE <= pl.col("n_rows")
    alone = counted.filter(is_enough, is_few, pl.col("n_same") == 1).sort("asset_sha256")
    return [
        (
            row["asset_sha256"],
            json.dumps(
                {
                    setting: row[f"{setting}_valid"],
                    "model": row["model"],
                    "pictures_of_model": row["n_rows"],
                    "values_of_model": row["n_values"],
                }
            ),
        )
        for row in alone.iter_rows(named=True)
    ]
