"""Tell whether the larger of two aligned pictures shows another photograph beside the smaller one.

Boosted trees on the 18 measures of `beside_measures.py` decide, learnt from pages, tables, frames, crops and collages
that `benchmarks/fit_beside.py` makes of photographs; `photograph_beside.json` holds them and says how well they do.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curation.similarity.beside.beside_measures import BesideMeasures

TREES = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class BoostedTrees:
    """Decision trees whose answers are summed, as `sklearn.ensemble.GradientBoostingClassifier` makes them.

    All arrays have the shape (trees, nodes): the measure that a node asks for (-1: a leaf), its threshold, the nodes
    where the measure is at most that and above it, and what a leaf adds to `start`.
    """

    measure: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    start: float

    @classmethod
    def load(cls, path: Path = TREES) -> "BoostedTrees":
        """Read the trees from JSON: "start", and for each tree the five lists of its nodes."""
        content = json.loads(path.read_text("utf-8"))
        trees = content["trees"]
        n_nodes = max(len(tree["measure"]) for tree in trees)

        def padded(name: str, filler: float) -> list[list[float]]:
            return [tree[name] + [filler] * (n_nodes - len(tree[name])) for tree in trees]

        return cls(
            np.array(padded("measure", -1), np.int64),
            np.array(padded("threshold", 0), np.float64),
            np.array(padded("left", 0), np.int64),
            np.array(padded("right", 0), np.int64),
            np.array(padded("value", 0), np.float64),
            float(content["start"]),
        )

    def log_odds(self, measures: NDArray[np.float64]) -> float:
        """Sum the leaves that measures, shape (M,), lead to."""
        trees = np.arange(len(self.measure))
        node = np.zeros(len(trees), np.int64)
        while (asked := self.measure[trees, node]).max() >= 0:
            is_low = measures[asked] <= self.threshold[trees, node]
            below = np.where(is_low, self.left[trees, node], self.right[trees, node])
            node = np.where(asked >= 0, below, node)
        return self.start + float(self.value[trees, node].sum())


@lru_cache
def _trees() -> BoostedTrees:
    return BoostedTrees.load()


def photograph_beside(measures: BesideMeasures) -> float:
    """Give the log-odds that another photograph lies beside; below 0 it is rather a page, a frame or the same one."""
    return _trees().log_odds(measures.vector())
