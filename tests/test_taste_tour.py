"""Label, publish, train, rank: from a person who sees a taste in the pixels to the pictures that nobody labelled."""

import hashlib
import io
import json
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog import Workspace, open_catalog, rows, write_segment
from catalog.web.labelling.label_session import LabelSession
from catalog.web.labelling.publish_labels import publish_labels
from tests.factories import jpeg
from training.fit.run_request import TrainingRequest
from training.predict.predict_files import read_model
from training.predict.rank import rank_pictures
from training.runs.run import train

MOMENT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the catalog keeps UTC without a zone
N, TASK, SPLITS = 160, "good_or_bad", ("train", "train", "train", "validation", "test")
PLAN = {"bins": {}, "seed": 7}


def picture(number: int) -> tuple[bytes, str]:
    """Draw shapes whose lower half is lighter (good) or darker (bad) than the upper one."""
    rng = np.random.default_rng(number)
    is_good = bool(rng.integers(2))
    light = rng.integers(0, 140, (6, 8, 3)) + 90 * ((np.arange(6) >= 3) == is_good)[:, None, None]
    small = Image.fromarray(light.clip(0, 255).astype(np.uint8))
    large = small.resize((192, 144), Image.Resampling.BICUBIC)
    return jpeg(image=large, seed=number), "good" if is_good else "bad"


def make_home(workspace: Workspace) -> dict[str, str]:
    """Fill a curated workspace with vectors of coarse pixels; return what a person thinks of each picture."""
    made = [picture(number) for number in range(N)]
    shas = [hashlib.sha256(body).hexdigest() for body, _ in made]
    tables: dict[str, list[dict[str, object]]] = {
        "assets": [
            {"sha256": sha, "bytes": len(body), "mime": "image/jpeg", "format": "JPEG"}
            | {"width": 192, "height": 144, "header_status": "ok", "first_seen": MOMENT}
            for sha, (body, _) in zip(shas, made, strict=True)
        ],
        "curation_runs": [
            {"run_id": "run", "plan_json": json.dumps(PLAN), "finished_at": MOMENT, "n_input": N}
        ],
        "curated_items": [
            {"run_id": "run", "asset_sha256": sha, "photo_id": f"p{number}", "source": "made"}
            | {"split": SPLITS[number % 5], "random_split": SPLITS[number // 5 % 5]}
            | {"group_id": f"g{number}", "weight": 1.0}
            | {"width": 192, "height": 144, "training_allowed": True, "training_basis": "made here"}
            for number, sha in enumerate(shas)
        ],
        "embeddings": [
            {"asset_sha256": sha, "model_id": "coarse", "dim": 48, "vector": coarse(body).tolist()}
            for sha, (body, _) in zip(shas, made, strict=True)
        ],
    }
    images = [(sha, body) for sha, (body, _) in zip(shas, made, strict=True)]
    listed = {name: rows(name, table) for name, table in tables.items()}
    write_segment(workspace, listed, job="made", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return {sha: label for sha, (_, label) in zip(shas, made, strict=True)}


def coarse(body: bytes) -> np.ndarray:
    small = Image.open(io.BytesIO(body)).convert("L").resize((8, 6), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float32).ravel() - 128
    return pixels / np.linalg.norm(pixels)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_labels_train_a_model_that_ranks_the_pictures_nobody_labelled(
    empty_home: Path, tmp_path: Path
) -> None:
    shutil.copytree(empty_home, tmp_path / "home")
    workspace = Workspace.at(tmp_path / "home")
    taste = make_home(workspace)
    session = LabelSession(workspace)
    page = session.page(TASK, "ada")
    for _ in range(90):
        shown = page["pictures"][0]["picture"]
        page = session.judge(TASK, shown, taste[shown], "ada")
    session.close()
    published = publish_labels(workspace, "taste", TASK)
    assert published.command.split()[-6:] == [
        "run", "good_photos", "--dataset", "taste", "--label", TASK,
    ]  # fmt: skip
    request = TrainingRequest("good_photos", "taste", preset="smoke", options=(f"label={TASK}",))
    outcome = train(workspace, request)
    model = read_model(outcome.models["split"])
    ranking = rank_pictures(workspace, model, "SELECT sha256 FROM assets", "good")
    with open_catalog(workspace) as catalog:
        labelled = {str(r["asset_sha256"]) for r in catalog.records("FROM v_judgements")}
    unseen = [taste[p.asset_sha256] for p in ranking.pictures if p.asset_sha256 not in labelled]
    assert len(unseen) > 50
    third = len(unseen) // 3
    first, last = unseen[:third].count("good"), unseen[-third:].count("good")
    # Which pictures were labelled depends on when learning ended in the background; by chance it is half of a third.
    assert first > 0.75 * third
    assert last < 0.25 * third
