"""A workspace with a little of everything that the console shows, some of it hostile. Made in a second."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from catalog import Workspace, open_catalog, publish, rows, write_segment
from tests.factories import jpeg

MOMENT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the catalog keeps UTC without a zone
HOSTILE = "<img src=x onerror=\"document.title='pwned'\"> & <script>alert(1)</script>"
TURNED, COPY_OF_TURNED, DROPPED = 0, 1, 2
N = 24
SPLITS = ("train", "train", "validation", "test")
PLAN = {"bins": {"iso": [1.17, 3.17]}, "seed": 7}
RUN, CRAWL, MODEL = "run1", "crawl1", "model1"
BODIES = [
    jpeg(iso=100 * 2 ** (n % 6), seed=n, size=(96, 64), tags={"Orientation": 6} if n == 0 else {})
    for n in range(N)
]
SHAS = [hashlib.sha256(body).hexdigest() for body in BODIES]


def make_home(home: Path) -> Workspace:
    """Fill a workspace: one crawl, one curation run, two releases (the older one revoked), one model."""
    workspace = Workspace.at(home)
    _bring(workspace)
    with open_catalog(workspace) as catalog:
        catalog.commit()
        _curate(workspace)
        catalog.commit()
    for numbers, changed in ((range(3, 15), False), (range(5, N), True)):
        publish(workspace, "cameras", items(numbers, changed=changed), plan=PLAN, run_id=RUN)
    _judge(workspace)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return workspace


def _bring(workspace: Workspace) -> None:
    tables = {
        "crawls": [_crawl()],
        "assets": [_asset(n) for n in range(N)],
        "photos": [_photo(n) for n in range(N)],
        "exif": [_exif(n) for n in range(N)],
        "fetches": [*(_fetch(n) for n in range(N)), *(_failure(n) for n in range(5))],
    }
    write_segment(
        workspace,
        {name: rows(name, listed) for name, listed in tables.items()},
        job=f"crawl:{CRAWL}",
        images=list(zip(SHAS, BODIES, strict=True)),
    )


def _crawl() -> dict[str, object]:
    return {
        "crawl_id": CRAWL,
        "source": "urls",
        "config_json": json.dumps({"addresses": "list.csv", "limit": None}),
        "started_at": MOMENT,
        "finished_at": MOMENT + timedelta(minutes=2),
        "status": "finished",
        "n_listed": N + 5,
        "n_done": N,
        "n_failed": 5,
        "robots_policy": "obeyed",
    }


def _asset(n: int) -> dict[str, object]:
    return {
        "sha256": SHAS[n],
        "bytes": len(BODIES[n]),
        "mime": "image/jpeg",
        "format": "JPEG",
        "width": 96,
        "height": 64,
        "header_status": "ok",
        "jpeg_quality": 90,
        "first_seen": MOMENT,
    }


def _photo(n: int) -> dict[str, object]:
    return {
        "photo_id": f"p{n}",
        "source": "urls",
        "source_photo_id": f"s{n}",
        "asset_sha256": SHAS[n],
        "crawl_id": CRAWL,
        "title": HOSTILE if n == TURNED else f"Picture {n}",
        "photographer": f"<b>Person {n % 4}</b>",
        "photographer_url": "javascript:alert(1)" if n == TURNED else "https://example.org/p",
        "page_url": f"https://example.org/p/{n}",
        "licence": "javascript:alert('licence')" if n == TURNED else "CC0",
        "fetched_at": MOMENT + timedelta(seconds=n),
        "training_allowed": True,
        "training_basis": "made for tests",
    }


def _exif(n: int) -> dict[str, object]:
    return {
        "asset_sha256": SHAS[n],
        "exif_source": "file",
        "status": "ok",
        "camera": "acme one",
        "f_number": 2.8,
        "iso": 100.0 * 2 ** (n % 6),
        "exposure_time": 1 / 250,
        "orientation": 6 if n == TURNED else 1,
        "raw_json": json.dumps({"Image Make": "Acme", "EXIF FNumber": "14/5"}),
    }


def _fetch(n: int) -> dict[str, object]:
    return {
        "fetch_id": f"f{n}",
        "crawl_id": CRAWL,
        "photo_id": f"p{n}",
        "url": f"https://example.org/p/{n}.jpg",
        "host": "example.org",
        "attempt": 1,
        "http_status": 200,
        "outcome": "done",
        "fetched_at": MOMENT + timedelta(seconds=n),
        "duration_ms": 20.0 + n,
        "bytes": len(BODIES[n]),
        "asset_sha256": SHAS[n],
    }


def _failure(n: int) -> dict[str, object]:
    return {
        "fetch_id": f"x{n}",
        "crawl_id": CRAWL,
        "photo_id": f"lost{n}",
        "url": "javascript:alert(1)" if n == 0 else f"https://broken.example/{n}?a=<b>",
        "host": "broken.example",
        "attempt": 1,
        "http_status": 404,
        "outcome": "failed",
        "error_class": "final",
        "error": "http_404",
        "fetched_at": MOMENT,
    }


def _curate(workspace: Workspace) -> None:
    tables = {
        "curation_runs": [
            {"run_id": RUN, "plan_json": json.dumps(PLAN), "finished_at": MOMENT, "n_input": N}
        ],
        "duplicate_groups": [
            {"group_id": "g", "asset_sha256": SHAS[n], "is_keeper": n == 0, "method": "pdq"}
            | {"run_id": RUN, "similarity": 0.97}
            for n in (TURNED, COPY_OF_TURNED)
        ],
        "decisions": [
            {"run_id": RUN, "asset_sha256": SHAS[COPY_OF_TURNED], "decision": "drop"}
            | {"rule": "near_duplicate", "reason": "near_duplicate", "evidence": SHAS[TURNED]},
            {"run_id": RUN, "asset_sha256": SHAS[DROPPED], "decision": "drop"}
            | {"rule": "decode", "reason": "truncated", "evidence": "<i>cut</i>"},
        ],
        "faces": [
            {"face_id": "face1", "asset_sha256": SHAS[TURNED], "detector": "yunet@test"}
            | {"x": 10.0, "y": 20.0, "width": 30.0, "height": 40.0, "score": 0.91}
            | {"landmarks": [15.0, 30.0, 30.0, 30.0, 22.0, 40.0, 16.0, 50.0, 30.0, 50.0]}
        ],
        "labels": [
            {"label_id": "l1", "subject_kind": "photo", "subject_id": "p0", "task": "folder"}
            | {"value": HOSTILE, "label_source": "folder_name", "created_at": MOMENT},
            {"label_id": "l2", "subject_kind": "face", "subject_id": "face1", "task": "age"}
            | {"value": "31", "label_source": "estimated", "created_at": MOMENT},
        ],
    }
    made = {name: rows(name, listed) for name, listed in tables.items()}
    write_segment(workspace, made | {"curated_items": items(range(3, N))}, job=f"curate:{RUN}")


def items(numbers: range, *, changed: bool = False) -> pa.Table:
    """Make the rows of `curated_items`; `changed` moves picture 6 to train and gives picture 7 another ISO bin."""
    return rows("curated_items", [_item(n, changed=changed) for n in numbers])


def _item(n: int, *, changed: bool) -> dict[str, object]:
    return {
        "run_id": RUN,
        "asset_sha256": SHAS[n],
        "photo_id": f"p{n}",
        "source": "urls",
        "split": "train" if changed and n == 6 else SPLITS[n % 4],
        "group_id": f"g{n}",
        "iso": 100.0 * 2 ** (n % 6),
        "iso_bin": 0 if changed and n == 7 else n % 3,
        "f_number_bin": 1,
        "weight": 1.0,
        "licence": "CC0",
    }


LIGHT = {
    "task": "light", "kind": "softmax", "predicted": 6, "target": 0, "nll": 3.9, "value": 6.0,
    "probabilities": [0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.58],
    "answer": json.dumps({"class": "<b>neon</b>", "probabilities": {
        "dawn & dusk": 0.02, "noon": 0.03, "fog": 0.05, "rain": 0.07, "snow": 0.1, "fire": 0.15, "<b>neon</b>": 0.58,
    }}),
}  # fmt: skip
"""A prediction of seven classes, whose true one is the least probable."""
RATING = {
    "task": "rating", "kind": "regression", "value": 34.2, "target_value": 37.0, "low": 28.0, "high": 41.0,
    "answer": json.dumps({"value": 34.2, "low": 28.0, "high": 41.0, "unit": "points"}),
}  # fmt: skip


def _judge(workspace: Workspace) -> None:
    tables = {
        "models": [{"model_id": MODEL, "recipe": "exif", "trained_at": MOMENT}],
        "predictions": [
            {"model_id": MODEL, "asset_sha256": SHAS[n], "task": "iso", "split": "test"}
            | {"probabilities": [0.7, 0.2, 0.1], "predicted": 0, "target": n % 3, "nll": 0.36 + n}
            for n in (7, 11)
        ]
        + [
            {"model_id": MODEL, "asset_sha256": SHAS[7], "split": "test"} | row
            for row in (LIGHT, RATING)
        ],
        "revocations": [
            {"dataset": "cameras", "version": "1.0.0", "reason": "a photographer asked"}
            | {"successor": "1.1.0", "revoked_at": MOMENT}
        ],
    }
    made = {name: rows(name, listed) for name, listed in tables.items()}
    write_segment(workspace, made, job=f"train:{MODEL}")
