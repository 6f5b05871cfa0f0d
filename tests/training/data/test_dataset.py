"""`safelight.dataset`: items as they are documented, in every kind of process, and errors of one line."""

import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader

import safelight
from catalog import Release, ReleaseError, ReleaseNotFoundError, UsageError, Workspace
from tests.factories import jpeg
from tests.training.data.conftest import BREEDS, N, Published, publish_bodies
from tests.training.made_release import loose_release
from training.data.dataset import PictureDataset
from training.data.orientation import orientation_of, turn_upright
from training.data.shards import MOST_OPEN, ShardReader
from training.errors import UndecodablePictureError


def small(picture: Image.Image) -> torch.Tensor:
    array = np.asarray(picture.resize((8, 8)))
    return torch.from_numpy(array.copy()).permute(2, 0, 1)


def open_pets(published: Published, **options: Any) -> PictureDataset:
    return safelight.dataset("pets@1.0.0", workspace=published.home, **options)


def test_an_item_has_the_pixels_and_labels_of_its_row(published: Published) -> None:
    pets = open_pets(
        published, split="train", labels=["breed", "iso", "iso_bin"], columns=["score"]
    )
    assert len(pets) == published.release.manifest["splits"]["train"]
    assert pets.classes == {"breed": ("akita", "beagle", "collie")}
    for item, row in zip(pets, pets.index.iter_rows(named=True), strict=False):
        body = published.bodies[item["id"]]
        assert row["asset_sha256"] == item["id"] == hashlib.sha256(body).hexdigest()
        expected = np.asarray(Image.open(BytesIO(body)).convert("RGB"))
        shown = item["image"].permute(1, 2, 0).numpy()
        assert shown.shape == expected.shape
        assert np.abs(shown.astype(int) - expected).mean() < 1
        assert item["image"].dtype == torch.uint8
        assert item["breed_mask"].item() == (row["breed"] is not None)
        if row["breed"]:
            assert pets.classes["breed"][item["breed"]] == row["breed"]
        assert item["iso"].item() == (row["iso"] or 0.0)
        assert item["iso_mask"].item() == (row["iso"] is not None)
        assert item["iso_bin"].dtype == np.int64
        assert item["score"] == row["score"]


def test_class_codes_do_not_depend_on_the_selection(published: Published) -> None:
    whole = open_pets(published, labels=["breed"])
    part = open_pets(published, labels=["breed"], where="breed = 'collie'")
    assert part.classes == whole.classes
    assert {item["breed"].item() for item in part} == {2}
    assert len(whole) == N
    assert sum(item["breed_mask"].item() for item in whole) == N - N // len(BREEDS)


def test_a_predicate_selects_rows_of_the_split_only(published: Published) -> None:
    isos = open_pets(published, split="train", where="iso > 200 -- a comment").index
    assert set(isos["split"]) == {"train"}
    assert isos["iso"].min() > 200
    everything = open_pets(published, split="train", where="1 = 1) OR (1 = 1")
    assert set(everything.index["split"]) == {"train"}


def test_missing_values_of_columns_have_one_stand_in_each(published: Published) -> None:
    items = open_pets(published, columns=["iso", "breed", "iso_bin", "width", "native_resolution"])
    for item, row in zip(items, items.index.iter_rows(named=True), strict=False):
        assert item["breed"] == (row["breed"] or "")
        assert np.isnan(item["iso"]) == (row["iso"] is None)
        assert np.isnan(item["iso_bin"]) == (row["iso_bin"] is None)
        assert (type(item["width"]), item["width"]) == (int, row["width"])
        assert item["native_resolution"] is row["native_resolution"]


def test_indices_are_those_of_a_sequence(published: Published) -> None:
    pets = open_pets(published)
    assert pets[-1]["id"] == pets[N - 1]["id"] == pets[np.int64(N - 1)]["id"]
    for beyond in (N, -N - 1):
        with pytest.raises(IndexError, match=f"of {N} pictures"):
            pets[beyond]
    with pytest.raises(TypeError):
        pets[0:2]  # type: ignore[index]  # that is the test


def test_a_transform_gets_a_picture_an_array_or_the_bytes(published: Published) -> None:
    first = open_pets(published)[0]["image"].permute(1, 2, 0).numpy()
    as_picture = open_pets(published, transform=np.asarray)[0]["image"]
    as_array = open_pets(published, transform=lambda a: a, as_array=True)[0]["image"]
    assert (as_picture == first).all()
    assert (as_array == first).all()
    as_array[0, 0] = 0  # a transform may write into its array
    item = open_pets(published, decode=False)[0]
    assert item["image"] == published.bodies[item["id"]]
    assert open_pets(published, decode=False, transform=len)[0]["image"] == len(item["image"])


@pytest.mark.parametrize(
    "context",
    [
        pytest.param("fork", marks=pytest.mark.long),
        pytest.param("spawn", marks=pytest.mark.long),
        "forkserver",
    ],
)
def test_a_data_loader_of_torch_gives_each_picture_once(published: Published, context: str) -> None:
    pets = open_pets(published, transform=small, labels=["breed", "iso"], columns=["camera"])
    assert pets[0]["id"]  # its shard is open before the workers are made
    loader = DataLoader(pets, batch_size=7, num_workers=2, multiprocessing_context=context)
    batches = list(loader)
    assert sorted(id_ for batch in batches for id_ in batch["id"]) == sorted(published.bodies)
    assert batches[0]["image"].shape == (7, 3, 8, 8)
    assert batches[0]["iso"].dtype == torch.float32
    assert batches[0]["breed_mask"].dtype == torch.bool
    assert batches[0]["camera"][0].startswith("acme")


def test_whole_pictures_of_one_size_are_collated_without_a_transform(published: Published) -> None:
    batch = next(iter(DataLoader(open_pets(published), batch_size=4)))
    assert batch["image"].shape[:2] == (4, 3)


def test_pictures_of_load_name_the_data_set_to_use(published: Published) -> None:
    with safelight.load("pets", split="train", workspace=published.home) as pictures:
        for workers in (0, 2):
            loader = DataLoader(
                pictures, num_workers=workers, multiprocessing_context="spawn" if workers else None
            )  # type: ignore[arg-type, var-annotated]  # that is the test
            with pytest.raises(
                TypeError, match=r"use safelight\.dataset\('pets@1\.0\.0', split='train'\)"
            ):
                next(iter(loader))
        assert pictures.bytes(-1) == pictures.bytes(len(pictures) - 1)


def test_threads_and_pickled_copies_read_the_same(published: Published) -> None:
    pets = open_pets(published, labels=["breed"])
    copy = pickle.loads(pickle.dumps(pets))
    with ThreadPoolExecutor(8) as pool:
        items = list(pool.map(copy.__getitem__, [*range(N)] * 5))
    for number, item in enumerate(items):
        expected = pets[number % N]
        assert item["id"] == expected["id"]
        assert (item["image"] == expected["image"]).all()


def test_what_does_not_fit_is_an_error_of_one_line(published: Published) -> None:
    for options, error, text in [
        ({"labels": ["bred"]}, UsageError, "no column 'bred'; did you mean breed?"),
        ({"columns": ["id"]}, UsageError, "has image, id, mask already"),
        ({"labels": "breed"}, UsageError, r"labels=\['breed'\]"),
        ({"labels": ["iso"], "columns": ["iso"]}, UsageError, "both a label and a column"),
        ({"where": "isoo > 3"}, ReleaseError, "where='isoo > 3' cannot be evaluated .* \"iso\""),
        ({"where": "iso > 3; SELECT 1"}, ReleaseError, "cannot be evaluated"),
        ({"where": "iso < 0"}, UsageError, "no picture of pets@1.0.0 fits iso < 0"),
        ({"split": "dev"}, ReleaseError, "has no split dev; it has"),
    ]:
        with pytest.raises(error, match=text) as raised:
            open_pets(published, **options)
        assert "\n" not in str(raised.value)
    with pytest.raises(ReleaseNotFoundError):
        safelight.dataset("nothing", workspace=published.home)


def test_pictures_without_permission_are_named_once(unpermitted: Release) -> None:
    home = unpermitted.path.parents[2]
    with pytest.warns(
        UserWarning, match="1 picture has no training permission of the 8 chosen"
    ) as heard:
        safelight.dataset("made", workspace=home)
    assert len(heard) == 1
    assert heard[0].filename == __file__
    assert len(safelight.dataset("made", workspace=home, where="training_allowed")) == 7


def test_a_damaged_picture_is_named(tmp_path: Path, published: Published) -> None:
    pets = open_pets(published)
    for shard in published.release.manifest["shards"]:
        copy = tmp_path / shard["path"]
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(bytes(shard["bytes"]))

    class Damaged:
        def shard(self, name: str) -> Path:
            return tmp_path / name

    pets._reader = ShardReader(Damaged())
    with pytest.raises(UndecodablePictureError, match=pets.selection.id(0)):
        pets[0]


@pytest.mark.parametrize("mapped", [False, True])
def test_a_shard_that_ends_early_or_is_missing_is_named(tmp_path: Path, mapped: bool) -> None:
    release = loose_release(tmp_path, 2)
    reader = ShardReader(release, mapped=mapped)
    size = (tmp_path / "bytes").stat().st_size
    assert len(reader.read("bytes", 0, size)) == size
    with pytest.raises(ReleaseError, match=f"bytes ends before byte {size + 1}"):
        reader.read("bytes", 1, size)
    with pytest.raises(ReleaseError, match="other is missing"):
        reader.read("other", 0, 1)


@pytest.mark.parametrize("mapped", [False, True])
def test_more_shards_than_may_be_open_can_be_read(tmp_path: Path, mapped: bool) -> None:
    release = loose_release(tmp_path, 1)
    for number in range(MOST_OPEN + 40):
        (tmp_path / str(number)).write_bytes(str(number).encode())
    with ShardReader(release, mapped=mapped) as reader:
        for _ in range(2):
            for number in range(MOST_OPEN + 40):
                text = str(number)
                assert reader.read(text, 0, len(text)) == text.encode()
        assert len(list(Path("/proc/self/fd").iterdir())) < 1024


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_pictures_are_turned_as_pillow_turns_them(orientation: int, kind: str) -> None:
    picture = Image.fromarray(np.arange(36, dtype=np.uint8).reshape(3, 4, 3))
    exif, stream = Image.Exif(), BytesIO()
    exif[0x0112] = orientation
    picture.save(stream, kind, exif=exif)
    with Image.open(BytesIO(stream.getvalue())) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    assert orientation_of(stream.getvalue()) == orientation
    unturned = np.asarray(picture)
    assert turn_upright(unturned, orientation).shape == expected.shape
    if kind == "PNG":
        assert (turn_upright(unturned, orientation) == expected).all()


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\x00\x20Exif\0\0II*\0", b"GIF"]
)
def test_a_broken_block_has_no_orientation(data: bytes) -> None:
    assert orientation_of(data) == 1


def test_a_turned_picture_is_upright_unless_the_tag_is_ignored(workspace: Workspace) -> None:
    turned = publish_bodies(workspace, "turned", [jpeg(tags={"Orientation": 6}, size=(96, 64))])
    upright = safelight.dataset("turned", workspace=workspace, transform=np.asarray)[0]["image"]
    stored = safelight.dataset("turned", workspace=workspace, upright=False)[0]["image"]
    [body] = turned.bodies.values()
    expected = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(body))))
    assert upright.shape == expected.shape == (96, 64, 3)
    assert np.abs(upright.astype(int) - expected).mean() < 1
    assert stored.shape == (3, 64, 96)
