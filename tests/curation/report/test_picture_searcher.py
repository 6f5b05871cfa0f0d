"""The searcher of the server over a curated workspace: likes, twins, uploads, the map, life without torch."""

import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog import (
    MissingPartError,
    NoVectorError,
    PictureRefusedError,
    Workspace,
    map_folder,
    open_catalog,
)
from curation.report.picture_searcher import PictureSearcher
from curation.report.similar import similar
from curation.run.run import curate
from curation.settings import CurateSettings
from curation.similarity.projection import project_on_axes, projection_methods
from tests.curation.onnx_files import write_card, write_network
from tests.curation.small_catalog import Shot, exif, fill, jpeg, scene, sound_shots

ROOT = Path(__file__).parents[3]
THREADS = CurateSettings(runner="threads", workers=1)
DARK = jpeg(scene(0).point(lambda tone: tone * 0.97))
TWIN = DARK + b"\0" * 32
"""The same pixels in other bytes."""
WITHOUT_TORCH = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Blocker())
from catalog import MissingPartError, Workspace
from curation import PictureSearcher

searcher = PictureSearcher(Workspace.at(sys.argv[1]))
picture = open(sys.argv[2], "rb").read()
stored = searcher.embedding_map("pca").pictures
assert len(searcher.nearest(stored[0], 3).pictures) == 3
try:
    print(searcher.nearest_to(picture, 1).pictures[0].sha256)
except MissingPartError as error:
    print(error)
searcher.close()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Six scenes, a darker shot of the first, and a file with the pixels of that."""
    made = Workspace.at(tmp_path_factory.mktemp("searcher"))
    likes = [Shot("dark.jpg", DARK, exif(40)), Shot("twin.jpg", TWIN, exif(41))]
    fill(made, [*sound_shots(6), *likes])
    curate(made, None, THREADS)
    return made


@pytest.fixture(scope="module")
def searcher(home: Workspace) -> Iterator[PictureSearcher]:
    opened = PictureSearcher(home)
    yield opened
    opened.close()


def sha_of(home: Workspace, name: str) -> str:
    with open_catalog(home) as catalog:
        sql = "SELECT asset_sha256 FROM photos WHERE source_photo_id LIKE ?"
        return str(catalog.records(sql, [f"%{name}"])[0]["asset_sha256"])


def test_pictures_with_equal_pixels_come_first_and_the_picture_itself_never(
    home: Workspace, searcher: PictureSearcher
) -> None:
    dark, twin, first = (sha_of(home, name) for name in ("dark.jpg", "twin.jpg", "000.jpg"))
    nearest = searcher.nearest(dark, 3)
    assert [each.sha256 for each in nearest.pictures[:2]] == [twin, first]
    assert [each.is_equal for each in nearest.pictures] == [True, False, False]
    assert dark not in [each.sha256 for each in nearest.pictures]
    assert nearest.searched == 8
    assert [each.sha256 for each in searcher.nearest(twin, 1).pictures] == [dark]
    cosines = [each.cosine for each in searcher.nearest(first, 7).pictures]
    assert cosines == sorted(cosines, reverse=True)


def test_its_cosines_are_those_of_whole_vectors_nearly(
    home: Workspace, searcher: PictureSearcher
) -> None:
    first = sha_of(home, "000.jpg")
    exact = dict(similar(first, home, limit=7).select("asset_sha256", "cosine").iter_rows())
    for each in searcher.nearest(first, 7).pictures:
        assert each.cosine == pytest.approx(exact.get(each.sha256, each.cosine), abs=0.1)


def test_an_upload_is_embedded_and_one_of_the_catalog_is_recognised(
    home: Workspace, searcher: PictureSearcher
) -> None:
    fresh = searcher.nearest_to(jpeg(scene(3), quality=91), 2)
    assert fresh.pictures[0].sha256 == sha_of(home, "003.jpg")
    assert fresh.pictures[0].cosine > 0.97 > fresh.pictures[1].cosine
    assert not any(each.is_equal for each in fresh.pictures)
    stored = {each.sha256: each.is_equal for each in searcher.nearest_to(TWIN, 3).pictures}
    assert stored[sha_of(home, "dark.jpg")]
    assert stored[sha_of(home, "twin.jpg")]
    assert not stored[sha_of(home, "000.jpg")]


def test_hostile_files_are_refused_with_a_reason(searcher: PictureSearcher) -> None:
    bomb = BytesIO()
    Image.new("L", (14_000, 14_000)).save(bomb, "PNG", optimize=True)
    whole = jpeg(scene(2))
    for body, kind in (
        (b"<svg onload='alert(1)'>", "not_an_image"),
        (whole[: len(whole) // 2], "truncated"),
        (bomb.getvalue(), "too_large"),
        (jpeg(scene(2, (30, 20))), "undecodable"),
    ):
        with pytest.raises(PictureRefusedError) as refusal:
            searcher.nearest_to(body, 3)
        assert refusal.value.kind == kind


def test_a_picture_without_a_vector_and_an_empty_catalog_say_what_to_do(
    searcher: PictureSearcher, workspace: Workspace
) -> None:
    with pytest.raises(NoVectorError, match="this picture has no vector yet"):
        searcher.nearest("0" * 64, 3)
    empty = PictureSearcher(workspace)
    with pytest.raises(NoVectorError, match="no picture has a vector yet: run"):
        empty.nearest("0" * 64, 3)
    with pytest.raises(NoVectorError, match="no picture has a vector yet: run"):
        empty.embedding_map("pca")
    empty.close()


def test_a_map_is_made_once_and_holds_every_picture(
    home: Workspace, searcher: PictureSearcher
) -> None:
    made = searcher.embedding_map("pca")
    with open_catalog(home) as catalog:
        names = [
            row["sha256"] for row in catalog.records("SELECT sha256 FROM assets ORDER BY sha256")
        ]
    assert list(made.pictures) == names
    assert made.total == len(names)
    assert 0 < made.explained[1] <= made.explained[0] < 1
    dark, twin = (names.index(sha_of(home, name)) for name in ("dark.jpg", "twin.jpg"))
    assert (made.x[dark], made.y[dark]) == (made.x[twin], made.y[twin])
    [file] = map_folder(home).glob("*.arrow")
    written = file.stat().st_mtime_ns
    other = PictureSearcher(home)
    again = other.embedding_map("pca")
    other.close()
    assert again.key == made.key
    assert again.x.tolist() == made.x.tolist()
    assert file.stat().st_mtime_ns == written
    file.write_bytes(b"damaged")
    assert searcher.embedding_map("pca").y.tolist() == made.y.tolist()


def test_axes_are_those_of_a_singular_value_decomposition() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(0, [40, 20, *[3] * 30], (500, 32)).astype(np.int8)
    places, shares = project_on_axes(vectors)
    centred = vectors - vectors.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ axes[:2].T
    signs = np.sign((expected * places).sum(axis=0))
    assert np.abs(expected * signs - places).max() < 1e-3
    assert shares == pytest.approx((singular**2 / (singular**2).sum())[:2], rel=1e-6)
    assert project_on_axes(vectors[:1])[0].tolist() == [[0.0, 0.0]]


def test_a_method_that_is_not_installed_names_its_extra(searcher: PictureSearcher) -> None:
    if "umap" in projection_methods():
        made = searcher.embedding_map("umap")
        assert np.isfinite(made.x).all()
        return
    with pytest.raises(MissingPartError, match=r"safelight\[map\]"):
        searcher.embedding_map("umap")


def _search_without_torch(home: Workspace, picture: Path) -> str:
    command = [sys.executable, "-P", "-c", WITHOUT_TORCH, str(home.home), str(picture)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_torch_stored_pictures_are_compared_and_uploads_say_what_is_missing(
    home: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "new.jpg").write_bytes(DARK)
    answer = _search_without_torch(home, tmp_path / "new.jpg")
    assert (
        answer
        == "this command needs torch, which is not installed. Add it with: pip install 'safelight[curate]'"
    )


@pytest.mark.long
def test_without_torch_an_onnx_embedder_searches_for_uploads(
    workspace: Workspace, tmp_path: Path
) -> None:
    fill(workspace, sound_shots(6))
    network = workspace.home / "small.onnx"
    write_network(network)
    write_card(network.with_suffix(".json"))
    (workspace.home / "safelight.toml").write_text('[curate]\nembedder = "small.onnx"\n')
    curate(workspace, None, CurateSettings(runner="threads", workers=1, embedder="small.onnx"))
    (tmp_path / "new.jpg").write_bytes(jpeg(scene(3), quality=91))
    assert _search_without_torch(workspace, tmp_path / "new.jpg") == sha_of(workspace, "003.jpg")
