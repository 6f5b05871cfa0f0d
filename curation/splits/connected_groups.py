"""Connected components of pictures that share a key or an edge."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Key = tuple[str, ...]
"""Something that pictures share: ("camera", "nikon d90")."""


def component_ids(
    pictures: Sequence[str],
    keys: Iterable[tuple[str, Key]] = (),
    edges: Iterable[tuple[str, str]] = (),
) -> dict[str, str]:
    """Name the component of each picture by its smallest member; independent of any order.

    `keys` are (picture, key) pairs: all pictures with the same key are connected. `edges` are pairs of
    pictures. Pairs with a picture outside `pictures` are ignored.

    >>> component_ids(["a", "b", "c"], edges=[("b", "c")])
    {'a': 'a', 'b': 'b', 'c': 'b'}
    """
    place = {picture: index for index, picture in enumerate(pictures)}
    nodes: dict[Key, int] = {}
    links = [(place[a], place[b]) for a, b in edges if a in place and b in place]
    for picture, key in keys:
        if picture in place:
            links.append((place[picture], nodes.setdefault(key, len(place) + len(nodes))))
    labels = _labels(len(place) + len(nodes), links)[: len(place)]
    in_order = np.array(sorted(range(len(pictures)), key=pictures.__getitem__), np.int64)
    of_label, first = np.unique(labels[in_order], return_index=True)
    smallest = np.empty(int(of_label.max(initial=-1)) + 1, np.int64)
    smallest[of_label] = in_order[first]
    return {
        picture: pictures[row]
        for picture, row in zip(pictures, smallest[labels].tolist(), strict=True)
    }


def _labels(n_nodes: int, links: list[tuple[int, int]]) -> NDArray[np.int64]:
    ends = np.asarray(links, dtype=np.int64).reshape(-1, 2)
    matrix = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n_nodes, n_nodes))
    return np.asarray(connected_components(matrix, directed=False)[1], np.int64)
