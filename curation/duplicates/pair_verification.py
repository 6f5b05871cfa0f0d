"""Verify the candidate pairs of an index, or reuse the verdicts of earlier runs; the results are rows of edges."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import polars as pl

from catalog import track
from curation.duplicates.distinct_shots import Shot, separate_shots
from curation.duplicates.grouping import hubs, missing_pairs
from curation.duplicates.index import CandidatePairs, SimilarityIndex
from curation.duplicates.schedule import WAVE, Candidate, CandidateGroups, waves
from curation.duplicates.verification import Verdict, Verifier
from curation.similarity.fit_measures import Fit

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
"""Columns of `duplicate_edges` without run_id."""

CLASSES = {"duplicate": "copy", "same_scene": "same_scene"}
STRONG_DRIFT_PX, STRONG_DETAIL_NCC, STRONG_OVERLAP = 0.15, 0.95, 0.75  # of strong pairs
APART_INLIERS, APART_OVERLAP, APART_DETAIL_NCC = 60, 0.9, 0.93
APART_DRIFT_PX = (
    0.5,
    3.0,
)  # of two shots of one scene: both agree in all but where their parts lie
ROUNDS = 4  # times that groups are completed by further pairs


class PairVerification:
    """The verified pairs of one search: new verdicts, and those reused from earlier runs."""

    def __init__(
        self,
        index: SimilarityIndex,
        verifier: Verifier,
        earlier_edges: pl.DataFrame | None,
        compared_by: str,
        shots: Mapping[str, Shot],
    ) -> None:
        self.names = index.pictures.names
        self.candidates = index.pairs()
        self.n_compared = 0
        self._shots = shots
        self._copies: list[tuple[float, str, str]] = []  # drift, names
        self._strong: set[tuple[str, str]] = set()
        self._alike: list[tuple[str, str]] = []  # no copies, but their keypoints agree
        self._apart: list[tuple[str, str]] = []  # clearly two shots
        self._index, self._verifier, self._compared_by = index, verifier, compared_by
        self._n = max(1, len(self.names))
        self._place = {name: place for place, name in enumerate(self.names)}
        self._earlier = pl.DataFrame(schema=EDGES) if earlier_edges is None else earlier_edges
        self._row_of = self._rows_of(self._earlier)
        self._was_copy: list[bool] = (self._earlier["verdict"] == "duplicate").to_list()
        self._drift: list[float] = self._earlier["drift_px"].to_list()
        self._detail: list[float] = self._earlier["detail_ncc"].to_list()
        self._overlap: list[float] = self._earlier["overlap"].to_list()
        self._inliers: list[int] = self._earlier["inliers"].fill_null(0).to_list()
        self._reused: list[int] = []  # rows of `_earlier`
        self._new: list[tuple[object, ...]] = []
        self._verified: set[int] = set()

    def verify_candidates(self, pool: ThreadPoolExecutor) -> None:
        """Verify the candidates, closest first, without those whose groups earlier pairs have merged.

        Pairs that share no group are verified in parallel; the result equals that of one after the other.
        """
        groups = CandidateGroups(self.names, self._shots)
        left, right = self.candidates.left.tolist(), self.candidates.right.tolist()
        pairs = (Candidate(i, j, row) for row, (i, j) in enumerate(zip(left, right, strict=True)))
        tracked = track(pairs, "compare candidates", len(left), "pairs")
        for wave in waves(tracked, groups):
            are_copies = self._verify_wave(wave, self.candidates, pool)
            for pair, is_copy in zip(wave, are_copies, strict=True):
                if is_copy:
                    groups.join(pair.left, pair.right)

    def complete_groups(self, pool: ThreadPoolExecutor) -> None:
        """Verify the pairs that would keep together what grouping separates.

        Before that come the hubs of two groups of which any two pictures share many keypoints: a page may be a
        candidate of a toned copy, of which it is no copy, but not of the photograph itself.
        """
        self._verify_pairs(self._hubs_of_alike(), pool)
        for _ in range(ROUNDS):
            if not self._verify_pairs(self._missing_pairs(), pool):
                return

    def _verify_pairs(self, pairs: Iterable[tuple[str, str]], pool: ThreadPoolExecutor) -> bool:
        """Verify those of the pairs that were not verified; say whether there were any."""
        places = [(self._place[a], self._place[b]) for a, b in pairs]
        new = [(i, j) for i, j in places if i * self._n + j not in self._verified]
        if not new:
            return False
        left, right = np.array(new, np.int32).T
        table = self._index.compare(left, right)
        missing = [Candidate(i, j, row) for row, (i, j) in enumerate(new)]
        queue = track(missing, "complete groups", unit="pairs")
        while wave := list(itertools.islice(queue, WAVE)):
            self._verify_wave(wave, table, pool)
        return True

    def copies(self) -> list[tuple[str, str]]:
        """Give the pairs of copies, without those that would put two shots into one group."""
        return separate_shots(self._copies, self._shots, self._apart)

    def strong_copies(self) -> set[tuple[str, str]]:
        """Give the pairs of copies that agree nearly everywhere and pixel by pixel."""
        return self._strong.intersection(self.copies())

    def _missing_pairs(self) -> list[tuple[str, str]]:
        return missing_pairs(self.copies(), self.strong_copies())

    def _hubs_of_alike(self) -> list[tuple[str, str]]:
        hub_of = hubs(self.copies())
        pairs = {(hub_of.get(a, a), hub_of.get(b, b)) for a, b in self._alike}
        return sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})

    def edges(self) -> pl.DataFrame:
        """Give a row for every verified pair, new or reused."""
        new = pl.DataFrame(self._new, schema=EDGES, orient="row")
        reused = self._earlier[self._reused]
        return pl.concat([reused.select(reused[name].cast(EDGES[name]) for name in EDGES), new])

    def _rows_of(self, edges: pl.DataFrame) -> dict[int, int]:
        """Map each pair, as left * n + right, to its row in `edges`."""
        pairs = edges.select("asset_a", "asset_b").iter_rows()
        places = ((self._place.get(a), self._place.get(b)) for a, b in pairs)
        return {
            i * self._n + j: row
            for row, (i, j) in enumerate(places)
            if i is not None and j is not None
        }

    def _verify_wave(
        self, wave: Sequence[Candidate], table: CandidatePairs, pool: ThreadPoolExecutor
    ) -> list[bool]:
        """Say which pairs are certainly copies, by earlier verdicts or new ones, and record the rows."""
        new = [pair for pair in wave if pair.left * self._n + pair.right not in self._row_of]
        verdicts = dict(
            zip(new, pool.map(lambda pair: self._verify(pair, table), new), strict=True)
        )
        self.n_compared += len(new)
        return [self._record(pair, table, verdicts.get(pair)) for pair in wave]

    def _verify(self, pair: Candidate, table: CandidatePairs) -> Verdict:
        cv2.setNumThreads(1)  # the pool of this search has the threads
        names = self.names[pair.left], self.names[pair.right]
        shots = self._shots.get(names[0]), self._shots.get(names[1])
        return self._verifier.verify(*names, float(table.cosine[pair.row]), shots)

    def _record(self, pair: Candidate, table: CandidatePairs, verdict: Verdict | None) -> bool:
        key = pair.left * self._n + pair.right
        names = self.names[pair.left], self.names[pair.right]
        self._verified.add(key)
        if verdict is None:
            row = self._row_of[key]
            self._reused.append(row)
            is_copy, drift = self._was_copy[row], self._drift[row]
            detail, overlap = self._detail[row], self._overlap[row]
            inliers = self._inliers[row]
        else:
            fit = verdict.fit
            self._new.append(_edge(names, table, pair.row, verdict, self._compared_by))
            is_copy, drift = verdict.verdict == "duplicate", round(fit.drift_px, 4)
            detail, overlap = round(fit.detail_ncc, 6), _agreeing_share(fit)
            inliers = fit.inliers
        if is_copy:
            self._copies.append((drift, *names))
            if (
                detail >= STRONG_DETAIL_NCC
                and overlap >= STRONG_OVERLAP
                and drift <= STRONG_DRIFT_PX
            ):
                self._strong.add(names)
        elif inliers >= self._verifier.limits.scene_inliers:
            self._alike.append(names)
            if _are_apart(inliers, drift, detail, overlap):
                self._apart.append(names)
        # A weak copy may be a copy of another shot. It merges no groups yet, so both shots are still compared with it.
        return is_copy and drift <= STRONG_DRIFT_PX


def _are_apart(inliers: int, drift_px: float, detail_ncc: float, overlap: float) -> bool:
    """Say whether two pictures, which are no copies, are clearly two shots: they agree but for what moved."""
    least, most = APART_DRIFT_PX
    is_alike = overlap >= APART_OVERLAP and detail_ncc >= APART_DETAIL_NCC
    return is_alike and inliers >= APART_INLIERS and least <= drift_px <= most


def _agreeing_share(fit: Fit) -> float:
    """Give the share of the larger picture that both show, without what is drawn over it."""
    return round(fit.overlap * (1 - fit.overlay_share), 4)


def equal_edge(left: str, right: str) -> tuple[object, ...]:
    """Make the row of `EDGES` of two pictures with equal pixels."""
    evidence = 1.0, 0.0, 1.0, "", "pixels"  # detail, drift, overlap, framed, compared_by
    return left, right, "pixels", 0, 1.0, None, 1.0, "duplicate", "identical", *evidence


def _edge(
    names: tuple[str, str], table: CandidatePairs, row: int, verdict: Verdict, compared_by: str
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
        _agreeing_share(fit),
        "".join(letter for letter, name in zip("ab", names, strict=True) if name in verdict.framed),
        compared_by,
    )
