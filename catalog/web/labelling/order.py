"""Which picture comes next: the least certain ones of the model, mixed with random ones and repeats.

Of ten pictures about seven are uncertain, two are random and one is shown again. Random pictures measure the model
without the bias of its own choice, and repeats measure how far a person agrees with himself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalog.lake.judgements import AGAIN, FIRST, RANDOM, UNCERTAIN
from catalog.web.labelling.candidates import Vectors
from catalog.web.labelling.taste_model import Shares

QUEUE = 30
"""Pictures that are ordered ahead."""
_MIX = 10
_RANDOM_AT, _AGAIN_AT = (4, 9), 7
_LOOKED_AT = 400  # of the least certain pictures, among which different ones are chosen
_ALIKE = 0.9  # cosine from which two pictures teach the same


@dataclass(frozen=True)
class Shown:
    """A place in the candidates, and why it is shown."""

    place: int
    why: str


def first_queue(vectors: Vectors, free: Sequence[int], rng: np.random.Generator) -> list[Shown]:
    """Order pictures before there is a model: each as far as possible from those before it, among a random sample."""
    chosen = rng.permutation(np.asarray(free, np.int64))[:_LOOKED_AT]
    if vectors.shape[1] and len(chosen):
        chosen = chosen[_farthest_first(vectors[chosen], QUEUE)]
    return [Shown(int(place), FIRST) for place in chosen[:QUEUE]]


def queue(
    vectors: Vectors,
    shares: Shares,
    free: Sequence[int],
    again: Sequence[int],
    rng: np.random.Generator,
) -> list[Shown]:
    """Order the places `free` by the probabilities (N, C) of all, mixed with random ones and with those of `again`."""
    uncertain = _different(vectors, _least_certain(shares, free), QUEUE)
    rest = [
        place for place in rng.permutation(np.asarray(free, np.int64)) if place not in uncertain
    ]
    sources = {
        UNCERTAIN: [int(place) for place in uncertain],
        RANDOM: [int(place) for place in rest],
        AGAIN: list(again),
    }
    made: list[Shown] = []
    while len(made) < QUEUE and (sources[UNCERTAIN] or sources[RANDOM]):
        place_in_mix = len(made) % _MIX
        wanted = AGAIN if place_in_mix == _AGAIN_AT else UNCERTAIN
        wanted = RANDOM if place_in_mix in _RANDOM_AT else wanted
        why = next(each for each in (wanted, UNCERTAIN, RANDOM) if sources[each])
        made.append(Shown(sources[why].pop(0), why))
    return made


def _least_certain(shares: Shares, free: Sequence[int]) -> np.ndarray:
    """Return free places by the distance of the two likeliest classes, the smallest first."""
    places = np.asarray(free, np.int64)
    best = np.sort(shares[places], axis=1)
    return places[np.argsort(best[:, -1] - best[:, -2], kind="stable")][:_LOOKED_AT]


def _different(vectors: Vectors, places: np.ndarray, most: int) -> list[int]:
    """Take places in their order, and leave out those that look like one before them."""
    lengths = np.linalg.norm(vectors[places], axis=1, keepdims=True)
    units = vectors[places] / np.maximum(lengths, 1e-9)
    taken: list[int] = []
    for row in range(len(places)):
        if len(taken) == most:
            break
        if not taken or float((units[taken] @ units[row]).max()) < _ALIKE:
            taken.append(row)
    return [int(places[row]) for row in taken]


def _farthest_first(vectors: Vectors, most: int) -> list[int]:
    """Return rows, each the farthest from all rows before it; the first one stays the first."""
    taken = [0]
    distance = np.square(vectors - vectors[0]).sum(axis=1)
    while len(taken) < min(most, len(vectors)):
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, np.square(vectors - vectors[taken[-1]]).sum(axis=1))
    return taken
