"""One person at one task: what was said, the model of it, and the pictures that come next. Not safe for threads."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from catalog.lake.judgements import AGAIN, RANDOM, Judgement
from catalog.web.labelling.agreement import latest_of
from catalog.web.labelling.candidates import Candidates
from catalog.web.labelling.order import Shown, first_queue, queue
from catalog.web.labelling.taste_model import Shares, TasteModel, fit

RETRAIN_EVERY = 8
"""Labels after which the model is fitted anew."""
FEWEST = 8
"""Labels before the first model."""
REPEAT_AFTER = 10
"""Judgements between a picture and its repeat."""


@dataclass(frozen=True)
class Order:
    """The pictures that come next: number of the order, labels that it was learnt from, places with reasons."""

    number: int = 0
    learnt_from: int = 0
    shown: tuple[Shown, ...] = ()
    model: TasteModel | None = None
    shares: Shares | None = None


@dataclass
class LabelledTask:
    """What one person said at one task; `judgements` are in force, oldest first, those of all people."""

    task: str
    by: str
    candidates: Candidates
    judgements: list[Judgement]
    order: Order = field(default_factory=Order)

    @property
    def labels(self) -> dict[str, str]:
        """The last label of each picture."""
        return latest_of(self.judgements, self.by)

    @property
    def counts(self) -> dict[str, int]:
        """Labelled pictures by class."""
        return dict(sorted(Counter(self.labels.values()).items()))

    def is_due(self) -> bool:
        """Say whether a new order is to be made: the first one, after some labels, or when all were shown."""
        if not self.order.number or not self.upcoming(1):
            return True
        learnt, n = self.order.learnt_from, len(self.labels)
        return self.candidates.has_vectors and n >= FEWEST and n - learnt >= RETRAIN_EVERY

    def reordered(self) -> Order:
        """Fit the model to the labels and order the pictures; takes a moment and changes nothing."""
        labels, rng = self.labels, self._generator()
        place_of = {sha: place for place, sha in enumerate(self.candidates.pictures)}
        learnt = [(place_of[sha], label) for sha, label in labels.items() if sha in place_of]
        free = [place for sha, place in place_of.items() if sha not in labels]
        vectors, number = self.candidates.vectors, self.order.number + 1
        model = None
        if self.candidates.has_vectors and len(learnt) >= FEWEST:
            model = fit(vectors[[place for place, _ in learnt]], [label for _, label in learnt])
        if model is None:
            shown = first_queue(vectors, free, rng)
            return Order(number, 0, tuple(shown))
        shares = model.probabilities(vectors)
        again = [place_of[sha] for sha in self._repeatable() if sha in place_of]
        shown = queue(vectors, shares, free, again, rng)
        return Order(number, len(labels), tuple(shown), model, shares)

    def upcoming(self, most: int) -> list[Shown]:
        """Return the next places of the order that were not labelled since it was made."""
        labels, asked_again = self.labels, self._repeated()
        pictures = self.candidates.pictures
        waiting = [
            each for each in self.order.shown
            if (pictures[each.place] not in (asked_again if each.why == AGAIN else labels))
        ]  # fmt: skip
        return waiting[:most]

    def expected(self, place: int) -> dict[str, float] | None:
        """Return the probabilities of the classes of a place, as the current model sees them."""
        order = self.order
        if order.model is None or order.shares is None:
            return None
        return dict(zip(order.model.classes, order.shares[place].tolist(), strict=True))

    def about(self, picture: str, value: str) -> dict[str, str | float | None]:
        """Return why a picture was shown, and what the model expected of it."""
        place = self._place(picture)
        why = next((each.why for each in self.order.shown if each.place == place), RANDOM)
        is_again = picture in self.labels
        expected = None if place is None or is_again else self.expected(place)
        return {
            "shown_as": AGAIN if is_again else why,
            "predicted": max(expected, key=expected.__getitem__) if expected else None,
            "probability": round(expected.get(value, 0.0), 4) if expected else None,
        }

    def _place(self, picture: str) -> int | None:
        pictures = self.candidates.pictures
        return pictures.index(picture) if picture in pictures else None

    def _own(self) -> list[Judgement]:
        return [each for each in self.judgements if each.judged_by == self.by]

    def _repeated(self) -> set[str]:
        counts = Counter(each.asset_sha256 for each in self._own())
        return {sha for sha, n in counts.items() if n > 1}

    def _repeatable(self) -> Sequence[str]:
        """Name pictures to show again: labelled once, some time ago, the oldest first."""
        repeated = self._repeated()
        old = [each.asset_sha256 for each in self._own()[:-REPEAT_AFTER]]
        return [sha for sha in dict.fromkeys(old) if sha not in repeated]

    def _generator(self) -> np.random.Generator:
        seed = zlib.crc32(f"{self.task}\n{self.by}".encode())
        return np.random.default_rng((seed, len(self.labels), self.order.number))
