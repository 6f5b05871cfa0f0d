"""Every reader that we name opens a release, and what we export of it."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from PIL import Image

import catalog
from catalog import Release, ReleaseError, Workspace, publish, rows, write_segment
from catalog.releases.diff import diff_releases
from catalog.releases.exports import ExportOrder, export
from catalog.releases.publish import renew_card
from catalog.releases.release import find_release
from catalog.releases.verify import verify_release
from tests import factories
from tests.catalog.published import SPLITS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def release(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """demo@1.0.0: 12 JPEGs with labels, half of them without an ISO class."""
    import shutil

    home = tmp_path_factory.mktemp("readers") / "home"
    shutil.copytree(empty_home, home)
    workspace = Workspace.at(home)
    images = [
        (hashlib.sha256(b).hexdigest(), b) for b in (factories.jpeg(seed=n) for n in range(12))
    ]
    assets = [{"sha256": s, "bytes": len(b), "format": "JPEG"} for s, b in images]
    write_segment(workspace, {"assets": rows("assets", assets)}, job="crawl:a", images=images)
    items = rows(
        "curated_items",
        [
            {
                "run_id": "r",
                "asset_sha256": sha,
                "split": SPLITS[n % 4],
                "group_id": f"g{n % 4}",
                "iso": 100.0 * (n + 1),
                "iso_bin": None if n % 2 else n % 3,
                "weight": 1.0,
                "licence": "CC BY 4.0",
                "attribution": f"Photo by {n}",
            }
            for n, (sha, _) in enumerate(images)
        ],
    )
    with catalog.open_catalog(workspace) as tables:
        tables.commit()
    return publish(
        workspace, "demo", items, plan={"bins": {}, "seed": 1}, run_id="r", shard_bytes=9000
    )


def labels(release: Release) -> dict[str, float]:
    index = release.index()
    return dict(zip(index["asset_sha256"].to_pylist(), index["iso"].to_pylist(), strict=True))


def test_load_dataset_opens_the_folder_with_decoded_pictures(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    found = datasets.load_dataset(str(release.path), cache_dir=str(tmp_path / "cache"))
    assert {split: len(found[split]) for split in found} == release.manifest["splits"]
    first = found["train"][0]
    assert isinstance(first["image"], Image.Image)
    assert first["image"].size == (64, 48)
    assert first["iso"] == labels(release)[first["asset_sha256"]]
    assert isinstance(found["train"].features["image"], datasets.Image)
    done = export(release, tmp_path / "hf", ExportOrder("huggingface", ("test",)))
    only = datasets.load_dataset(str(done.folder), cache_dir=str(tmp_path / "cache"))
    assert {split: len(only[split]) for split in only} == {"test": 3}
    folder = export(release, tmp_path / "by_class", ExportOrder("imagefolder")).folder
    walked = datasets.load_dataset(
        "imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache")
    )
    assert {split: len(walked[split]) for split in walked} == release.manifest["splits"]
    assert set(walked["train"].features["label"].names) == {"high", "low", "medium", "missing"}


def test_croissant_is_valid_and_its_records_can_be_read(release: Release, tmp_path: Path) -> None:
    import mlcroissant

    folder = export(release, tmp_path / "croissant", ExportOrder("croissant", ("test",))).folder
    for path, expected in ((release.path, labels(release)), (folder, None)):
        found = mlcroissant.Dataset(jsonld=str(path / "croissant.json"))
        assert found.metadata.ctx.issues.errors == set()
        assert found.metadata.ctx.issues.warnings == set()
        records = list(found.records("pictures"))
        isos = {
            record["pictures/asset_sha256"].decode(): record["pictures/iso"] for record in records
        }
        assert isos == (expected or {sha: labels(release)[sha] for sha in isos})
        assert records[0]["pictures/image"].size == (64, 48)
    assert len(records) == 3


def test_webdataset_reads_the_tars_and_they_are_the_same_every_time(
    release: Release, tmp_path: Path
) -> None:
    import webdataset

    order = ExportOrder("webdataset", tar_bytes=6000)
    one = export(release, tmp_path / "one", order)
    two = export(release, tmp_path / "two", order)
    tars = sorted(path.name for path in one.folder.glob("train-*.tar"))
    assert len(tars) > 1
    for path in one.folder.glob("*.tar"):
        assert path.read_bytes() == (two.folder / path.name).read_bytes()
    urls = [str(one.folder / name) for name in tars]
    samples = list(
        webdataset.WebDataset(urls, shardshuffle=False)
        .decode("pil")
        .to_tuple("__key__", "jpg", "json")
    )
    assert len(samples) == release.manifest["splits"]["train"]
    for key, picture, said in samples:
        assert picture.size == (64, 48)
        assert said["iso"] == labels(release)[key]
        assert said["attribution"].startswith("Photo by")
    with tarfile.open(urls[0]) as tar:
        body = tar.extractfile(tar.getmembers()[0])
        assert body is not None
        assert hashlib.sha256(body.read()).hexdigest() == tar.getmembers()[0].name.split(".")[0]


def test_duckdb_and_polars_read_the_shards(release: Release) -> None:
    pattern = str(release.path / "data" / "*.parquet")
    found = duckdb.sql(f"SELECT asset_sha256, iso, image.bytes AS b FROM '{pattern}'").fetchall()
    assert {sha: iso for sha, iso, _ in found} == labels(release)
    assert all(hashlib.sha256(body).hexdigest() == sha for sha, _, body in found)
    frame = pl.read_parquet(pattern)
    assert dict(frame.select("asset_sha256", "iso").iter_rows()) == labels(release)


def test_imagefolder_keeps_bytes_classes_and_attribution(release: Release, tmp_path: Path) -> None:
    done = export(release, tmp_path / "folder", ExportOrder("imagefolder", ("train", "test")))
    assert done.splits == {"train": 6, "test": 3}
    rows_of = {row["asset_sha256"]: row for row in release.index().to_pylist()}
    paths = list(done.folder.glob("*/*/*.jpg"))
    assert len(paths) == 9
    for path in paths:
        row = rows_of[path.stem]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
        names = {None: "missing", 0: "low", 1: "medium", 2: "high"}
        assert path.parts[-3:-1] == (row["split"], names[row["iso_bin"]])
    credited = pq.read_table(done.folder / "attribution.parquet")["asset_sha256"].to_pylist()
    assert set(credited) == {path.stem for path in paths}


def test_exports_that_cannot_be_are_refused(release: Release, tmp_path: Path) -> None:
    for order, why in (
        (ExportOrder("zip"), "known: webdataset"),
        (ExportOrder("imagefolder", ("dev",)), "no split dev"),
        (ExportOrder("imagefolder", label="mood"), "no column 'mood'"),
    ):
        with pytest.raises(ReleaseError, match=why):
            export(release, tmp_path / "out", order)
    assert not list(tmp_path.iterdir()), "nothing is left behind"
    with pytest.raises(ReleaseError, match="exists already"):
        export(release, tmp_path, ExportOrder("croissant"))


def test_load_gives_index_bytes_and_pictures(release: Release) -> None:
    home = release.path.parents[2]
    with catalog.load("demo@1.0.0", split="train", home=home) as pictures:
        assert pictures.index.height == len(pictures) == 6
        assert set(pictures.index["split"]) == {"train"}
        for i, (row, body) in enumerate(pictures):
            assert row["asset_sha256"] == pictures.index["asset_sha256"][i]
            assert hashlib.sha256(body).hexdigest() == row["asset_sha256"]
            assert pictures.bytes(i) == body
        assert pictures.image(0).size == Image.open(io.BytesIO(pictures.bytes(0))).size
    with pytest.raises(ReleaseError, match="no split dev"):
        catalog.load("demo", split="dev", home=home)


def run_example(name: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SAFELIGHT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "examples" / name)]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["load_release.py", "read_release.py", "query_catalog.py"])
@pytest.mark.parametrize("is_workspace", [True, False])
def test_an_example_without_its_release_says_what_to_run(
    workspace: Workspace, tmp_path: Path, name: str, *, is_workspace: bool
) -> None:
    done = run_example(name, workspace.home if is_workspace else tmp_path / "none")
    if name == "query_catalog.py" and is_workspace:
        assert (done.returncode, done.stderr) == (0, "")
        return
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.endswith("run first: python3 dev.py demo\n")
    assert not (tmp_path / "none").exists()


def test_the_example_runs(release: Release) -> None:
    done = run_example("load_release.py", release.path.parents[2])
    assert done.returncode == 0, done.stderr
    assert "6 pictures" in done.stdout
    assert "64 x 48 px, licence CC BY 4.0" in done.stdout


def test_a_new_card_is_a_patch_version_of_the_same_content(release: Release) -> None:
    workspace = Workspace(release.path.parents[2])
    renewed = renew_card(workspace, release)
    assert (renewed.version, renewed.digest) == ("1.0.1", release.digest)
    assert verify_release(renewed) == []
    shard = release.manifest["shards"][0]["path"]
    assert renewed.shard(shard).samefile(release.shard(shard)), "shards are shared"
    assert "license: cc-by-4.0" in (renewed.path / "README.md").read_text()
    told = diff_releases(release, renewed)
    assert told.same_content
    assert (told.added, told.removed, told.shards_new) == ([], [], 0)
    assert find_release(workspace, "demo").version == "1.0.1"
    with pytest.raises(ReleaseError, match="exists already"):
        renew_card(workspace, release)
