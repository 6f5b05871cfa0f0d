"""A curated workspace of made pictures, whose vectors hold a taste that a few labels can teach. Made in a second."""

import hashlib
import json
from datetime import datetime

import numpy as np

from catalog import Workspace, open_catalog, rows, write_segment
from tests.factories import jpeg

MOMENT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the catalog keeps UTC without a zone
RUN, PLAN = "run1", {"bins": {"iso": [1.17, 3.17]}, "seed": 7}
DIM = 24
SPLITS = ("train", "train", "train", "validation", "test")


def make_tasteful_home(workspace: Workspace, n: int, *, curated: bool = True) -> dict[str, str]:
    """Fill a workspace with `n` pictures; return good or bad by SHA-256, which a direction of the vectors decides."""
    bodies = [jpeg(iso=100, seed=number, size=(48, 36)) for number in range(n)]
    shas = [hashlib.sha256(body).hexdigest() for body in bodies]
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(n, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tables: dict[str, list[dict[str, object]]] = {
        "assets": [
            {"sha256": sha, "bytes": len(body), "mime": "image/jpeg", "format": "JPEG"}
            | {"width": 48, "height": 36, "header_status": "ok", "first_seen": MOMENT}
            for sha, body in zip(shas, bodies, strict=True)
        ],
        "photos": [
            {"photo_id": f"p{number}", "source": "made", "asset_sha256": sha, "crawl_id": "c"}
            | {"source_photo_id": f"p{number}", "fetched_at": MOMENT, "licence": "CC0"}
            | {"training_allowed": True, "training_basis": "made for tests"}
            for number, sha in enumerate(shas)
        ],
    }
    if curated:
        tables |= {
            "curation_runs": [
                {"run_id": RUN, "plan_json": json.dumps(PLAN), "finished_at": MOMENT, "n_input": n}
            ],
            "curated_items": [
                {"run_id": RUN, "asset_sha256": sha, "photo_id": f"p{number}", "source": "made"}
                | {
                    "split": SPLITS[number % 5],
                    "group_id": f"g{number}",
                    "iso": 100.0,
                    "iso_bin": 0,
                }
                | {"weight": 1.0, "licence": "CC0", "width": 48, "height": 36}
                for number, sha in enumerate(shas)
            ],
            "embeddings": [
                {"asset_sha256": sha, "model_id": "made", "dim": DIM, "vector": vector.tolist()}
                for sha, vector in zip(shas, vectors, strict=True)
            ],
        }
    made = {name: rows(name, listed) for name, listed in tables.items()}
    write_segment(workspace, made, job="made", images=list(zip(shas, bodies, strict=True)))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    taste = vectors[:, :3].sum(axis=1) > 0
    return dict(zip(shas, np.where(taste, "good", "bad").tolist(), strict=True))
