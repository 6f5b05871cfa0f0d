"""One release that the tests of data sets and loaders read: 40 made pictures with two labels of a user."""

import hashlib
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image, ImageOps

from catalog import Release, Workspace, open_catalog, publish, rows, write_segment
from tests.training.made_release import make_item, make_release

BREEDS = ("collie", None, "beagle", "akita")
N = 40


@dataclass(frozen=True)
class Published:
    workspace: Workspace
    release: Release
    bodies: dict[str, bytes]

    @property
    def home(self) -> str:
        return str(self.workspace.home)


def publish_items(
    workspace: Workspace, name: str, numbers: range, shard_bytes: int = 2**28
) -> Published:
    """Publish made pictures with `breed`, a text that every fourth lacks, and `score`, a number."""
    return publish_bodies(
        workspace, name, [make_item(number)[1] for number in numbers], shard_bytes
    )


def publish_bodies(
    workspace: Workspace,
    name: str,
    bodies: Sequence[bytes],
    shard_bytes: int = 2**28,
    renditions: Sequence[int] = (),
) -> Published:
    """Publish pictures with the rows of made ones."""
    by_sha = {hashlib.sha256(body).hexdigest(): body for body in bodies}
    made = [
        make_item(number)[0] | {"asset_sha256": sha, **size_of(body)}
        for number, (sha, body) in enumerate(by_sha.items())
    ]
    assets = [
        {"sha256": sha, "bytes": len(body), "format": "JPEG", "header_status": "ok"}
        for sha, body in by_sha.items()
    ]
    images = [*by_sha.items()]
    write_segment(workspace, {"assets": rows("assets", assets)}, job=f"crawl:{name}", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    items = rows("curated_items", made)
    breeds = [BREEDS[number % len(BREEDS)] for number in range(len(made))]
    items = items.append_column("breed", pa.array(breeds, pa.string()))
    scores = [number / 2 for number in range(len(made))]
    items = items.append_column("score", pa.array(scores, pa.float64()))
    plan = {"labels": ["breed"], "label_columns": ["score"], "seed": 0}
    plan |= {"renditions": list(renditions)} if renditions else {}
    release = publish(workspace, name, items, plan=plan, run_id="run", shard_bytes=shard_bytes)
    return Published(workspace, release, by_sha)


def size_of(body: bytes) -> dict[str, int]:
    """Return the columns `width` and `height` of an upright picture; none of what is not a picture."""
    try:
        with Image.open(BytesIO(body)) as picture:
            width, height = ImageOps.exif_transpose(picture).size
    except OSError:
        return {}
    return {"width": width, "height": height}


@pytest.fixture(scope="session")
def published(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    home = tmp_path_factory.mktemp("published") / "home"
    shutil.copytree(empty_home, home)
    return publish_items(Workspace.at(home), "pets", range(N), shard_bytes=40_000)


@pytest.fixture(autouse=True)
def _each_warning_counts() -> None:
    warnings.simplefilter("always")


@pytest.fixture(scope="session")
def unpermitted(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Eight pictures; the last one has no training permission."""
    home = tmp_path_factory.mktemp("allowed") / "home"
    shutil.copytree(empty_home, home)
    return make_release(Workspace.at(home), 8)
