"""Compare the kept pictures of a catalog by content: ties for splitting, and pairs that leak across a split.

Results are rows of `duplicate_edges` with a `compared_by` of their own, so a later run compares only new pairs.
"""

import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import Catalog
from curation.duplicates.index import SimilarityIndex
from curation.duplicates.pair_verification import EDGES
from curation.reading import frame
from curation.similarity.neighbours import Compact, compact
from curation.similarity.picture_features import FeatureCache
from curation.splits.closest_pairs import Vectors
from curation.splits.shared_content import (
    LEAK_INLIERS,
    PART_INLIERS,
    ContentComparison,
    Pair,
    SharedContent,
    across,
    neighbour_pairs,
    pairs_across,
    part_pairs,
)
from curation.stages.embeddings import Embedder, Embedding, PartEmbedder
from curation.stages.engine import BATCH_ROWS

log = logging.getLogger(__name__)

VERSION = "content@1"
PART = "part"
"""The `edge_class` of two pictures that share content: it ties them for splitting, and drops neither."""
MAX_PICTURES = 20_000  # more are not compared: the search would cost more than that for copies
MAX_STORED = 50  # pairs in the detail of a row of `split_leaks`
THUMBNAIL_PX = 288
_KNOWN = """
    SELECT asset_a, asset_b, any_value(inliers), bool_or(found_by = 'part') FROM duplicate_edges
    WHERE compared_by = ? AND inliers IS NOT NULL GROUP BY ALL
"""


@dataclass(frozen=True)
class ContentAudit:
    """The kept pictures by name with their compact vectors, and what is known of their pairs."""

    comparison: ContentComparison
    names: tuple[str, ...]
    vectors: Compact
    candidates: Mapping[Pair, float]
    by_part: frozenset[Pair]
    compared_by: str

    @classmethod
    def empty(cls, features: FeatureCache) -> "ContentAudit":
        """Make the audit of no picture."""
        return cls(
            ContentComparison(features), (), np.zeros((0, 256), np.int8), {}, frozenset(), ""
        )

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        names: list[str],
        features: FeatureCache,
        *,
        index: SimilarityIndex,
        edges: pl.DataFrame,
        embedding: Embedding,
    ) -> "ContentAudit":
        """Compare the pictures `names` with their neighbours; `edges` are those of the search for copies."""
        if not 1 < len(names) <= MAX_PICTURES:
            log.info("%d kept pictures are not compared by content", len(names))
            return cls.empty(features)
        model_id = embedding.embedder.model_id
        compared_by = f"{VERSION} {model_id}"
        earlier = frame(catalog, _KNOWN, (compared_by,)).rows()
        kept = set(names)
        tied_pairs = _pairs(edges, pl.col("verdict").is_in(["duplicate", "same_scene"]), kept)
        known = {(a, b): n for a, b, n, _ in earlier} | dict.fromkeys(tied_pairs, PART_INLIERS)
        vectors = Vectors.of_items(catalog, model_id, names, index)
        rows = np.array([row for row, name in enumerate(vectors.names) if name in kept], np.int64)
        listed = tuple(vectors.names[row] for row in rows.tolist())
        own, everyone = vectors.compact[rows], np.arange(len(rows))
        comparison = ContentComparison(features, known)
        # A watermark or letters all over change an embedding more than a hash.
        by_hash = _pairs(edges, pl.col("found_by") == "pdq", kept & set(listed))
        candidates = by_hash | neighbour_pairs(listed, own, everyone, everyone)
        comparison.shared(candidates, LEAK_INLIERS)
        # Pairs that were compared before are not loaded again, but their composite pictures are cut again.
        composite = {name for a, b, _, is_part in earlier if is_part for name in (a, b)}
        comparison.find_parts(sorted(composite & set(listed)))
        owners, thumbnails = comparison.part_thumbnails(THUMBNAIL_PX)
        by_part: dict[Pair, float] = {}
        if owners:
            embedding.setup()
            parts = compact(_embedded(embedding.embedder, thumbnails))
            by_part = part_pairs(owners, parts, listed, own)
        everything = tied_pairs | by_part | candidates
        return cls(comparison, listed, own, everything, frozenset(by_part), compared_by)

    def with_parts(self, edges: pl.DataFrame) -> pl.DataFrame:
        """Add the new comparisons to the edges of the search for copies, and mark pairs that share content."""
        shared = self.comparison.shared(self.candidates, PART_INLIERS)
        ties = pl.DataFrame(
            [(each.a, each.b, PART) for each in shared],
            schema={"asset_a": pl.String, "asset_b": pl.String, "tie": pl.String},
            orient="row",
        )
        rows = [
            self._edge(pair, self.candidates[pair], inliers)
            for pair, inliers in self.comparison.known.items()
            if pair in self.candidates
        ]
        own = pl.DataFrame(rows, schema=EDGES, orient="row")
        own = own.join(edges, on=["asset_a", "asset_b"], how="anti")
        marked = edges.join(ties, on=["asset_a", "asset_b"], how="left", maintain_order="left")
        marked = marked.with_columns(edge_class=pl.coalesce("edge_class", "tie")).drop("tie")
        return pl.concat([marked, own]).sort("asset_a", "asset_b")

    def _edge(self, pair: Pair, cosine: float, inliers: int) -> tuple[object, ...]:
        tie = PART if inliers >= PART_INLIERS else None
        none = (None, None, None)  # detail, drift, overlap
        found_by = "part" if pair in self.by_part else "embedding"
        found = found_by, None, cosine, inliers, None, "different", tie
        return (*pair, *found, *none, "", self.compared_by)

    def leak_rows(self, side_of: Mapping[str, str], policy: str) -> list[dict[str, Any]]:
        """Make the row of `split_leaks` about pairs that share content in different splits; none if not compared."""
        if not self.names:
            return []
        pairs = self.leaks(side_of)
        detail = json.dumps([asdict(pair) for pair in pairs[:MAX_STORED]])
        n = sum(side != "train" for side in side_of.values())
        about = {"policy": policy, "check": "shared_content", "task": "", "n": n}
        if self.comparison.n_skipped:
            log.warning(
                "%s: %d pairs were not compared by content, the audit is not complete",
                policy, self.comparison.n_skipped,
            )  # fmt: skip
        return [{**about, "value": float(len(pairs)), "detail": detail}]

    def leaks(self, side_of: Mapping[str, str]) -> list[SharedContent]:
        """Give the pairs across the splits, most similar first; each picture is compared with the other splits."""
        candidates = {**self.candidates, **pairs_across(self.names, self.vectors, side_of)}
        return across(self.comparison.shared(candidates, LEAK_INLIERS), side_of)


def _pairs(edges: pl.DataFrame, which: pl.Expr, kept: set[str]) -> dict[Pair, float]:
    """Give the cosine of some edges between pictures that are kept."""
    chosen = edges.filter(which).select("asset_a", "asset_b", pl.col("cosine").fill_null(1.0))
    return {(a, b): cosine for a, b, cosine in chosen.rows() if a in kept and b in kept}


def _embedded(embedder: Embedder, thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed thumbnails (N, side, side, 3) of parts, several at the same time: (N, D)."""
    embed = embedder.embed_parts if isinstance(embedder, PartEmbedder) else embedder.embed
    chunks = np.array_split(thumbnails, -(-len(thumbnails) // BATCH_ROWS))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(embed, chunks))).astype(np.float32)
