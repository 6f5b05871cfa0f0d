"""Search the pictures of a catalog for copies, with what earlier runs left: the similarity index and compared pairs.

Only pictures that are new since the last run are compared with all, and only pairs that no run has compared are looked
at. The outcome is that of a first run over the same pictures.
"""

import hashlib
import itertools
import json
import logging
from collections.abc import Iterable
from datetime import datetime

import numpy as np
import polars as pl

from catalog import Catalog
from curation.duplicates.grouping import Group
from curation.duplicates.index import Descriptors, IndexFolder, SimilarityIndex
from curation.duplicates.limits import DuplicateLimits
from curation.duplicates.search import Duplicates, LoadPixels, compare, distinct
from curation.reading import frame
from curation.similarity.pdq import from_hex
from curation.similarity.read_vectors import read_compact

log = logging.getLogger(__name__)

DETECTOR = "duplicates@2"
NAMED = 20  # members of a boilerplate group that an issue names

_EMBEDDED = "SELECT asset_sha256 FROM embeddings WHERE model_id = ?"
_COMPARED = """
    SELECT * EXCLUDE (run_id) FROM duplicate_edges WHERE compared_by = ?
    QUALIFY row_number() OVER (PARTITION BY asset_a, asset_b ORDER BY run_id) = 1
    ORDER BY asset_a, asset_b
"""


def find_in_catalog(
    catalog: Catalog,
    pictures: pl.DataFrame,
    load: LoadPixels,
    *,
    made_by: tuple[str, str],
    limits: DuplicateLimits | None = None,
) -> tuple[Duplicates, SimilarityIndex]:
    """Find the copies among `pictures`, which has the columns that `find_duplicates` wants but for the vector.

    `made_by` is the model of the vectors and the stage of the hashes. Reads and writes the index below `derived/`,
    which may be deleted at any time, and gives it as it is now.
    """
    limits = limits or DuplicateLimits()
    index = _index(catalog, distinct(pictures), limits, made_by)
    by = limits.compared_by(made_by[0])
    known = frame(catalog, _COMPARED, (by,))
    return compare(pictures, index, load, limits, earlier_edges=known, compared_by=by), index


def _index(
    catalog: Catalog, pictures: pl.DataFrame, limits: DuplicateLimits, made_by: tuple[str, str]
) -> SimilarityIndex:
    """Bring the stored index up to date with `pictures`, and store it if it changed."""
    folder = IndexFolder(catalog.workspace.home, limits.candidates.key(*made_by), limits.candidates)
    before = folder.load()
    embedded = frame(catalog, _EMBEDDED, made_by[:1])
    pictures = pictures.join(embedded, on="asset_sha256", how="semi").sort("asset_sha256")
    old = pl.DataFrame({"asset_sha256": before.pictures.names}, {"asset_sha256": pl.String})
    new = pictures.join(old, on="asset_sha256", how="anti").sort("asset_sha256")
    gone = old.join(pictures, on="asset_sha256", how="anti")["asset_sha256"].to_list()
    if new.is_empty() and not gone:
        return before
    after = before.updated(_described(catalog, new, made_by[0]), gone)
    folder.save(after)
    log.info("index: %d pictures before, %d new, %d gone", old.height, new.height, len(gone))
    return after


def _described(catalog: Catalog, pictures: pl.DataFrame, model_id: str) -> Descriptors:
    """Describe the pictures that have an embedding."""
    names, vectors = read_compact(catalog, model_id, pictures["asset_sha256"].to_list())
    pictures = pictures.filter(pl.col("asset_sha256").is_in(names)).sort("asset_sha256")
    return Descriptors(
        names,
        vectors,
        from_hex(pictures["value"].to_list()),
        pictures["quality"].fill_null(0).to_numpy().astype(np.int8),
    )


def issues(found: Duplicates, run_id: str, at: datetime) -> list[dict[str, object]]:
    """Write what people must look at as rows of `issues`: bridges between groups, and boilerplate."""
    bridges = (
        (each.picture, "bridged_groups", 0.5, {"pieces": list(each.pieces)})
        for each in found.bridges
    )
    boilerplate = (
        (
            each.hub,
            "boilerplate",
            0.8,
            {"n": len(each.members), "first": list(each.members[:NAMED])},
        )
        for each in found.boilerplate
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


def boilerplate_notes(groups: Iterable[Group]) -> dict[str, str]:
    """Name, for each member of boilerplate, the member that most others resemble."""
    return {name: each.hub for each in groups for name in each.members}


def _issue_id(sha: str, kind: str, detail: object) -> str:
    """Name an issue: a bridge between other pieces is another one, boilerplate that grows is the same."""
    what = json.dumps(detail) if kind == "bridged_groups" else ""
    return hashlib.sha256("\n".join([sha, kind, DETECTOR, what]).encode()).hexdigest()[:32]
