"""Smaller versions of the pictures of a release: columns of its shards and byte ranges of its index."""

import json
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps, UnidentifiedImageError

import safelight
from catalog import Release, ReleaseError, UsageError, Workspace, find_release, publish
from catalog.releases.diff import diff_releases
from catalog.releases.exports import ExportOrder, export
from catalog.releases.verify import verify_release
from catalog.takedown.takedown import TakedownRequest, take_down
from tests.catalog.published import bring_random, items
from tests.factories import jpeg
from tests.training.data.conftest import publish_bodies

BODIES = [
    *(jpeg(size=(160, 120), seed=seed) for seed in range(5)),
    *(jpeg(size=(160, 120), seed=9, tags={"Orientation": 6}), jpeg(size=(40, 30)), b"none"),
]


@pytest.fixture
def release(workspace: Workspace) -> Release:
    return publish_bodies(workspace, "pets", BODIES, renditions=[64, 32]).release


def rendition(release: Release, row: dict[str, object], name: str) -> bytes:
    with release.shard(str(row["shard"])).open("rb") as shard:
        shard.seek(int(str(row[f"{name}_offset"])))
        return shard.read(int(str(row[f"{name}_length"])))


def original(release: Release, row: dict[str, object]) -> bytes:
    with release.shard(str(row["shard"])).open("rb") as shard:
        shard.seek(int(str(row["offset"])))
        return shard.read(int(str(row["length"])))


def upright(body: bytes) -> Image.Image | None:
    try:
        with Image.open(BytesIO(body)) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except UnidentifiedImageError:
        return None


def test_each_picture_has_its_renditions_where_the_index_says(release: Release) -> None:
    assert verify_release(release) == []
    drawn = 0
    for row in release.index().to_pylist():
        body = original(release, row)
        picture = upright(body)
        for name, side in (("image_64", 64), ("image_32", 32)):
            small = rendition(release, row, name)
            if picture is None or min(picture.size) <= side:
                assert small == body
                continue
            shown = Image.open(BytesIO(small))
            assert min(shown.size) == side
            assert not shown.getexif()
            expected = np.asarray(picture.resize(shown.size, Image.Resampling.LANCZOS), int)
            assert np.abs(np.asarray(shown, int) - expected).mean() < 12
            drawn += 1
    assert drawn == 6 * 2


def test_any_parquet_reader_sees_them(release: Release) -> None:
    for shard in release.manifest["shards"]:
        rows = pq.read_table(release.path / shard["path"]).to_pylist()
        assert all(len(row["image_64"]["bytes"]) <= len(row["image"]["bytes"]) for row in rows)
        features = json.loads(pq.read_schema(release.path / shard["path"]).metadata[b"huggingface"])
        assert features["info"]["features"]["image_64"] == {"_type": "Image"}


def test_publishing_again_makes_no_version_and_other_renditions_a_major_one(
    workspace: Workspace, release: Release
) -> None:
    again = publish_bodies(workspace, "pets", BODIES, renditions=[64, 32]).release
    assert again.version == "1.0.0"
    plain = publish_bodies(workspace, "pets", BODIES).release
    assert plain.version == "2.0.0"
    diff = diff_releases(release, plain)
    assert diff.columns_removed == [
        "image_32_length", "image_32_offset", "image_64_length", "image_64_offset",
    ]  # fmt: skip
    assert diff.added == diff.removed == diff.relabelled == []


def test_loader_and_data_set_read_them(release: Release) -> None:
    home = release.path.parents[2]
    small = safelight.dataset("pets", image="image_32", decode=False, workspace=home)
    shas = {item["id"]: item["image"] for item in small}
    for row in release.index().to_pylist():
        assert shas[row["asset_sha256"]] == rendition(release, row, "image_32")
    with safelight.loader(
        "pets", image="image_64", size=48, batch_size=4, sampler="sequential", workspace=home
    ) as loader:
        sizes = [batch["image"].shape for batch in loader]
        assert len(loader.bad) == 1
    assert sizes == [(4, 3, 48, 48)] * 2
    with pytest.raises(
        UsageError, match=r"no pictures 'image_256'; it has image, image_64, image_32"
    ):
        safelight.dataset("pets", image="image_256", workspace=home)


def test_exports_and_cards_do_not_name_their_places(release: Release, tmp_path: Path) -> None:
    order = ExportOrder(format="webdataset")
    export(release, tmp_path / "tars", order)
    assert "image_64_offset" not in (release.path / "croissant.json").read_text("utf-8")
    [tar, *_] = sorted((tmp_path / "tars").glob("*.tar"))
    with tarfile.open(tar) as opened:
        names = [name for name in opened.getnames() if name.endswith(".json")]
        row = json.load(opened.extractfile(names[0]))  # type: ignore[arg-type]  # a file
    assert not [name for name in row if name.startswith("image_")]


@pytest.mark.long
def test_a_takedown_publishes_the_rest_with_renditions(workspace: Workspace) -> None:
    shas = bring_random(workspace, range(8), 500)
    plan = {"renditions": [32]}
    publish(workspace, "cameras", items(range(8), shas), plan=plan, run_id="r")
    take_down(workspace, TakedownRequest("photo", "p3", "the author asked for it"))
    rest = find_release(workspace, "cameras")
    assert (rest.version, rest.manifest["n_items"]) == ("1.1.0", 7)
    row = rest.index().to_pylist()[0]
    assert rendition(rest, row, "image_32") == original(rest, row)


def test_impossible_sizes_are_refused(workspace: Workspace, release: Release) -> None:
    with pytest.raises(ReleaseError, match="a rendition of 9 px cannot be made"):
        publish_bodies(workspace, "tiny", [jpeg()], renditions=[9])
    words = ["--home", str(workspace.home), "dataset", "publish", "x", "--rendition", "9"]
    assert CliRunner().invoke(safelight.cli, words).exit_code == 2
