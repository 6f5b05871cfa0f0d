"""Read embeddings out of the catalog as compact vectors, in one pass over the table, however many there are."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from catalog import Catalog
from curation.similarity.neighbours import DIM, Compact, compact

VECTORS = """
    SELECT asset_sha256, vector FROM embeddings
    WHERE model_id = ? AND asset_sha256 IN (SELECT unnest(?::VARCHAR[]))
"""
_ALL = "SELECT asset_sha256, vector FROM embeddings WHERE model_id = ?"
FEW = 8192  # pictures that are asked for by name


def read_compact(
    catalog: Catalog, model_id: str, names: Sequence[str]
) -> tuple[list[str], Compact]:
    """Read the vectors of these pictures, sorted by name, (N, 256); pictures without one are left out."""
    wanted = pl.DataFrame({"asset_sha256": names}, {"asset_sha256": pl.String})
    by_name = (VECTORS, (model_id, list(names)))
    found: list[str] = []
    parts = [np.zeros((0, DIM), np.int8)]
    for batch in catalog.batches(*(by_name if len(names) <= FEW else (_ALL, (model_id,)))):
        some = pl.DataFrame(pl.from_arrow(batch)).join(wanted, on="asset_sha256", how="semi")
        if some.is_empty():
            continue
        found += some["asset_sha256"].to_list()
        flat = some["vector"].explode().to_numpy()
        parts.append(compact(flat.reshape(some.height, -1).astype(np.float32, copy=False)))
    order = sorted(range(len(found)), key=found.__getitem__)
    return [found[row] for row in order], np.concatenate(parts)[order]
