"""Choose what each model of the effects study trains on: one ablation for each group of curation rules.

The rows come from one curation run: kept pictures, copies of kept pictures, and pictures without a valid setting.
Half of the kept test pictures evaluate every model, so no model trains on them.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import Catalog
from curation import SETTINGS, stops_of
from training.data.arrays import Floats, Ints

ALL_RULES = "nothing"
LEFT_OUT = ("exif rules", "duplicates", "group split", "rebalancing")

_POOL = """
    WITH run AS (SELECT ? AS run_id), places AS (
        SELECT a.sha256 AS asset_sha256, a.pack AS shard, a.pack_offset AS "offset", a.pack_length AS length
        FROM assets a WHERE a.sha256 IN (
            SELECT asset_sha256 FROM v_all_photos GROUP BY 1 HAVING bool_and(coalesce(training_allowed, false)))
    ), dropped AS (
        SELECT d.asset_sha256, d.reason, CASE WHEN d.reason <> 'no_usable_setting' THEN d.evidence END AS keeper
        FROM decisions d JOIN run USING (run_id)
        WHERE d.decision = 'drop' AND d.reason IN ('exact_duplicate', 'near_duplicate', 'no_usable_setting')
    ), items AS (SELECT i.* FROM curated_items i JOIN run USING (run_id))
    SELECT p.*, coalesce(d.reason, 'kept') AS part, coalesce(i.split, 'train') AS split,
           coalesce(i.group_id, p.asset_sha256) AS group_id, coalesce(i.weight, 1.0) AS weight,
           i.f_number, i.iso, i.exposure_time,
           e.f_number AS stated_f_number, e.iso AS stated_iso, e.exposure_time AS stated_exposure_time
    FROM places p
    LEFT JOIN dropped d ON d.asset_sha256 = p.asset_sha256
    LEFT JOIN items i ON i.asset_sha256 = coalesce(d.keeper, p.asset_sha256)
    LEFT JOIN v_exif e ON e.asset_sha256 = p.asset_sha256
    WHERE i.asset_sha256 IS NOT NULL OR d.reason = 'no_usable_setting'
    ORDER BY p.asset_sha256
"""


@dataclass(frozen=True)
class Ablation:
    """What one model trains on: `rows` of the pool with a `weight` each; `as_stated` takes settings without rules."""

    left_out: str
    rows: Ints
    as_stated: bool
    weight: Floats


def read_pool(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read the pictures of a run that may be trained on: kept ones, copies of kept ones, ones without valid settings.

    `part` names the kind. A copy has the split, group, weight and settings of its keeper. `stated_<setting>` is the
    value in the file or from the source, valid or not. Each setting and stated setting also has a column in stops.
    """
    pool = pl.DataFrame(catalog.query(_POOL, [run_id]))
    stated = pool.select(pl.col(f"stated_{s}").alias(s) for s in SETTINGS).select(
        map(stops_of, SETTINGS)
    )
    return pool.with_columns(
        *map(stops_of, SETTINGS), *(stated[name].alias(f"stated_{name}") for name in stated.columns)
    )


def evaluation_halves(
    pool: pl.DataFrame, seed: int = 0
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Divide the kept test pictures by a hash: the evaluation half, and the half that a random split would train on."""
    is_test = ((pool["split"] == "test") & (pool["part"] == "kept")).to_numpy()
    odd = np.array([_digest(seed, sha)[0] % 2 == 1 for sha in pool["asset_sha256"]], dtype=np.bool_)
    return is_test & ~odd, is_test & odd


def ablations(pool: pl.DataFrame, most: int, seed: int = 0) -> list[Ablation]:
    """Choose the training rows of each model, about `most` at most; none is in the evaluation half."""
    parts, split = pool["part"].to_numpy(), pool["split"].to_numpy()
    in_train = _sample(pool, np.flatnonzero((split == "train") & (parts == "kept")), most, seed)
    chosen = set(pool["asset_sha256"][in_train.tolist()])
    kept_of_group = set(pool["group_id"][in_train.tolist()])
    is_copy = np.char.endswith(parts.astype(str), "_duplicate") & (split == "train")
    copies = np.flatnonzero(
        is_copy & np.array([g in kept_of_group for g in pool["group_id"]], dtype=np.bool_)
    )
    voided = _sample(pool, np.flatnonzero(parts == "no_usable_setting"), most, seed)
    siblings = np.flatnonzero(evaluation_halves(pool)[1])
    assert len(chosen) == len(in_train), "a picture is in the pool once"
    random_split_rows = np.concatenate(
        [siblings, _sample(pool, in_train, max(0, len(in_train) - len(siblings)), seed + 1)]
    )
    weight = pool["weight"].to_numpy()
    return [
        _ablation(ALL_RULES, in_train, weight),
        replace(
            _ablation("exif rules", np.concatenate([in_train, voided]), weight), as_stated=True
        ),
        _ablation("duplicates", np.concatenate([in_train, copies]), weight),
        _ablation("group split", random_split_rows, weight),
        _ablation("rebalancing", in_train, np.ones(len(pool))),
    ]


def _ablation(left_out: str, rows: Ints, weight: Floats) -> Ablation:
    rows = np.sort(rows)
    return Ablation(left_out, rows, False, weight[rows])


def _sample(pool: pl.DataFrame, rows: Ints, most: int, seed: int) -> Ints:
    """Choose at most `most` of the rows by a hash of the picture."""
    shas = pool["asset_sha256"]
    return np.array(
        sorted(rows, key=lambda row: _digest(seed, shas[int(row)]))[:most], dtype=np.int64
    )


def _digest(seed: int, sha: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{sha}".encode()).digest()
