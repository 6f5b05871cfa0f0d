"""The order in which candidate pairs are verified: in waves of pairs that share no group.

The result of the waves equals that of verifying one pair after the other. Two groups are compared by all of their
candidate pairs: a limit would let an added picture use up the tries of a pair that an earlier run has verified.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from curation.duplicates.distinct_shots import Shot, are_distinct_shots

WAVE = 32  # pairs verified in parallel
MAX_DELAYED = 512  # pairs that may wait for earlier ones while a wave is filled


@dataclass(frozen=True)
class Candidate:
    """A candidate pair, by places in the index."""

    left: int
    right: int
    row: int  # in the `CandidatePairs` it comes from


class CandidateGroups:
    """Groups of pictures as a union-find.

    Two groups that contain different shots are never merged; candidate pairs between them are still verified, and
    `separate_shots` picks among the results.
    """

    def __init__(self, names: Sequence[str], shots: Mapping[str, Shot]) -> None:
        self._parent = list(range(len(names)))
        self._shots = {place: {shots[n]} for place, n in enumerate(names) if n in shots}

    def root(self, place: int) -> int:
        """Give the place that stands for the group of a picture."""
        parent = self._parent
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    def join(self, left: int, right: int) -> None:
        """Merge the groups of two pictures, unless they contain different shots."""
        one, two = sorted((self.root(left), self.root(right)))
        if self._hold_distinct_shots(one, two):
            return
        self._parent[two] = one
        if both := self._shots.get(one, set()) | self._shots.get(two, set()):
            self._shots[one] = both

    def _hold_distinct_shots(self, one: int, two: int) -> bool:
        shots_one, shots_two = self._shots.get(one, set()), self._shots.get(two, set())
        return any(are_distinct_shots(a, b) for a in shots_one for b in shots_two)


def waves(candidates: Iterable[Candidate], groups: CandidateGroups) -> Iterator[list[Candidate]]:
    """Cut the pairs that need verification into waves in which no two pairs share a group.

    A pair whose group is in the current wave waits, and so does every later pair of its groups. Each pair is therefore
    judged after all pairs before it, as if pairs were verified one by one.
    """
    remaining = iter(candidates)
    later: deque[Candidate] = deque()
    while True:
        busy: set[int] = set()
        wave: list[Candidate] = []
        delayed: deque[Candidate] = deque()
        while len(wave) < WAVE and len(delayed) < MAX_DELAYED:
            pair = later.popleft() if later else next(remaining, None)
            if pair is None:
                break
            one, two = groups.root(pair.left), groups.root(pair.right)
            if one == two:
                continue
            if one in busy or two in busy:
                delayed.append(pair)
            else:
                wave.append(pair)
            busy |= {one, two}
        delayed.extend(later)
        later = delayed
        if not wave and not later:
            return
        yield wave
