"""The audit by content: what it says when pictures were not compared."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from catalog import Workspace, open_catalog
from curation.duplicates.index import Descriptors, SimilarityIndex
from curation.duplicates.limits import CandidateLimits
from curation.duplicates.pair_verification import EDGES
from curation.run import content_audit
from curation.run.content_audit import ContentAudit
from curation.similarity.picture_features import FeatureCache
from curation.stages.embeddings import Embedding
from tests.curation.made_pictures import encoded
from tests.curation.small_catalog import SmallEmbedder
from tests.curation.splits.test_shared_content import textured


def _no_pixels(name: str) -> NDArray[np.uint8]:
    raise AssertionError(f"{name} is not to be loaded")


@pytest.mark.parametrize("n", [0, 1, 4])
def test_pictures_that_were_not_compared_are_not_called_free_of_leaks(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_audit, "MAX_PICTURES", 3)
    nothing = {"index": None, "edges": None, "embedding": None}  # must not be touched
    names = [f"{number:064x}" for number in range(n)]
    audit = ContentAudit.of(None, names, FeatureCache(_no_pixels), **nothing)  # type: ignore[arg-type]
    assert audit.leak_rows(dict.fromkeys(names, "test"), "split") == []


def test_a_pair_that_only_its_hashes_bring_together_is_compared(empty_home: Path) -> None:
    photograph = textured(1)
    pictures = {"a": photograph, "b": encoded(photograph, 60), "c": textured(2)}
    names = sorted(pictures)
    vectors = np.eye(256, dtype=np.int8)[:3] * 100  # as far from each other as vectors are
    described = Descriptors(names, vectors, np.zeros((3, 32), np.uint8), np.full(3, 90, np.int8))
    index = SimilarityIndex.empty(CandidateLimits()).updated(described)
    rows = [(*pair, "pdq", 40, 0.1, 0, 0.1, "different", None, 0.1, 9.0, 0.0, "", "x")
            for pair in (("a", "b"), ("b", "c"))]  # fmt: skip
    edges = pl.DataFrame(rows, schema=EDGES, orient="row")
    with open_catalog(Workspace.at(empty_home)) as catalog:
        audit = ContentAudit.of(
            catalog, names, FeatureCache(pictures.__getitem__),
            index=index, edges=edges, embedding=Embedding(SmallEmbedder()),
        )  # fmt: skip
    sides = {"a": "train", "b": "test", "c": "train"}
    assert [(each.a, each.b) for each in audit.leaks(sides)] == [("a", "b")]
    tied = audit.with_parts(edges).filter(pl.col("edge_class") == "part")
    assert tied.select("asset_a", "asset_b").rows() == [("a", "b")]
