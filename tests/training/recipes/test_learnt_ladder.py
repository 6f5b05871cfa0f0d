"""What `defects` learns from a ladder ranks the strengths of defects in photographs that it has never seen.

Photographs of one scene or one source are never on both sides. Few photographs teach less than the hundreds of the
benchmarks (`benchmarks/results/defect_statistics_2core_202611.md`), so the bounds are below theirs; chance is 0.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping

import polars as pl
import pytest
from PIL import Image

from catalog import Workspace
from photosite.pictures.response_body import photo_bytes
from tests.photosite.shots_for_tests import full_plan
from tests.real_data import REAL, members, needs
from tests.training.made_release import make_item, publish_items
from training.runs.run import TrainingRequest, train

SPLITS = ("train", "train", "train", "validation", "test")


def made_photographs(n: int) -> Iterator[tuple[str, bytes]]:
    """Give scene and bytes of undamaged photographs of the demo's site, each of another scene."""
    scenes = {}
    for photo in full_plan().uploads:
        if photo.kind == "original" and not photo.damage and not photo.broken:
            scenes.setdefault(f"{photo.shot.family} {photo.shot.scene}", photo)
    for scene, photo in list(scenes.items())[:n]:
        yield scene, photo_bytes(photo)


def real_photographs(most: int) -> Iterator[tuple[str, bytes]]:
    """Give source and bytes of real photographs, at most so many of a source."""
    manifest = pl.read_csv(REAL / "manifest.csv").filter(pl.col("file").str.starts_with("photos/"))
    source_of = {
        str(file).rsplit(":", 1)[-1].rsplit("/", 1)[-1]: str(source)
        for file, source in manifest.select("file", "source_repo").iter_rows()
    }
    counts: dict[str, int] = {}
    archives = sorted(f"photos/{path.name}" for path in (REAL / "photos").glob("*.tar"))
    for name, body in members(*archives):
        source = source_of.get(name, name)
        counts[source] = counts.get(source, 0) + 1
        if counts[source] <= most:
            yield source, body


def correlations(
    workspace: Workspace, photographs: Iterator[tuple[str, bytes]], *, rungs: int, epochs: int
) -> dict[str, float]:
    """Train on three of five groups; return the rank correlation of each defect over the strengths on the last."""
    (workspace.home / "safelight.toml").write_text("[train]\nthreads = 1\n")
    made, groups = [], {}
    for number, (group, body) in enumerate(photographs):
        row, _ = make_item(number)
        split = SPLITS[groups.setdefault(group, len(groups)) % len(SPLITS)]
        width, height = Image.open(io.BytesIO(body)).size
        of_file = {"asset_sha256": hashlib.sha256(body).hexdigest(), "width": width}
        made.append((row | of_file | {"height": height, "group_id": group, "split": split}, body))
    publish_items(workspace, made)
    request = TrainingRequest(
        "defects", None, "statistics", epochs, policies=("split",), options=(f"rungs={rungs}",)
    )
    folder = train(workspace, request).models["split"]
    metrics = pl.read_parquet(folder / "metrics.parquet").filter(
        (pl.col("metric") == "spearman")
        & (pl.col("predictor") == "model")
        & (pl.col("slice") == "all")
    )
    n_test = sum(row["split"] == "test" for row, _ in made)
    assert set(metrics["n"]) == {n_test * rungs}, (
        "each strength of each photograph, and no other row"
    )
    return dict(metrics.select("task", "value").iter_rows())


def below(rank: Mapping[str, float], bounds: Mapping[str, float]) -> dict[str, float]:
    return {name: rank[name] for name, bound in bounds.items() if not rank[name] > bound}


@pytest.mark.slow
def test_strengths_in_unseen_made_photographs_are_ranked(workspace: Workspace) -> None:
    rank = correlations(workspace, made_photographs(45), rungs=6, epochs=12)
    bounds = {"noise": 0.85, "bad_saturation": 0.8, "haze": 0.8}
    bounds |= {"bad_exposure": 0.7, "undesired_blur": 0.65}
    assert not below(rank, bounds)


@pytest.mark.slow
@needs("photos/truth.csv")
def test_strengths_in_real_photographs_of_unseen_sources_are_ranked(workspace: Workspace) -> None:
    rank = correlations(workspace, real_photographs(2), rungs=6, epochs=12)
    bounds = {"noise": 0.6, "bad_saturation": 0.6, "haze": 0.7}
    bounds |= {"bad_exposure": 0.6, "undesired_blur": 0.55}
    assert not below(rank, bounds)
