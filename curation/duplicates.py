"""Find copies: candidates by hash and embedding, each verified on the pixels, then groups and keepers.

Pictures with equal pixels are copies without further proof. Every other pair, however close its hashes, is laid over
each other (`verification.py`): false pairs grow with the square of the collection. The closest pairs come
first, so that pairs which earlier ones have joined need no look, and two groups are compared twice at
most. Pairs of one scene that are not copies are kept as `same_scene`, which splits use.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from curation import keeper
from curation.grouping import far_from_hub, group
from curation.neighbours import MIN_QUALITY, best_distance, embedding_pairs, pdq_pairs
from curation.pdq import from_hex
from curation.verification import Verdict, VerificationLimits, Verifier

log = logging.getLogger(__name__)

Load = Callable[[str], NDArray[np.uint8]]
"""From a picture's SHA-256 to its upright RGB pixels, longest side at most 512 px."""

EDGES = {
    "asset_a": pl.String,
    "asset_b": pl.String,
    "found_by": pl.String,
    "pdq_distance": pl.Int32,
    "cosine": pl.Float64,
    "inliers": pl.Int32,
    "ncc": pl.Float64,
    "verdict": pl.String,
}
GROUPS = {
    "group_id": pl.String,
    "asset_sha256": pl.String,
    "is_keeper": pl.Boolean,
    "method": pl.String,
    "similarity": pl.Float64,
}
STRENGTH = {"pixels": 2, "pdq": 1, "embedding": 0}
WAVE = 32  # pairs verified side by side: fixed, so that the outcome does not depend on the threads
TRIES = 2  # pairs looked at between two groups before they count as different


@dataclass(frozen=True)
class DuplicateLimits:
    """Where candidates begin, and what verification calls the same."""

    pdq: int = 31
    cosine: float = 0.7
    nearest: int = 8
    verification: VerificationLimits = field(default_factory=VerificationLimits)
    threads: int = 2


@dataclass(frozen=True)
class Duplicates:
    """Compared pairs and groups of copies: the tables `duplicate_edges` and `duplicate_groups` without run_id."""

    edges: pl.DataFrame
    groups: pl.DataFrame


@dataclass(frozen=True, order=True)
class Candidate:
    """A pair worth a look at the pixels; sorts closest first."""

    distance: float  # 1 - cosine; pairs close by hash come before all others
    left: str
    right: str
    found_by: str
    pdq_distance: int
    cosine: float

    @property
    def names(self) -> tuple[str, str]:
        """Give both pictures, the smaller name first."""
        return self.left, self.right


def find_duplicates(
    pictures: pl.DataFrame, load: Load, limits: DuplicateLimits | None = None
) -> Duplicates:
    """Find the copies among `pictures`; the outcome does not depend on their order.

    `pictures` has asset_sha256 (unique), pixel_sha256, value (PDQ, hex), quality, vector (L2-normalised) and the
    columns of `keeper.choose`. Pictures without a value or a vector take part by their pixel hash only.
    """
    limits = limits or DuplicateLimits()
    equal = _equal_pixels(pictures)
    candidates = _Candidates(_distinct(pictures, equal), limits)
    compared, framed = _verified(candidates, load, limits)
    edges = [_edge(*pair, ("pixels", 0, 1.0), None) for pair in equal] + compared
    found = pl.DataFrame(edges, schema=EDGES, orient="row").sort("asset_a", "asset_b")
    marked = pictures.with_columns(is_framed=pl.col("asset_sha256").is_in(list(framed)))
    groups = _groups(marked, found.filter(pl.col("verdict") == "duplicate"))
    log.info(
        "%d pictures: %d with equal pixels, %d candidates, %d compared, %d groups of copies",
        pictures.height,
        len(equal),
        len(candidates.ordered),
        len(compared),
        groups["group_id"].n_unique(),
    )
    return Duplicates(found, groups)


def _equal_pixels(pictures: pl.DataFrame) -> list[tuple[str, str]]:
    """Tie each picture to the smallest name with the same pixels."""
    known = pictures.filter(pl.col("pixel_sha256").is_not_null())
    firsts = known.with_columns(first=pl.col("asset_sha256").min().over("pixel_sha256"))
    others = firsts.filter(pl.col("first") != pl.col("asset_sha256"))
    return sorted(others.select("first", "asset_sha256").iter_rows())


def _distinct(pictures: pl.DataFrame, equal: list[tuple[str, str]]) -> pl.DataFrame:
    """Give what has a hash and a vector, sorted; of equal pictures only the first."""
    known = pictures.filter(pl.col("value").is_not_null() & pl.col("vector").is_not_null())
    copies = [copy for _, copy in equal]
    return known.filter(~pl.col("asset_sha256").is_in(copies)).sort("asset_sha256")


class _Candidates:
    """Pairs by hash and by embedding, closest first, and the means to compare any other pair."""

    def __init__(self, pictures: pl.DataFrame, limits: DuplicateLimits) -> None:
        names = pictures["asset_sha256"].to_list()
        self._place = {name: place for place, name in enumerate(names)}
        self.ordered: list[Candidate] = []
        if len(names) < 2:
            return
        self._vectors = np.array(pictures["vector"].to_list(), np.float32)
        self._bits = from_hex(pictures["value"].to_list())
        self._quality = pictures["quality"].fill_null(0).to_numpy().astype(np.int32)
        self._limit = limits.pdq
        pairs = set(pdq_pairs(self._bits, self._quality, limits.pdq))
        pairs |= set(embedding_pairs(self._vectors, limits.cosine, limits.nearest))
        self.ordered = sorted(self.of(names[i], names[j]) for i, j in pairs)

    def of(self, left: str, right: str) -> Candidate:
        """Describe any pair."""
        left, right = min(left, right), max(left, right)
        i, j = self._place[left], self._place[right]
        bits = best_distance(self._bits[i], self._bits[j])
        cosine = round(float(self._vectors[i] @ self._vectors[j]), 6)
        is_rich = min(self._quality[i], self._quality[j]) >= MIN_QUALITY
        is_close = bool(is_rich and bits <= self._limit)
        distance = round(1 - cosine - is_close, 6)
        return Candidate(distance, left, right, "pdq" if is_close else "embedding", bits, cosine)


class _Joined:
    """Which pictures are joined so far (union-find), and how often two groups were compared."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._tries: Counter[tuple[str, str]] = Counter()

    def root(self, name: str) -> str:
        while (parent := self._parent.get(name, name)) != name:
            name = parent
        return name

    def join(self, left: str, right: str) -> None:
        one, two = sorted((self.root(left), self.root(right)))
        self._parent[two] = one

    def wants(self, pair: Candidate) -> bool:
        """Tell whether a pair is worth a look, and count it as tried if it is."""
        one, two = sorted((self.root(pair.left), self.root(pair.right)))
        if one == two or self._tries[one, two] >= TRIES:
            return False
        self._tries[one, two] += 1
        return True


_Row = tuple[str, str, str, int, float, int | None, float, str]


def _verified(
    candidates: _Candidates, load: Load, limits: DuplicateLimits
) -> tuple[list[_Row], set[str]]:
    """Verify candidates closest first, then the members that are far from the hub of their group.

    Gives the rows of all compared pairs, and the pictures that turned out to have a frame.
    """
    verifier = Verifier(load, limits.verification)
    rows: list[_Row] = []
    framed: set[str] = set()

    def compare(pairs: Iterable[Candidate], joined: _Joined, pool: ThreadPoolExecutor) -> None:
        for wave in _waves(pairs, joined):
            verdicts = pool.map(lambda pair: _verify(verifier, pair), wave)
            for pair, verdict in zip(wave, verdicts, strict=True):
                evidence = pair.found_by, pair.pdq_distance, pair.cosine
                rows.append(_edge(pair.left, pair.right, evidence, verdict))
                framed.update(verdict.framed)
                if verdict.verdict == "duplicate":
                    joined.join(pair.left, pair.right)

    # BLAS threads inside these threads would only wait for each other: three times the CPU.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(limits.threads) as pool:
        compare(candidates.ordered, _Joined(), pool)
        known = {row[:2] for row in rows}
        far = far_from_hub(row[:2] for row in rows if row[-1] == "duplicate")
        missing = sorted(candidates.of(*pair) for pair in far)
        compare((pair for pair in missing if pair.names not in known), _Joined(), pool)
    return rows, framed


def _waves(pairs: Iterable[Candidate], joined: _Joined) -> Iterator[list[Candidate]]:
    """Cut the pairs that are worth a look into waves; what a wave joins counts for the next."""
    waiting = iter(pairs)
    while wave := list(itertools.islice(filter(joined.wants, waiting), WAVE)):
        yield wave


def _verify(verifier: Verifier, pair: Candidate) -> Verdict:
    cv2.setNumThreads(1)  # the threads are ours
    return verifier.verify(pair.left, pair.right, pair.cosine)


def _edge(left: str, right: str, found: tuple[str, int, float], verdict: Verdict | None) -> _Row:
    """Make a row of the table; without a verdict the pixels are equal."""
    if verdict is None:
        return left, right, *found, None, 1.0, "duplicate"
    return left, right, *found, verdict.fit.inliers, round(verdict.fit.ncc, 6), verdict.verdict


def _groups(pictures: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Group the copies, choose keepers, and name the strongest evidence that ties each member."""
    found = group(copies.select("asset_a", "asset_b").iter_rows())
    group_of = {name: each.group_id for each in found for name in each.members}
    ties: dict[str, tuple[int, float, str]] = {}
    for a, b, method, score in copies.select("asset_a", "asset_b", "found_by", "ncc").iter_rows():
        if a not in group_of or group_of[a] != group_of.get(b):
            continue
        tie = STRENGTH[method], max(0.0, score), method
        ties.update({name: max(ties.get(name, tie), tie) for name in (a, b)})
    rows = [(name, group_of[name], method, score) for name, (_, score, method) in ties.items()]
    tied = pl.DataFrame(
        rows, schema=["asset_sha256", "group_id", "method", "similarity"], orient="row"
    ).cast({name: kind for name, kind in GROUPS.items() if name != "is_keeper"})
    members = keeper.choose(tied.join(pictures, on="asset_sha256"))
    return members.select(list(GROUPS)).sort("group_id", "asset_sha256")
