"""Audit a split: what do its sides share? Groups, cameras, photographers, copies, near-identical pictures.

For the group split the counts of what groups were made of must be 0; for the random split they show
how much a naive evaluation would have known already.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.splits import SPLITS

SHARED_KEYS = ("group_id", "scene_id", "camera", "photographer")
BLOCK_ROWS = 1024


@dataclass(frozen=True)
class LeakAudit:
    """Leaks of one policy: values of each key on more than one side, and the closest test-train pair.

    `pictures_in_shared` counts, per key, the test pictures whose value is also in train. `max_cosine` is NaN
    without embeddings on both sides; `p99_cosine` is the 99th percentile of each test picture's closest
    training picture.
    """

    policy: str
    shared_values: dict[str, int]
    pictures_in_shared: dict[str, int]
    max_cosine: float
    p99_cosine: float
    n: dict[str, int]


def audit(
    items: pl.DataFrame, vectors: dict[str, npt.NDArray[np.float32]], policy: str
) -> LeakAudit:
    """Audit the column `policy` (split or random_split) of `items`.

    `items` has asset_sha256, the policy and the keys group_id, scene_id (duplicates and same scene), camera and
    photographer; `vectors` holds L2-normalised embeddings by asset.
    """
    placed = items.select("asset_sha256", *SHARED_KEYS, split=pl.col(policy))
    closest = _closest(placed, vectors)
    return LeakAudit(
        policy=policy,
        shared_values={key: _n_shared(placed, key) for key in SHARED_KEYS},
        pictures_in_shared={key: _n_test_pictures(placed, key) for key in SHARED_KEYS},
        max_cosine=float(closest.max()) if closest.size else float("nan"),
        p99_cosine=float(np.quantile(closest, 0.99)) if closest.size else float("nan"),
        n={name: placed.filter(pl.col("split") == name).height for name in SPLITS},
    )


def _n_shared(placed: pl.DataFrame, key: str) -> int:
    """Count the values of `key` that lie in more than one split."""
    known = placed.filter(pl.col(key).is_not_null())
    return known.group_by(key).agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height


def _n_test_pictures(placed: pl.DataFrame, key: str) -> int:
    known = placed.filter(pl.col(key).is_not_null())
    trained = known.filter(pl.col("split") == "train")[key].unique()
    test = known.filter(pl.col("split") == "test")
    return test.filter(pl.col(key).is_in(trained.implode())).height


def _closest(
    placed: pl.DataFrame, vectors: dict[str, npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """Give the highest cosine to train of each test picture, block by block."""
    train, test = (_matrix(placed, vectors, name) for name in ("train", "test"))
    if not (train.size and test.size):
        return np.empty(0, dtype=np.float32)
    starts = range(0, len(test), BLOCK_ROWS)
    blocks = [(test[start : start + BLOCK_ROWS] @ train.T).max(axis=1) for start in starts]
    return np.concatenate(blocks)


def _matrix(
    placed: pl.DataFrame, vectors: dict[str, npt.NDArray[np.float32]], split: str
) -> npt.NDArray[np.float32]:
    shas = placed.filter(pl.col("split") == split)["asset_sha256"]
    rows = [vectors[sha] for sha in shas if sha in vectors]
    return np.stack(rows).astype(np.float32) if rows else np.empty((0, 0), dtype=np.float32)
