"""EXIF flags that compare the records of many pictures: copied EXIF blocks, values that a camera model never writes.

Several pictures with the same camera, time and settings are either a burst (the pictures are similar, so a split must
not separate them) or pictures onto which somebody copied one EXIF block (a flag).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.rules.bin_edges import SETTINGS
from curation.similarity.pdq import from_hex, hamming, turned

MIN_ROWS_OF_MODEL: Final = 200
MIN_ROWS_PER_VALUE: Final = (
    10  # where the values of a model fill a range (ISO of a telephone), a new value is no evidence
)
# Pictures are unlike when hash and vector agree on it: unrelated pictures differ in about 128 of the 256 bits.
UNLIKE_BITS: Final = 90
UNLIKE_COSINE: Final = 0.6
PLAIN_QUALITY: Final = 50  # below it a hash is no evidence
MAX_ALL_PAIRS: Final = 50
MAX_NAMED: Final = 5
_MOMENT = ("make", "model", "serial_sha256", "taken_at_raw", "sub_seconds", *SETTINGS)


@dataclass(frozen=True)
class ClonesAndBursts:
    """Pictures with the same camera, time and settings, by what they are.

    `cloned`: asset to evidence (JSON) where the pictures are unlike; `bursts`: (asset, key of the moment) where the
    pictures are similar and must stay in one split.
    """

    cloned: dict[str, str]
    bursts: list[tuple[str, str]]


@dataclass(frozen=True)
class Fingerprint:
    """PDQ hash (64 hex digits) with its quality 0-100, and the unit vector of a picture; None when unknown."""

    value: str | None
    quality: int | None
    vector: npt.NDArray[np.float32] | None


def find_clones_and_bursts(
    records: pl.DataFrame,
    fingerprints_of: Callable[[list[str]], Mapping[str, Fingerprint]],
    unlike_cosine: float = UNLIKE_COSINE,
) -> ClonesAndBursts:
    """Compare the pictures whose EXIF has the same moment of one camera; only records from the files are used.

    A moment needs make, model, a valid date and at least two settings. `fingerprints_of` is called once, with the
    pictures that share a moment; vectors below `unlike_cosine` show different things.
    """
    cloned: dict[str, str] = {}
    bursts: list[tuple[str, str]] = []
    moments = _shared_moments(records)
    fingerprints = fingerprints_of(sorted({name for _, members in moments for name in members}))
    for key, members in moments:
        unlike = {
            sha
            for pair in _pairs(members)
            if _are_unlike(fingerprints.get(pair[0]), fingerprints.get(pair[1]), unlike_cosine)
            for sha in pair
        }
        for sha in unlike:
            others = [other for other in members if other != sha]
            evidence = {"moment": key, "n": len(members), "others": others[:MAX_NAMED]}
            cloned[sha] = json.dumps(evidence, sort_keys=True)
        if not unlike:
            bursts += [(sha, key) for sha in members]
    return ClonesAndBursts(cloned, bursts)


def _pairs(members: list[str]) -> list[tuple[str, str]]:
    """Pair all members; of more than `MAX_ALL_PAIRS`, each with the first only."""
    if len(members) > MAX_ALL_PAIRS:
        return [(members[0], other) for other in members[1:]]
    return list(combinations(members, 2))


def _shared_moments(records: pl.DataFrame) -> list[tuple[str, list[str]]]:
    """List (key, assets) of every moment that several pictures share, sorted."""
    n_settings = pl.sum_horizontal(pl.col(f"{s}_valid").is_not_null() for s in SETTINGS)
    own = records.filter(
        pl.col("exif_source") == "file",
        pl.col("make").is_not_null() & pl.col("model").is_not_null(),
        pl.col("taken_at").is_not_null(),
        ~pl.col("flags").list.contains("clock_unset"),
        n_settings >= 2,
    )
    sub = pl.col("raw_json").str.json_path_match("$.SubSecTimeOriginal")
    parts = [pl.col(name).cast(pl.String).fill_null("-") for name in _MOMENT]
    keyed = own.with_columns(sub_seconds=sub).select(
        "asset_sha256", key=pl.concat_str(parts, separator=" ")
    )
    groups = keyed.unique().group_by("key").agg(pl.col("asset_sha256").sort())
    shared = groups.filter(pl.col("asset_sha256").list.len() > 1).sort("key")
    return [(str(key), list(members)) for key, members in shared.iter_rows()]


def _are_unlike(one: Fingerprint | None, other: Fingerprint | None, unlike_cosine: float) -> bool:
    """Say whether two pictures certainly show different things; false when the fingerprint of one is unknown."""
    if one is None or other is None or one.vector is None or other.vector is None:
        return False
    if float(one.vector @ other.vector) >= unlike_cosine:
        return False
    if one.value is None or other.value is None:
        return False
    if min(one.quality or 0, other.quality or 0) < PLAIN_QUALITY:
        return True  # the hash of a plain picture is no evidence: the vector decides
    views = turned(from_hex([other.value]))[:, 0]
    return int(hamming(from_hex([one.value]), views).min()) > UNLIKE_BITS


def unseen_values(records: pl.DataFrame) -> dict[str, str]:
    """Find values that no other of at least 200 pictures of the same model has: asset to evidence (JSON).

    Only settings of which the model has few values are checked, such as the one or two apertures of a telephone.
    """
    own = records.filter(pl.col("exif_source") == "file", pl.col("model").is_not_null())
    return {
        sha: evidence for setting in SETTINGS for sha, evidence in _unseen_values_of(own, setting)
    }


def _unseen_values_of(own: pl.DataFrame, setting: str) -> list[tuple[str, str]]:
    value, camera = pl.col(f"{setting}_valid"), ("make", "model")
    counted = own.filter(value.is_not_null()).with_columns(
        n_rows=pl.len().over(camera),
        n_values=value.n_unique().over(camera),
        n_same=pl.len().over(*camera, f"{setting}_valid"),
    )
    is_enough = pl.col("n_rows") > MIN_ROWS_OF_MODEL
    is_few = pl.col("n_values") * MIN_ROWS_PER_VALUE <= pl.col("n_rows")
    unique = counted.filter(is_enough, is_few, pl.col("n_same") == 1).sort("asset_sha256")
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
        for row in unique.iter_rows(named=True)
    ]
