"""Read one copy of the photographs with one loader; bench_loader.py runs this script with that loader's Python.

    python loader_peers.py write NAME PICTURES COPY        make the copy of the pictures that NAME reads
    python loader_peers.py read NAME TASK COPY OUTPUT      read it, and write JSON: seconds, CPU seconds, pictures

Tasks: `raw` gives the bytes of every picture in shuffled order in one process; `pil` and `fast` give batches of 64 at
224 x 224, decoded by two workers: with Pillow's decoder and resize, or with simplejpeg's scaled decoder and OpenCV's
resize. One epoch warms up; what is measured are the epochs after it, the CPU of all processes counted.
"""

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image

SIDE, BATCH, WORKERS = 224, 64, 2
EPOCHS = {"raw": 10, "pil": 1, "fast": 2}
Epoch = Callable[[int], Iterable[Any]]
Transform = Callable[[Any], Any]


def with_pil(data: bytes) -> torch.Tensor:
    """Decode and resize as most scripts do; (3, SIDE, SIDE), uint8."""
    picture = Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE))
    return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())


def with_scaled_decode(data: bytes) -> torch.Tensor:
    """Decode at n/8 of the size and resize with OpenCV; (3, SIDE, SIDE), uint8."""
    import cv2
    import simplejpeg

    pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=SIDE, min_width=SIDE, strict=False)
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(small.transpose(2, 0, 1).copy())


def unchanged(data: bytes) -> bytes:
    return data


TRANSFORMS: dict[str, Transform] = {
    "raw": unchanged,
    "pil": with_pil,
    "fast": with_scaled_decode,
}


def torch_loader(dataset: Any, task: str, **options: Any) -> Any:
    """Make the DataLoader of every peer that uses torch's: none for raw bytes, else two workers that stay."""
    if task == "raw":
        return torch.utils.data.DataLoader(dataset, batch_size=None, **options)
    return torch.utils.data.DataLoader(
        dataset, batch_size=BATCH, num_workers=WORKERS, persistent_workers=True, **options
    )


def pictures_in(folder: Path) -> list[tuple[bytes, int]]:
    """Read the pictures of a folder, each with a label."""
    paths = sorted(folder.glob("*/*.jpg"))
    return [(path.read_bytes(), number % 10) for number, path in enumerate(paths)]


# --- webdataset


def write_webdataset(pictures: Path, copy: Path) -> None:
    import webdataset

    bodies = pictures_in(pictures)
    with webdataset.ShardWriter(str(copy / "%05d.tar"), maxcount=-(-len(bodies) // 8)) as writer:
        for number, (data, label) in enumerate(bodies):
            writer.write({"__key__": f"{number:06}", "jpg": data, "cls": str(label).encode()})


def read_webdataset(task: str, copy: Path) -> Epoch:
    import webdataset

    transform = TRANSFORMS[task]
    shards = sorted(map(str, copy.glob("*.tar")))
    dataset = (
        webdataset.WebDataset(shards, shardshuffle=100)
        .shuffle(1000)
        .map(lambda sample: (transform(sample["jpg"]), int(sample["cls"])))
    )
    if task == "raw":
        return lambda _: dataset
    loader = webdataset.WebLoader(
        dataset.batched(BATCH, collation_fn=torch.utils.data.default_collate),
        batch_size=None, num_workers=WORKERS, persistent_workers=True,
    )  # fmt: skip
    return lambda _: loader


# --- litdata


def litdata_sample(place: tuple[str, int, int]) -> dict[str, Any]:
    path, number, _ = place
    return {"image": Path(path).read_bytes(), "label": number % 10}


def write_litdata(pictures: Path, copy: Path) -> None:
    import litdata

    paths = sorted(map(str, pictures.glob("*/*.jpg")))
    places = [(path, number, 0) for number, path in enumerate(paths)]
    litdata.optimize(
        litdata_sample, places, str(copy), chunk_bytes="64MB", num_workers=1, verbose=False
    )


def read_litdata(task: str, copy: Path) -> Epoch:
    import litdata

    transform = TRANSFORMS[task]

    class Pictures(litdata.StreamingDataset):
        def __getitem__(self, index: Any) -> Any:
            sample = super().__getitem__(index)
            return transform(sample["image"]), sample["label"]

    dataset = Pictures(str(copy), shuffle=True)
    if task == "raw":
        return lambda _: dataset
    loader = litdata.StreamingDataLoader(
        dataset, batch_size=BATCH, num_workers=WORKERS, persistent_workers=True
    )
    return lambda _: loader


# --- MosaicML Streaming


def write_mds(pictures: Path, copy: Path) -> None:
    from streaming import MDSWriter

    columns = {"image": "bytes", "label": "int"}
    with MDSWriter(out=str(copy), columns=columns, size_limit="64mb") as writer:
        for data, label in pictures_in(pictures):
            writer.write({"image": data, "label": label})


def read_mds(task: str, copy: Path) -> Epoch:
    from streaming import StreamingDataset
    from streaming.base.util import clean_stale_shared_memory

    clean_stale_shared_memory()
    transform = TRANSFORMS[task]

    class Pictures(StreamingDataset):
        def __getitem__(self, index: Any) -> Any:
            sample = super().__getitem__(index)
            return transform(sample["image"]), sample["label"]

    dataset = Pictures(local=str(copy), remote=None, shuffle=True, batch_size=BATCH)
    loader = dataset if task == "raw" else torch_loader(dataset, task)
    return lambda _: loader


# --- Lance


def write_lance(pictures: Path, copy: Path) -> None:
    import lance
    import pyarrow as pa

    data, labels = zip(*pictures_in(pictures), strict=True)
    table = pa.table({"image": pa.array(data, pa.binary()), "label": pa.array(labels, pa.int64())})
    lance.write_dataset(table, str(copy / "pictures.lance"))


class LancePictures(torch.utils.data.Dataset[Any]):
    """Rows by number, a batch at a time, as Lance's documentation advises; opened in each worker."""

    def __init__(self, path: str, task: str) -> None:
        self.path, self.task, self.table = path, task, None

    def open(self) -> Any:
        """Open the table once in each process."""
        if self.table is None:
            import lance

            self.table = lance.dataset(self.path)
        return self.table

    def __len__(self) -> int:
        return int(self.open().count_rows())

    def __getitems__(self, rows: list[int]) -> list[Any]:
        taken = self.open().take(rows, columns=["image", "label"])
        transform = TRANSFORMS[self.task]
        pairs = zip(taken["image"].to_pylist(), taken["label"].to_pylist(), strict=True)
        return [(transform(data), label) for data, label in pairs]


def read_lance(task: str, copy: Path) -> Epoch:
    dataset = LancePictures(str(copy / "pictures.lance"), task)
    if task != "raw":
        # Lance's threads do not outlive a fork.
        loader = torch_loader(dataset, task, shuffle=True, multiprocessing_context="spawn")
        return lambda _: loader

    def epoch(number: int) -> Iterator[Any]:
        order = np.random.default_rng(number).permutation(len(dataset))
        for start in range(0, len(order), BATCH):
            yield from dataset.__getitems__(order[start : start + BATCH].tolist())

    return epoch


# --- Hugging Face datasets, streaming


def write_huggingface(pictures: Path, copy: Path) -> None:
    import datasets

    data, labels = zip(*pictures_in(pictures), strict=True)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = {"image": [{"bytes": each, "path": None} for each in data], "label": list(labels)}
    dataset = datasets.Dataset.from_dict(rows, features=features)
    for number in range(8):
        dataset.shard(8, number).to_parquet(str(copy / f"{number:05}.parquet"))


def read_huggingface(task: str, copy: Path) -> Epoch:
    import datasets

    datasets.disable_progress_bars()
    transform = TRANSFORMS[task]
    files = sorted(map(str, copy.glob("*.parquet")))
    dataset = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
    dataset = dataset.cast_column("image", datasets.Image(decode=False)).shuffle(
        0, buffer_size=1000
    )

    def prepare(row: dict[str, Any]) -> dict[str, Any]:
        return {"image": transform(row["image"]["bytes"]), "label": row["label"]}

    if task == "raw":
        return lambda _: map(prepare, dataset)
    loader = torch_loader(dataset.map(prepare), task)

    def epoch(number: int) -> Any:
        dataset.set_epoch(number)
        return loader

    return epoch


# --- a folder for each class, torchvision's ImageFolder


def write_imagefolder(pictures: Path, copy: Path) -> None:
    for number, path in enumerate(sorted(pictures.glob("*/*.jpg"))):
        target = copy / str(number % 10) / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())


def read_imagefolder(task: str, copy: Path) -> Epoch:
    from torchvision.datasets import ImageFolder

    dataset = ImageFolder(
        str(copy), transform=TRANSFORMS[task], loader=lambda path: Path(path).read_bytes()
    )
    loader = torch_loader(dataset, task, shuffle=True)
    return lambda _: loader


# --- Safelight


def write_safelight(pictures: Path, copy: Path) -> None:
    import hashlib

    from catalog import Workspace, open_catalog, publish, rows, write_segment

    bodies = {hashlib.sha256(data).hexdigest(): (data, n) for data, n in pictures_in(pictures)}
    workspace = Workspace.at(copy)
    assets = [
        {"sha256": sha, "bytes": len(data), "format": "JPEG", "header_status": "ok"}
        for sha, (data, _) in bodies.items()
    ]
    images = [(sha, data) for sha, (data, _) in bodies.items()]
    write_segment(workspace, {"assets": rows("assets", assets)}, job="crawl:bench", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    items = [
        {
            "run_id": "bench", "asset_sha256": sha, "photo_id": sha[:32], "source": "bench",
            "source_photo_id": sha, "group_id": sha, "split": "train", "iso_bin": label % 3,
            "weight": 1.0, "licence": "unknown", "training_allowed": True, "training_basis": "a benchmark",
        }
        for sha, (_, label) in bodies.items()
    ]  # fmt: skip
    publish(workspace, "bench", rows("curated_items", items), plan={"seed": 0}, run_id="bench")


def read_safelight(task: str, copy: Path) -> Epoch:
    import safelight

    if task == "raw":
        dataset = safelight.dataset("bench", labels=["iso_bin"], decode=False, workspace=copy)

        def epoch(number: int) -> Iterator[Any]:
            for row in np.random.default_rng(number).permutation(len(dataset)):
                yield dataset[row]

        return epoch
    loader = safelight.loader(
        "bench", size=SIDE, crop="whole", batch_size=BATCH, labels=["iso_bin"], threads=WORKERS,
        workspace=copy,
    )  # fmt: skip
    return lambda _: loader


PEERS: dict[str, tuple[str, Callable[[Path, Path], None], Callable[[str, Path], Epoch]]] = {
    "safelight": ("safelight", write_safelight, read_safelight),
    "webdataset": ("webdataset", write_webdataset, read_webdataset),
    "litdata": ("litdata", write_litdata, read_litdata),
    "mds": ("mosaicml-streaming", write_mds, read_mds),
    "lance": ("pylance", write_lance, read_lance),
    "huggingface": ("datasets", write_huggingface, read_huggingface),
    "imagefolder": ("torchvision", write_imagefolder, read_imagefolder),
}


def cpu_s() -> float:
    """Return the CPU seconds of this process and of its children, those that have ended and those that run."""
    ended, total = os.times(), time.process_time()
    total += ended.children_user + ended.children_system
    for process in psutil.Process().children(recursive=True):
        times = process.cpu_times()
        total += times.user + times.system
    return total


def count(batch: Any, task: str) -> int:
    """Return the number of pictures of a batch, and make sure that they are pictures."""
    if task == "raw":
        return 1
    pictures = batch["image"] if isinstance(batch, dict) else batch[0]
    assert tuple(pictures.shape[1:]) == (3, SIDE, SIDE), pictures.shape
    assert pictures.dtype == torch.uint8
    return len(pictures)


def measure(name: str, task: str, copy: Path) -> dict[str, Any]:
    """Read one epoch to warm up, and those that are measured."""
    started = time.perf_counter()
    epoch = PEERS[name][2](task, copy)
    first = 0.0
    for batch in epoch(0):
        first = first or time.perf_counter() - started
        count(batch, task)
    pictures, wall, cpu = 0, time.perf_counter(), cpu_s()
    for number in range(1, EPOCHS[task] + 1):
        pictures += sum(count(batch, task) for batch in epoch(number))
    return {
        "pictures": pictures, "seconds": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu,
        "first_batch_s": first, "version": version(PEERS[name][0]), "torch": torch.__version__,
    }  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    job, name, *words = sys.argv[1:]
    if job == "write":
        pictures, copy = map(Path, words)
        copy.mkdir(parents=True)
        PEERS[name][1](pictures, copy)
        return
    task, folder, output = words
    Path(output).write_text(json.dumps(measure(name, task, Path(folder))), "utf-8")
    os._exit(0)  # some loaders keep threads and locks that wait at the end


if __name__ == "__main__":
    main()
