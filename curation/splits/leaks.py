"""Audit a split: what its sides share, how alike they are, and what metadata alone tells.

For the group split the counts of what groups were made of must be 0; for the random split they show
how much a naive evaluation would have known already.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Final

import polars as pl

from catalog import Catalog, known_text
from curation.duplicates.index import SimilarityIndex
from curation.splits.closest_pairs import Closeness, Exact, Pair, Vectors, closest, sides_of
from curation.splits.groups import SPLITS
from curation.splits.metadata_leaks import Guess, guesses
from curation.splits.strata import Stratum

POLICIES: Final = ("split", "random_split")
SHARED_KEYS: Final = ("group_id", "scene_id", "camera", "photographer", "session", "person")
CHECKS: Final = ("max_cosine", "p99_cosine")


@dataclass(frozen=True)
class LeakAudit:
    """Leaks of one policy: values of each key on more than one side, the closest pairs, and guesses from metadata.

    `pictures_in_shared` counts, per key, the test pictures whose value is also in train. `max_cosine` is NaN
    without embeddings on both sides; `p99_cosine` is the 99th percentile of each test picture's closest
    training picture. `known` is the share of pictures of which a key is known, of train or of test, whichever is less:
    of a key that is known of few, nothing shared says little. `pairs` are the closest of them, closest first.
    """

    policy: str
    shared_values: dict[str, int]
    pictures_in_shared: dict[str, int]
    max_cosine: float
    p99_cosine: float
    n: dict[str, int]
    known: dict[str, float]
    pairs: tuple[Pair, ...] = ()
    guesses: tuple[Guess, ...] = ()

    def shared(self, key: str, name: str = "") -> str:
        """Say how many values of a key are on more than one side, as far as it is known.

        `name` is what people call the key.
        """
        unknown = known_text(name or key, self.known[key])
        if unknown.endswith("unknown"):
            return unknown
        said = f"{self.shared_values[key]} {name or key}"
        return f"{said} ({known_text('', self.known[key]).strip()})" if unknown else said

    def sentences(self) -> list[str]:
        """Say in words what metadata alone tells about the test pictures, one sentence a guess."""
        return [_sentence(guess) for guess in self.guesses]


def measure(
    catalog: Catalog,
    items: pl.DataFrame,
    strata: tuple[Stratum, ...],
    model_id: str,
    index: SimilarityIndex,
) -> list[dict[str, object]]:
    """Measure likeness and guesses for both policies: rows of `split_leaks`, without run.

    `items` has the columns that `guesses` wants, and both policies; `index` knows what is close to what.
    """
    vectors = Vectors.of_items(catalog, model_id, items["asset_sha256"].to_list(), index)
    rows: list[dict[str, object]] = []
    for policy in POLICIES:
        near = closest(vectors, sides_of(items, policy), Exact(catalog, model_id))
        rows += _likeness(near, policy)
        rows += [asdict(guess) | {"policy": policy} for guess in guesses(items, strata, policy)]
    return rows


def _likeness(near: Closeness, policy: str) -> Iterator[dict[str, object]]:
    if near.n:
        about = {"policy": policy, "task": "", "n": near.n}
        pairs = json.dumps([asdict(pair) for pair in near.pairs])
        yield {**about, "check": "max_cosine", "value": near.greatest, "detail": pairs}
        yield {**about, "check": "p99_cosine", "value": near.p99}


def audit(items: pl.DataFrame, measured: pl.DataFrame, policy: str) -> LeakAudit:
    """Audit the column `policy` (split or random_split) of `items`.

    `items` has asset_sha256, the policy and the keys group_id, scene_id (duplicates and same scene), camera,
    photographer, session and person; `measured` has rows of `split_leaks`.
    """
    placed = items.select("asset_sha256", *SHARED_KEYS, split=pl.col(policy))
    rows = measured.filter(pl.col("policy") == policy).sort("task", "check")
    of_check = {row["check"]: row for row in rows.iter_rows(named=True)}
    greatest, p99 = (of_check.get(check, {}).get("value", float("nan")) for check in CHECKS)
    pairs = json.loads(of_check["max_cosine"]["detail"] or "[]") if "max_cosine" in of_check else []
    names = [field.name for field in fields(Guess)]
    guessed = rows.filter(~pl.col("check").is_in(CHECKS)).select(names)
    in_shared = {key: _n_test_pictures(placed, key) for key in SHARED_KEYS}
    if not in_shared["camera"]:  # runs of older code have rows of guesses that could know nothing
        guessed = guessed.filter(pl.col("check") != "camera_majority")
    return LeakAudit(
        policy=policy,
        shared_values={key: _n_shared(placed, key) for key in SHARED_KEYS},
        pictures_in_shared=in_shared,
        max_cosine=greatest,
        p99_cosine=min(p99, greatest),
        n={name: placed.filter(pl.col("split") == name).height for name in SPLITS},
        known={key: _known_share(placed, key) for key in SHARED_KEYS},
        pairs=tuple(Pair(**pair) for pair in pairs),
        guesses=tuple(Guess(**row) for row in guessed.iter_rows(named=True)),
    )


def _n_shared(placed: pl.DataFrame, key: str) -> int:
    """Count the values of `key` that lie in more than one split."""
    known = placed.filter(pl.col(key).is_not_null())
    return known.group_by(key).agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height


def _known_share(placed: pl.DataFrame, key: str) -> float:
    """Give the share of train, or of test, of which `key` is known, whichever is less; 0 when one has no picture."""
    sides = [placed.filter(pl.col("split") == side)[key] for side in ("train", "test")]
    return min(side.count() / len(side) if len(side) else 0.0 for side in sides)


def _n_test_pictures(placed: pl.DataFrame, key: str) -> int:
    known = placed.filter(pl.col(key).is_not_null())
    trained = known.filter(pl.col("split") == "train")[key].unique()
    test = known.filter(pl.col("split") == "test")
    return test.filter(pl.col(key).is_in(trained.implode())).height


def _sentence(guess: Guess) -> str:
    who = {"timestamp_knn": "the time", "camera_majority": "the camera model"}[guess.check]
    figures = f"{guess.value:.2f} right, {guess.majority:.2f} by the majority"
    if not guess.is_decided:
        return f"whether {who} alone tells {guess.task}: {guess.verdict} ({figures}, {guess.n_groups} groups)"
    verdict = guess.verdict
    bounds = f"difference {guess.low:+.2f} to {guess.high:+.2f}, {guess.n_groups} groups"
    why = f": {guess.detail}" if guess.detail else ""
    return f"{who} alone {verdict} {guess.task} ({figures}; {bounds}){why}"
