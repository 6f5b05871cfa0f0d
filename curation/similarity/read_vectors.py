"""Read embeddings from the catalog as compact vectors, in one pass over the table."""

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
MAX_BY_NAME = 8192  # pictures that are selected by name in SQL; for more the whole table is read


def read_compact(
    catalog: Catalog, model_id: str, names: Sequence[str]
) -> tuple[list[str], Compact]:
    """Read the vectors of these pictures, sorted by name, (N, 256); pictures without one are left out."""
    requested = pl.DataFrame({"asset_sha256": names}, {"asset_sha256": pl.String})
    by_name = (VECTORS, (model_id, list(names)))
    names_read: list[str] = []
    parts = [np.zeros((0, DIM), np.int8)]
    for batch in catalog.batches(*(by_name if len(names) <= MAX_BY_NAME else (_ALL, (model_id,)))):
        part = pl.DataFrame(pl.from_arrow(batch)).join(requested, on="asset_sha256", how="semi")
        if part.is_empty():
            continue
        names_read += part["asset_sha256"].to_list()
        flat = part["vector"].explode().to_numpy()
        parts.append(compact(flat.reshape(part.height, -1).astype(np.float32, copy=False)))
    order = sorted(range(len(names_read)), key=names_read.__getitem__)
    return [names_read[row] for row in order], np.concatenate(parts)[order]
