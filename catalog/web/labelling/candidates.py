"""The pictures that people may label, and the vectors that the model of their taste sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.lake.lake import Catalog

Vectors = NDArray[np.float32]

MOST_PICTURES = 50_000
"""Candidates of one workspace; of more, a sample by hash."""
AXES = 128
"""Principal axes of the vectors that are used: few labels cannot teach more."""
_SAMPLE = 2_000  # pictures from which the axes are estimated
# Pictures that a run dropped only because they have no label or setting yet are wanted here.
_PICTURES = """
    SELECT sha256 FROM assets WHERE coalesce(mime, 'image/') LIKE 'image/%' AND sha256 NOT IN (
        SELECT asset_sha256 FROM decisions WHERE run_id = (SELECT run_id FROM v_runs WHERE is_current)
        AND decision = 'drop' AND reason NOT IN ('no_label', 'no_usable_setting') AND asset_sha256 IS NOT NULL)
    ORDER BY md5(sha256) LIMIT ?
"""
_MODEL = """
    SELECT model_id FROM embeddings WHERE asset_sha256 IN (SELECT unnest(?::VARCHAR[]))
    GROUP BY model_id ORDER BY count(*) DESC, model_id LIMIT 1
"""
_VECTORS = "SELECT asset_sha256, vector FROM embeddings WHERE model_id = ?"


@dataclass(frozen=True)
class Candidates:
    """Pictures (N,) in an order by hash, with vectors (N, D); D is 0 where curation has not embedded them yet."""

    pictures: tuple[str, ...]
    vectors: Vectors

    @property
    def has_vectors(self) -> bool:
        """Whether a model can learn from them."""
        return bool(self.vectors.shape[1])


def read_candidates(catalog: Catalog, most: int = MOST_PICTURES) -> Candidates:
    """Read the pictures with vectors; without any vectors all pictures."""
    listed = [str(row["sha256"]) for row in catalog.records(_PICTURES, [most])]
    models = catalog.records(_MODEL, [listed])
    if not models:
        return Candidates(tuple(listed), np.zeros((len(listed), 0), np.float32))
    places, parts = _read_vectors(catalog, str(models[0]["model_id"]), listed)
    order = np.argsort(places)
    pictures = tuple(listed[places[row]] for row in order)
    return Candidates(pictures, on_main_axes(np.concatenate(parts)[order]))


def _read_vectors(
    catalog: Catalog, model_id: str, listed: Sequence[str]
) -> tuple[list[int], list[Vectors]]:
    place_of = {name: place for place, name in enumerate(listed)}
    places: list[int] = []
    parts: list[Vectors] = []
    for batch in catalog.batches(_VECTORS, [model_id]):
        names = batch["asset_sha256"].to_pylist()
        flat = np.asarray(batch["vector"].flatten(), np.float32).reshape(len(names), -1)
        rows = [row for row, name in enumerate(names) if name in place_of]
        places += [place_of[names[row]] for row in rows]
        parts.append(flat[rows])
    return places, parts


def on_main_axes(vectors: Vectors, axes: int = AXES) -> Vectors:
    """Project vectors (N, D) on their first principal axes, (N, at most `axes`), scaled to a mean square of 1."""
    sample = vectors[:: max(1, len(vectors) // _SAMPLE)]
    centre = sample.mean(axis=0)
    covariance = (sample - centre).T @ (sample - centre) / max(len(sample) - 1, 1)
    _, directions = np.linalg.eigh(covariance.astype(np.float64))
    chosen = directions[:, ::-1][:, :axes].astype(np.float32)
    projected = (vectors - centre) @ chosen
    scale = float(np.sqrt((projected**2).mean())) or 1.0
    return np.ascontiguousarray(projected / scale, np.float32)
