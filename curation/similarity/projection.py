"""Project vectors to two dimensions, for a map that people look at.

PCA keeps the two directions in which the pictures differ most: quick, repeatable, and far apart on the map is far apart
in fact. UMAP (McInnes, Healy and Melville, 2018) keeps neighbours together and separates groups better, but takes
minutes for 100,000 pictures, and distances between groups mean nothing. It needs the extra `map`.
"""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from catalog import EmbeddingMethod, MissingPartError
from curation.similarity.neighbours import Compact

Reals = NDArray[np.float32]

BLOCK = 16_384  # rows that are multiplied at once
FEWEST_FOR_UMAP = 8  # pictures below which UMAP has no neighbours to keep


def projection_methods() -> tuple[EmbeddingMethod, ...]:
    """Name the methods that are installed here, the default one first."""
    return ("pca", "umap") if find_spec("umap") else ("pca",)


def project(vectors: Compact, method: EmbeddingMethod) -> tuple[Reals, tuple[float, ...]]:
    """Project compact vectors (N, 256) to (N, 2); also give the shares of variance of both axes, empty for UMAP.

    Raises `MissingPartError` for a method that is not installed.
    """
    if method not in projection_methods():
        raise MissingPartError("umap-learn", "map")
    if method == "umap" and len(vectors) >= FEWEST_FOR_UMAP:
        return _by_umap(vectors), ()
    return project_on_axes(vectors)


def project_on_axes(vectors: Compact) -> tuple[Reals, tuple[float, ...]]:
    """Project on the two principal axes; the largest entry of each axis is positive, so that the map does not flip.

    >>> places, shares = project_on_axes(np.array([[0, 0, 0], [4, 0, 0], [0, 2, 0], [4, 2, 0]], np.int8))
    >>> places.tolist(), [round(share, 2) for share in shares]
    ([[-2.0, -1.0], [2.0, -1.0], [-2.0, 1.0], [2.0, 1.0]], [0.8, 0.2])
    """
    if not len(vectors):
        return np.zeros((0, 2), np.float32), ()
    blocks = [slice(start, start + BLOCK) for start in range(0, len(vectors), BLOCK)]
    centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    dim = vectors.shape[1]
    covariance = np.zeros((dim, dim), np.float64)
    for block in blocks:
        centred = vectors[block].astype(np.float32) - centre
        covariance += centred.T @ centred
    variances, directions = np.linalg.eigh(covariance)
    axes = directions[:, ::-1][:, :2]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, [0, 1]] < 0, -1.0, 1.0)
    places = [
        (vectors[block].astype(np.float32) - centre) @ axes.astype(np.float32) for block in blocks
    ]
    total = float(variances.sum()) or 1.0
    shares = tuple(float(max(share, 0.0)) / total for share in variances[::-1][:2])
    return np.concatenate(places), shares


def _by_umap(vectors: Compact) -> Reals:
    reducer = import_module("umap").UMAP(
        n_components=2,
        n_neighbors=min(15, len(vectors) - 1),
        metric="cosine",
        random_state=0,
        n_jobs=1,  # with a seed it uses one anyway, and warns
    )
    return np.asarray(reducer.fit_transform(vectors.astype(np.float32)), np.float32)
