"""Score the pairs that a program calls copies against the truth of the corpus; for bench_dedupe.py."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.dedupe_corpus import Corpus
from benchmarks.photo_edits import EDITS

Pairs = set[tuple[str, str]]


@dataclass(frozen=True)
class DetectedPairs:
    """The pairs that a program reports as copies, and its CPU seconds."""

    pairs: Pairs
    cpu_s: float
    note: str = ""


@dataclass(frozen=True)
class DetectionScore:
    """Pairwise precision and recall; number of lost photographs; wrong pairs within bursts and with collages."""

    precision: float
    recall: float
    lost: int
    bursts: int
    collages: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def ordered_pair(one: str, two: str) -> tuple[str, str]:
    return (one, two) if one < two else (two, one)


def pairs_within(groups: Iterable[Iterable[str]]) -> Pairs:
    return {ordered_pair(*pair) for each in groups for pair in itertools.combinations(each, 2)}


def score(corpus: Corpus, pairs: Pairs) -> DetectionScore:
    """Compare pairs with the truth, over all pairs of the corpus."""
    truth, edit = corpus.truth, {item.name: item.edit for item in corpus.items}
    right = sum(truth[a] == truth[b] for a, b in pairs)
    wrong = [pair for pair in pairs if truth[pair[0]] != truth[pair[1]]]
    real = sum(n * (n - 1) // 2 for n in Counter(truth.values()).values())
    return DetectionScore(
        precision=right / max(1, len(pairs)),
        recall=right / real,
        lost=lost(truth, pairs),
        bursts=sum({edit[a], edit[b]} == {"burst"} for a, b in wrong),
        collages=sum("collage" in {edit[a], edit[b]} for a, b in wrong),
    )


def lost(truth: Mapping[str, str], pairs: Pairs) -> int:
    """Count the photographs of which no picture remains when one picture of each connected group is kept."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.get(name, name)) != name:
            name = above
        return name

    for a, b in pairs:
        parent[root(a)] = root(b)
    groups = defaultdict(set)
    for name, photograph in truth.items():
        groups[root(name)].add(photograph)
    return sum(len(each) - 1 for each in groups.values())


def count_by_edit(corpus: Corpus, pairs: Pairs) -> dict[str, int]:
    """Count the copies that are paired with their original."""
    return Counter(
        item.edit
        for item in corpus.items
        if item.edit in EDITS and ordered_pair(item.name, item.photograph) in pairs
    )
