from pathlib import Path

import numpy as np
import pytest

from catalog import Workspace, open_catalog, rows, write_segment
from curation.similarity import read_vectors
from curation.similarity.neighbours import compact
from curation.similarity.read_vectors import read_compact


@pytest.mark.parametrize("max_by_name", [0, 10_000])
def test_vectors_come_sorted_whether_asked_by_name_or_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_by_name: int
) -> None:
    monkeypatch.setattr(read_vectors, "MAX_BY_NAME", max_by_name)
    vectors = np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"{(7 * number) % 50:02d}" for number in range(50)]
    workspace = Workspace.at(tmp_path)
    records = [
        {"asset_sha256": name, "model_id": model, "dim": 40, "vector": vector.tolist()}
        for model in ("mine", "other")
        for name, vector in zip(names, vectors if model == "mine" else -vectors, strict=True)
    ]
    write_segment(workspace, {"embeddings": rows("embeddings", records)}, job="test")
    requested = [*names[:20], "absent"]
    with open_catalog(workspace) as catalog:
        catalog.commit()
        names_read, vectors_read = read_compact(catalog, "mine", requested)
        assert read_compact(catalog, "nobody", requested)[0] == []
    assert names_read == sorted(names[:20])
    expected = compact(vectors[np.argsort(names[:20])])
    assert (vectors_read == expected).all()
