"""Find copies among the pictures of a catalog, with the stored similarity index and the verdicts of earlier runs.

Only pictures that are new since the last run are compared with all others, and only pairs without an earlier verdict
are verified. The result equals that of a first run over the same pictures.
"""

import hashlib
import itertools
import json
import logging
from collections.abc import Iterable
from datetime import datetime

import numpy as np
import polars as pl

from catalog import Catalog, progress_task
from curation.duplicates.grouping import Group
from curation.duplicates.index import Descriptors, IndexFolder, SimilarityIndex
from curation.duplicates.limits import DuplicateLimits
from curation.duplicates.search import Duplicates, compare, distinct
from curation.duplicates.verification import Verifier
from curation.reading import frame
from curation.similarity.pdq import from_hex
from curation.similarity.picture_features import FeatureCache
from curation.similarity.read_vectors import read_compact

log = logging.getLogger(__name__)

DETECTOR = "duplicates@2"
MAX_NAMED = 20  # members of a boilerplate group that an issue names

_EMBEDDED = "SELECT asset_sha256 FROM embeddings WHERE model_id = ?"
_COMPARED = """
    SELECT * EXCLUDE (run_id) FROM duplicate_edges WHERE compared_by = ?
    QUALIFY row_number() OVER (PARTITION BY asset_a, asset_b ORDER BY run_id) = 1
    ORDER BY asset_a, asset_b
"""


def find_catalog_duplicates(
    catalog: Catalog,
    pictures: pl.DataFrame,
    features: FeatureCache,
    *,
    made_by: tuple[str, str],
    limits: DuplicateLimits | None = None,
) -> tuple[Duplicates, SimilarityIndex]:
    """Find the copies among `pictures`, which has the columns of `find_duplicates` without the vector.

    `made_by` is the model of the vectors and the stage of the hashes. Reads and writes the index below `derived/`,
    which may be deleted at any time, and returns the updated index.
    """
    limits = limits or DuplicateLimits()
    index = _updated_index(catalog, distinct(pictures), limits, made_by)
    compared_by = limits.compared_by(made_by[0])
    earlier_edges = frame(catalog, _COMPARED, (compared_by,))
    verifier = Verifier(features, limits.verification)
    return compare(
        pictures, index, verifier, limits, earlier_edges=earlier_edges, compared_by=compared_by
    ), index


def _updated_index(
    catalog: Catalog, pictures: pl.DataFrame, limits: DuplicateLimits, made_by: tuple[str, str]
) -> SimilarityIndex:
    """Update the stored index to `pictures`, and store it if it changed."""
    folder = IndexFolder(catalog.workspace.home, limits.candidates.key(*made_by), limits.candidates)
    stored = folder.load()
    embedded = frame(catalog, _EMBEDDED, made_by[:1])
    pictures = pictures.join(embedded, on="asset_sha256", how="semi").sort("asset_sha256")
    indexed = pl.DataFrame({"asset_sha256": stored.pictures.names}, {"asset_sha256": pl.String})
    new = pictures.join(indexed, on="asset_sha256", how="anti").sort("asset_sha256")
    removed = indexed.join(pictures, on="asset_sha256", how="anti")["asset_sha256"].to_list()
    if new.is_empty() and not removed:
        return stored
    with progress_task("similarity index"):
        updated = stored.updated(_descriptors(catalog, new, made_by[0]), removed)
        folder.save(updated)
    log.info("index: %d pictures before, %d new, %d gone", indexed.height, new.height, len(removed))
    return updated


def _descriptors(catalog: Catalog, pictures: pl.DataFrame, model_id: str) -> Descriptors:
    """Make the descriptors of the pictures that have an embedding."""
    names, vectors = read_compact(catalog, model_id, pictures["asset_sha256"].to_list())
    pictures = pictures.filter(pl.col("asset_sha256").is_in(names)).sort("asset_sha256")
    return Descriptors(
        names,
        vectors,
        from_hex(pictures["value"].to_list()),
        pictures["quality"].fill_null(0).to_numpy().astype(np.int8),
    )


def issue_rows(duplicates: Duplicates, run_id: str, at: datetime) -> list[dict[str, object]]:
    """Make the rows of `issues` for people to review: bridges between groups, and boilerplate."""
    bridges = (
        (each.picture, "bridged_groups", 0.5, {"pieces": list(each.pieces)})
        for each in duplicates.bridges
    )
    boilerplate = (
        (
            each.hub,
            "boilerplate",
            0.8,
            {"n": len(each.members), "first": list(each.members[:MAX_NAMED])},
        )
        for each in duplicates.boilerplate
    )
    return [
        {
            "issue_id": _issue_id(sha, kind, detail),
            "asset_sha256": sha,
            "kind": kind,
            "severity": severity,
            "detail": json.dumps(detail),
            "detector": DETECTOR,
            "run_id": run_id,
            "created_at": at,
        }
        for sha, kind, severity, detail in itertools.chain(bridges, boilerplate)
    ]


def boilerplate_hubs(groups: Iterable[Group]) -> dict[str, str]:
    """Map each member of a boilerplate group to the hub of its group."""
    return {name: each.hub for each in groups for name in each.members}


def _issue_id(sha: str, kind: str, detail: object) -> str:
    """Make the id of an issue. A bridge of other pieces is another issue; boilerplate that grows is the same issue."""
    what = json.dumps(detail) if kind == "bridged_groups" else ""
    return hashlib.sha256("\n".join([sha, kind, DETECTOR, what]).encode()).hexdigest()[:32]
