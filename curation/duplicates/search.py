"""Find copies: candidates by hash and embedding, each verified on the pixels, then groups and keepers.

Pictures with equal pixels are copies without further proof. Every other pair, however close its hashes, is laid over
each other (`verification.py`): false pairs grow with the square of the collection. The closest pairs come
first, so that pairs which earlier ones have joined need no look, and two groups are compared twice at
most. Pairs of one scene that are not copies are kept as `same_scene`, which splits use.

The outcome is a function of the set of pictures. What earlier runs have compared is only looked up: a verdict depends
on nothing but the two pictures. So it does not matter in which batches the pictures came.
"""

import itertools
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from curation.duplicates import keeper
from curation.duplicates.distinct_shots import Shot, are_apart, keep_apart, shots
from curation.duplicates.grouping import Bridge, Group, Groups, group, missing_evidence
from curation.duplicates.index import Described, Pairs, SimilarityIndex
from curation.duplicates.limits import DuplicateLimits
from curation.duplicates.verification import Verdict, Verifier
from curation.similarity.neighbours import compact
from curation.similarity.pdq import from_hex

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
    "edge_class": pl.String,
    "detail_ncc": pl.Float64,
    "drift_px": pl.Float64,
    "overlap": pl.Float64,
    "framed": pl.String,
    "compared_by": pl.String,
}
GROUPS = {
    "group_id": pl.String,
    "asset_sha256": pl.String,
    "is_keeper": pl.Boolean,
    "method": pl.String,
    "similarity": pl.Float64,
}
CLASSES = {"duplicate": "copy", "same_scene": "same_scene"}
STRENGTH = {"pixels": 2, "pdq": 1, "embedding": 0}
WAVE = 32  # pairs verified side by side
AHEAD = 512  # pairs that may wait for earlier ones while a wave is filled
TRIES = 2  # pairs looked at between two groups before they count as different
ROUNDS = 4  # times that groups are mended by further pairs


@dataclass(frozen=True)
class Duplicates:
    """Compared pairs and groups of copies: the tables `duplicate_edges` and `duplicate_groups` without run_id.

    `bridges` are pictures that alone would have joined two groups, `boilerplate` what is too large to be copies;
    `n_compared` counts the pairs whose pixels were looked at, not those known from earlier.
    """

    edges: pl.DataFrame
    groups: pl.DataFrame
    bridges: Sequence[Bridge] = ()
    boilerplate: Sequence[Group] = ()
    n_compared: int = 0


def find_duplicates(
    pictures: pl.DataFrame, load: Load, limits: DuplicateLimits | None = None
) -> Duplicates:
    """Find the copies among `pictures`, all at once; the outcome does not depend on their order.

    `pictures` has asset_sha256 (unique), pixel_sha256, value (PDQ, hex), quality, vector (L2-normalised), the columns
    of `keeper.choose` and, where EXIF is known, camera and serial_sha256 (see `shots`). Pictures without a value or a
    vector take part by their pixel hash only.
    """
    limits = limits or DuplicateLimits()
    known = distinct(pictures).filter(pl.col("vector").is_not_null())
    index = SimilarityIndex.empty(limits.reach).updated(described(known))
    return compare(pictures, index, load, limits)


def distinct(pictures: pl.DataFrame) -> pl.DataFrame:
    """Give the pictures with a hash, sorted; of those with equal pixels only the first."""
    twins = [twin for _, twin in _equal_pixels(pictures)]
    known = pictures.filter(pl.col("value").is_not_null())
    return known.filter(~pl.col("asset_sha256").is_in(twins)).sort("asset_sha256")


def described(pictures: pl.DataFrame) -> Described:
    """Describe pictures, sorted by asset_sha256, for the index: value, quality and vector must not be null."""
    if pictures.is_empty():
        return Described.none()
    flat = pictures["vector"].explode().to_numpy().astype(np.float32)
    return Described(
        pictures["asset_sha256"].to_list(),
        compact(flat.reshape(pictures.height, -1)),
        from_hex(pictures["value"].to_list()),
        pictures["quality"].fill_null(0).to_numpy().astype(np.int8),
    )


def compare(
    pictures: pl.DataFrame,
    index: SimilarityIndex,
    load: Load,
    limits: DuplicateLimits,
    *,
    known: pl.DataFrame | None = None,
    compared_by: str = "",
) -> Duplicates:
    """Compare the candidates of an index of `distinct(pictures)` and group the copies.

    `known` has edges of earlier calls with the same `compared_by`: their pictures are not looked at again.
    """
    search = _Search(
        index, Verifier(load, limits.verification), known, compared_by, shots(pictures)
    )
    # BLAS threads inside these threads would only wait for each other: three times the CPU.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(limits.threads) as pool:
        search.closest_first(pool)
        search.mend(pool)
    twins = _equal_pixels(pictures)
    equal = pl.DataFrame([_equal_edge(*pair) for pair in twins], schema=EDGES, orient="row")
    edges = pl.concat([search.edges(), equal]).sort("asset_a", "asset_b")
    copies = edges.filter(pl.col("verdict") == "duplicate")
    grouped = group(search.copies(), twins)
    groups = _groups(pictures, copies, grouped, limits.keeper)
    log.info(
        "%d pictures: %d with equal pixels, %d candidates, %d compared now, %d known, %d groups of copies, "
        "%d bridges, %d boilerplate",
        pictures.height,
        len(twins),
        len(search.candidates.left),
        search.n_compared,
        search.edges().height - search.n_compared,
        len(grouped.copies),
        len(grouped.bridges),
        len(grouped.boilerplate),
    )
    return Duplicates(
        edges, groups, grouped.bridges, grouped.boilerplate, n_compared=search.n_compared
    )


def _equal_pixels(pictures: pl.DataFrame) -> list[tuple[str, str]]:
    """Tie each picture to the smallest name with the same pixels."""
    known = pictures.filter(pl.col("pixel_sha256").is_not_null())
    firsts = known.with_columns(first=pl.col("asset_sha256").min().over("pixel_sha256"))
    others = firsts.filter(pl.col("first") != pl.col("asset_sha256"))
    return sorted(others.select("first", "asset_sha256").iter_rows())


class _Joined:
    """Which pictures are joined so far (union-find), and how often two groups were compared.

    Groups of two shots are not joined, so pairs between them go on being compared: what `keep_apart` chooses from.
    """

    def __init__(self, names: Sequence[str], known: Mapping[str, Shot]) -> None:
        self._parent = list(range(len(names)))
        self._shots = {place: {known[n]} for place, n in enumerate(names) if n in known}
        self._known = frozenset(self._shots)
        self._tries: Counter[tuple[int, int]] = Counter()

    def root(self, place: int) -> int:
        parent = self._parent
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    def join(self, left: int, right: int) -> None:
        one, two = sorted((self.root(left), self.root(right)))
        if self._hold_two_shots(one, two):
            return
        self._parent[two] = one
        if both := self._shots.get(one, set()) | self._shots.get(two, set()):
            self._shots[one] = both

    def are_rivals(self, pair: "_Pair", one: int, two: int) -> bool:
        """Say whether two groups, given by their roots, may both claim a picture of `pair` whose shot is not known."""
        unknown = pair.left not in self._known or pair.right not in self._known
        return unknown and self._hold_two_shots(one, two)

    def _hold_two_shots(self, one: int, two: int) -> bool:
        mine, theirs = self._shots.get(one, set()), self._shots.get(two, set())
        return any(are_apart(a, b) for a in mine for b in theirs)

    def tries(self, one: int, two: int) -> bool:
        """Count a comparison of two groups, given by their roots; false when there were enough."""
        pair = (min(one, two), max(one, two))
        self._tries[pair] += 1
        return self._tries[pair] <= TRIES


@dataclass(frozen=True)
class _Pair:
    """A candidate by places in the index."""

    left: int
    right: int
    row: int  # in the `Pairs` it comes from


class _Search:
    """The comparison of candidates: which pairs were wanted, and what came out."""

    def __init__(
        self,
        index: SimilarityIndex,
        verifier: Verifier,
        known: pl.DataFrame | None,
        by: str,
        taken: Mapping[str, Shot],
    ) -> None:
        self.names = index.pictures.names
        self.candidates = index.pairs()
        self.n_compared = 0
        self._shots = taken
        self._copies: list[tuple[float, str, str]] = []  # drift, names
        self._index, self._verifier, self._by = index, verifier, by
        self._n = max(1, len(self.names))
        self._place = {name: place for place, name in enumerate(self.names)}
        self._known = pl.DataFrame(schema=EDGES) if known is None else known
        self._row_of = self._rows_of(self._known)
        self._was_copy: list[bool] = (self._known["verdict"] == "duplicate").to_list()
        self._drift: list[float] = self._known["drift_px"].to_list()
        self._taken: list[int] = []  # rows of `known`
        self._new: list[tuple[object, ...]] = []
        self._seen: set[int] = set()

    def closest_first(self, pool: ThreadPoolExecutor) -> None:
        """Compare the candidates, closest first, but for those that earlier ones have settled.

        Pairs that share no group are compared side by side; the outcome is that of one after the other.
        """
        joined = _Joined(self.names, self._shots)
        left, right = self.candidates.left.tolist(), self.candidates.right.tolist()
        pairs = (_Pair(i, j, row) for row, (i, j) in enumerate(zip(left, right, strict=True)))
        for wave in _waves(pairs, joined):
            for pair, is_sure in zip(
                wave, self._compared(wave, self.candidates, pool), strict=True
            ):
                if is_sure:
                    joined.join(pair.left, pair.right)

    def mend(self, pool: ThreadPoolExecutor) -> None:
        """Compare what would keep groups together that are else taken apart."""
        for _ in range(ROUNDS):
            wanted = [(self._place[a], self._place[b]) for a, b in missing_evidence(self.copies())]
            new = [(i, j) for i, j in wanted if i * self._n + j not in self._seen]
            if not new:
                return
            left, right = np.array(new, np.int32).T
            table = self._index.described(left, right)
            todo = iter([_Pair(i, j, row) for row, (i, j) in enumerate(new)])
            while wave := list(itertools.islice(todo, WAVE)):
                self._compared(wave, table, pool)

    def copies(self) -> list[tuple[str, str]]:
        """Give the pairs of copies that do not make two shots one photograph."""
        return keep_apart(self._copies, self._shots)

    def edges(self) -> pl.DataFrame:
        """Give a row for every pair that was wanted, wherever its verdict comes from."""
        new = pl.DataFrame(self._new, schema=EDGES, orient="row")
        known = self._known[self._taken]
        return pl.concat([known.select(known[name].cast(EDGES[name]) for name in EDGES), new])

    def _rows_of(self, known: pl.DataFrame) -> dict[int, int]:
        """Find the earlier row of a pair by left * n + right."""
        pairs = known.select("asset_a", "asset_b").iter_rows()
        places = ((self._place.get(a), self._place.get(b)) for a, b in pairs)
        return {
            i * self._n + j: row
            for row, (i, j) in enumerate(places)
            if i is not None and j is not None
        }

    def _compared(
        self, wave: Sequence[_Pair], table: Pairs, pool: ThreadPoolExecutor
    ) -> list[bool]:
        """Tell which pairs are surely copies, by what is known or by looking, and keep the rows."""
        unknown = [pair for pair in wave if pair.left * self._n + pair.right not in self._row_of]
        verdicts = dict(
            zip(unknown, pool.map(lambda pair: self._verify(pair, table), unknown), strict=True)
        )
        self.n_compared += len(unknown)
        return [self._keep(pair, table, verdicts.get(pair)) for pair in wave]

    def _verify(self, pair: _Pair, table: Pairs) -> Verdict:
        cv2.setNumThreads(1)  # the threads are ours
        names = self.names[pair.left], self.names[pair.right]
        known = self._shots.get(names[0]), self._shots.get(names[1])
        return self._verifier.verify(*names, float(table.cosine[pair.row]), known)

    def _keep(self, pair: _Pair, table: Pairs, verdict: Verdict | None) -> bool:
        key = pair.left * self._n + pair.right
        names = self.names[pair.left], self.names[pair.right]
        self._seen.add(key)
        if verdict is None:
            row = self._row_of[key]
            self._taken.append(row)
            is_copy, drift = self._was_copy[row], self._drift[row]
        else:
            self._new.append(_edge(names, table, pair.row, verdict, self._by))
            is_copy, drift = verdict.verdict == "duplicate", round(verdict.fit.drift_px, 4)
        if is_copy:
            self._copies.append((drift, *names))
        # What might be a copy of another shot joins nothing yet, so that the others are still compared with both.
        return is_copy and drift <= self._verifier.limits.blind_drift_px


def _waves(pairs: Iterable[_Pair], joined: _Joined) -> Iterator[list[_Pair]]:
    """Cut the pairs that are worth a look into waves of which no two touch one group.

    A pair whose group is at work waits, and so does every later pair of its groups: so each pair is judged by all
    that comes before it, as if pairs were compared one by one.
    """
    waiting = iter(pairs)
    later: deque[_Pair] = deque()
    while True:
        busy: set[int] = set()
        wave: list[_Pair] = []
        delayed: deque[_Pair] = deque()
        while len(wave) < WAVE and len(delayed) < AHEAD:
            pair = later.popleft() if later else next(waiting, None)
            if pair is None:
                break
            one, two = joined.root(pair.left), joined.root(pair.right)
            if one == two:
                continue
            if one in busy or two in busy:
                delayed.append(pair)
            elif joined.are_rivals(pair, one, two) or joined.tries(one, two):
                wave.append(pair)
            else:
                continue
            busy |= {one, two}
        delayed.extend(later)
        later = delayed
        if not wave and not later:
            return
        yield wave


def _equal_edge(left: str, right: str) -> tuple[object, ...]:
    evidence = 1.0, 0.0, 1.0, "", "pixels"  # detail, drift, overlap, framed, compared_by
    return left, right, "pixels", 0, 1.0, None, 1.0, "duplicate", "identical", *evidence


def _edge(
    names: tuple[str, str], table: Pairs, row: int, verdict: Verdict, by: str
) -> tuple[object, ...]:
    fit = verdict.fit
    return (
        *names,
        "pdq" if table.by_hash[row] else "embedding",
        int(table.bits[row]),
        float(table.cosine[row]),
        fit.inliers,
        round(fit.ncc, 6),
        verdict.verdict,
        CLASSES.get(verdict.verdict),
        round(fit.detail_ncc, 6),
        round(fit.drift_px, 4),
        round(fit.overlap, 4),
        "".join(letter for letter, name in zip("ab", names, strict=True) if name in verdict.framed),
        by,
    )


def _groups(
    pictures: pl.DataFrame, copies: pl.DataFrame, found: Groups, order: tuple[str, ...]
) -> pl.DataFrame:
    """Choose keepers, and name the strongest evidence that ties each member."""
    group_of = {name: each.group_id for each in found.copies for name in each.members}
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
    marked = pictures.with_columns(is_framed=pl.col("asset_sha256").is_in(framed(copies)))
    members = keeper.choose(tied.join(marked, on="asset_sha256"), order)
    return members.select(list(GROUPS)).sort("group_id", "asset_sha256")


def framed(edges: pl.DataFrame) -> list[str]:
    """Name the pictures that turned out to have a frame."""
    said = pl.col("framed")
    one = edges.filter(said.str.contains("a"))["asset_a"]
    return one.append(edges.filter(said.str.contains("b"))["asset_b"]).unique().to_list()
