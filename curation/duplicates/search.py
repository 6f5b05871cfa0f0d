"""Find copies: candidates by hash and embedding, each verified on its pixels, then groups and keepers.

Pictures with equal pixels are copies without further proof. Every other pair, however close its hashes, is verified
(`verification.py`), because the number of false pairs grows with the square of the collection. The closest pairs come
first: pairs whose groups are already merged are skipped. Pairs of one scene
that are not copies are kept as `same_scene`, which splits use.

The result is a function of the set of pictures. Verdicts of earlier runs are reused, because a verdict depends only on
the two pictures. So it does not matter in which batches the pictures came.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from curation.duplicates import keeper
from curation.duplicates.distinct_shots import shots_of
from curation.duplicates.grouping import Bridge, Group, Grouping, group
from curation.duplicates.index import Descriptors, SimilarityIndex
from curation.duplicates.limits import DuplicateLimits
from curation.duplicates.pair_verification import EDGES, PairVerification, equal_edge
from curation.duplicates.verification import Verifier
from curation.similarity.neighbours import compact
from curation.similarity.pdq import from_hex
from curation.similarity.picture_features import FeatureCache

log = logging.getLogger(__name__)

LoadPixels = Callable[[str], NDArray[np.uint8]]
"""From a picture's SHA-256 to its upright RGB pixels, longest side at most 512 px."""

GROUPS = {
    "group_id": pl.String,
    "asset_sha256": pl.String,
    "is_keeper": pl.Boolean,
    "method": pl.String,
    "similarity": pl.Float64,
}
"""Columns of `duplicate_groups` without run_id."""

STRENGTH = {"pixels": 2, "pdq": 1, "embedding": 0}


@dataclass(frozen=True)
class Duplicates:
    """Verified pairs and groups of copies: the tables `duplicate_edges` and `duplicate_groups` without run_id.

    `bridges` are pictures that alone would have connected two groups, `boilerplate` is groups that are too large to be
    copies; `n_compared` counts the pairs whose pixels were compared, without reused verdicts.
    """

    edges: pl.DataFrame
    groups: pl.DataFrame
    bridges: Sequence[Bridge] = ()
    boilerplate: Sequence[Group] = ()
    n_compared: int = 0


def find_duplicates(
    pictures: pl.DataFrame, load: LoadPixels, limits: DuplicateLimits | None = None
) -> Duplicates:
    """Find the copies among `pictures`, all at once; the result does not depend on their order.

    `pictures` has asset_sha256 (unique), pixel_sha256, value (PDQ, hex), quality, vector (L2-normalised), the columns
    of `keeper.choose` and, where EXIF has them, camera and serial_sha256 (see `shots_of`). Pictures without a value or
    a vector are compared by their pixel hash only.
    """
    limits = limits or DuplicateLimits()
    with_vector = distinct(pictures).filter(pl.col("vector").is_not_null())
    index = SimilarityIndex.empty(limits.candidates).updated(descriptors_of(with_vector))
    verifier = Verifier(FeatureCache(load), limits.verification)
    return compare(pictures, index, verifier, limits)


def distinct(pictures: pl.DataFrame) -> pl.DataFrame:
    """Give the pictures with a hash, sorted; of those with equal pixels only the first."""
    twins = [twin for _, twin in _equal_pixels(pictures)]
    hashed = pictures.filter(pl.col("value").is_not_null())
    return hashed.filter(~pl.col("asset_sha256").is_in(twins)).sort("asset_sha256")


def descriptors_of(pictures: pl.DataFrame) -> Descriptors:
    """Make the descriptors of pictures, sorted by asset_sha256; value, quality and vector must not be null."""
    if pictures.is_empty():
        return Descriptors.empty()
    flat = pictures["vector"].explode().to_numpy().astype(np.float32)
    return Descriptors(
        pictures["asset_sha256"].to_list(),
        compact(flat.reshape(pictures.height, -1)),
        from_hex(pictures["value"].to_list()),
        pictures["quality"].fill_null(0).to_numpy().astype(np.int8),
    )


def compare(
    pictures: pl.DataFrame,
    index: SimilarityIndex,
    verifier: Verifier,
    limits: DuplicateLimits,
    *,
    earlier_edges: pl.DataFrame | None = None,
    compared_by: str = "",
) -> Duplicates:
    """Verify the candidates of an index of `distinct(pictures)` by this verifier and group the copies.

    `earlier_edges` has edges of earlier calls with the same `compared_by`: their pictures are not compared again.
    """
    search = PairVerification(index, verifier, earlier_edges, compared_by, shots_of(pictures))
    # One BLAS thread in each of these threads: more would wait for each other and take three times the CPU.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(limits.threads) as pool:
        search.verify_candidates(pool)
        search.complete_groups(pool)
    twins = _equal_pixels(pictures)
    equal = pl.DataFrame([equal_edge(*pair) for pair in twins], schema=EDGES, orient="row")
    edges = pl.concat([search.edges(), equal]).sort("asset_a", "asset_b")
    copies = edges.filter(pl.col("verdict") == "duplicate")
    grouping = group(search.copies(), twins, search.strong_copies())
    groups = _group_rows(pictures, copies, grouping, limits.keeper)
    log.info(
        "%d pictures: %d with equal pixels, %d candidates, %d compared now, %d reused, %d groups of copies, "
        "%d bridges, %d boilerplate",
        pictures.height,
        len(twins),
        len(search.candidates.left),
        search.n_compared,
        search.edges().height - search.n_compared,
        len(grouping.copies),
        len(grouping.bridges),
        len(grouping.boilerplate),
    )
    return Duplicates(
        edges, groups, grouping.bridges, grouping.boilerplate, n_compared=search.n_compared
    )


def _equal_pixels(pictures: pl.DataFrame) -> list[tuple[str, str]]:
    """Pair each picture with the smallest name that has the same pixels."""
    hashed = pictures.filter(pl.col("pixel_sha256").is_not_null())
    firsts = hashed.with_columns(first=pl.col("asset_sha256").min().over("pixel_sha256"))
    others = firsts.filter(pl.col("first") != pl.col("asset_sha256"))
    return sorted(others.select("first", "asset_sha256").iter_rows())


def _group_rows(
    pictures: pl.DataFrame, copies: pl.DataFrame, grouping: Grouping, order: tuple[str, ...]
) -> pl.DataFrame:
    """Choose keepers, and name the strongest evidence that connects each member."""
    group_of = {name: each.group_id for each in grouping.copies for name in each.members}
    strongest: dict[str, tuple[int, float, str]] = {}
    for a, b, method, score in copies.select("asset_a", "asset_b", "found_by", "ncc").iter_rows():
        if a not in group_of or group_of[a] != group_of.get(b):
            continue
        edge = STRENGTH[method], max(0.0, score), method
        strongest.update({name: max(strongest.get(name, edge), edge) for name in (a, b)})
    rows = [(name, group_of[name], method, score) for name, (_, score, method) in strongest.items()]
    members = pl.DataFrame(
        rows, schema=["asset_sha256", "group_id", "method", "similarity"], orient="row"
    ).cast({name: kind for name, kind in GROUPS.items() if name != "is_keeper"})
    is_framed = pl.col("asset_sha256").is_in(framed_pictures(copies))
    details = pictures.with_columns(is_framed=is_framed)
    ranked = keeper.choose(members.join(details, on="asset_sha256"), order)
    return ranked.select(list(GROUPS)).sort("group_id", "asset_sha256")


def framed_pictures(edges: pl.DataFrame) -> list[str]:
    """Give the pictures that have a frame according to the column `framed`."""
    framed = pl.col("framed")
    one = edges.filter(framed.str.contains("a"))["asset_a"]
    return one.append(edges.filter(framed.str.contains("b"))["asset_b"]).unique().to_list()
