"""Export a release for readers that want another layout: webdataset, imagefolder, a Hugging Face folder, Croissant.

The shards of a release are what `datasets`, DuckDB, polars and pandas read already; an export is for programs that
stream tar files or walk folders. Attribution goes along in every format. Nothing is encoded again, the same release
gives the same bytes.
"""

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.errors import ReleaseError
from catalog.plurals import counted
from catalog.releases.cards.card import write_card
from catalog.releases.cards.croissant import write_croissant
from catalog.releases.loading import Pictures
from catalog.releases.publish import class_counts
from catalog.releases.release import CLASSES, Release
from catalog.releases.rendering.renditions import place_columns
from catalog.workspace.files import folder_aside, link, settle
from catalog.workspace.progress import track

TAR_BYTES = 256 * 2**20
NO_CLASS = "missing"


@dataclass(frozen=True)
class Exported:
    """What an export wrote: pictures by split, files, bytes."""

    folder: Path
    format: str
    splits: dict[str, int]
    files: int
    bytes: int


@dataclass(frozen=True)
class ExportOrder:
    """How to export: `splits` None means all; `label` is the column whose values name the classes of imagefolder."""

    format: str
    splits: tuple[str, ...] | None = None
    label: str = "iso_bin"
    tar_bytes: int = TAR_BYTES


def export(release: Release, folder: Path, order: ExportOrder) -> Exported:
    """Write `release` into the new folder `folder`, which appears when all of it is there.

    Raises `ReleaseError` when the folder exists, the format, split or label column is unknown, or the count is not
    right.
    """
    if order.format not in FORMATS:
        raise ReleaseError(f"no format {order.format!r}; known: {', '.join(FORMATS)}")
    if folder.exists():
        raise ReleaseError(f"{folder} exists already; export into a new folder")
    pictures_by_split = release.manifest["splits"]
    splits = order.splits or tuple(pictures_by_split)
    if strange := sorted(set(splits) - set(pictures_by_split)):
        raise ReleaseError(
            f"no split {', '.join(strange)}; there is {', '.join(pictures_by_split)}"
        )
    with folder_aside(folder.absolute().parent) as aside:
        FORMATS[order.format](release, aside, splits, order)
        _add_attribution(release, aside, splits)
        _check(release, aside, order.format, splits)
        files = [path for path in aside.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        settle(aside, folder)
    return Exported(
        folder, order.format, {s: pictures_by_split[s] for s in splits}, len(files), size
    )


def _pictures(release: Release, splits: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], bytes]]:
    for split in splits:
        n = release.manifest["splits"][split]
        with Pictures(release, split) as pictures:
            yield from track(pictures, f"export {split}", n, "pictures")


def _name(release: Release, row: Mapping[str, Any], names: dict[str, dict[str, str]]) -> str:
    """Give the file name of a picture, `SHA-256.format`, as its shard has it."""
    shard = row["shard"]
    if shard not in names:
        with pq.ParquetFile(release.shard(shard)) as parquet:
            image = parquet.read(columns=["image.path"])["image"].combine_chunks()
        names.clear()
        names[shard] = {path.split(".", 1)[0]: path for path in image.field("path").to_pylist()}
    return names[shard][row["asset_sha256"]].replace(".jpeg", ".jpg")


def _webdataset(
    release: Release, folder: Path, splits: tuple[str, ...], order: ExportOrder
) -> None:
    """Write `SPLIT-000000.tar`: KEY.jpg and KEY.json (the row), KEY is the SHA-256; entries carry no time and owner."""
    names: dict[str, dict[str, str]] = {}
    places = ("shard", "offset", "length", *place_columns(release.manifest["plan"]))
    for split, pictures in groupby(
        _pictures(release, splits), key=lambda picture: picture[0]["split"]
    ):
        number, held, tar = 0, 0, None
        for row, body in pictures:
            if tar is None or held + len(body) > order.tar_bytes:
                if tar is not None:
                    tar.close()
                path = folder / f"{split}-{number:06d}.tar"
                tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed when it is full
                number, held = number + 1, 0
            _add(tar, _name(release, row, names), body)
            metadata = {key: value for key, value in row.items() if key not in places}
            _add(tar, f"{row['asset_sha256']}.json", json.dumps(metadata, sort_keys=True).encode())
            held += len(body)
        if tar is not None:
            tar.close()


def _add(tar: tarfile.TarFile, name: str, body: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(body), 0o644
    tar.addfile(entry, io.BytesIO(body))


def _imagefolder(
    release: Release, folder: Path, splits: tuple[str, ...], order: ExportOrder
) -> None:
    """Write `SPLIT/CLASS/SHA-256.jpg`; bins are named low, medium and high, no value is `missing`."""
    if order.label not in release.manifest["schema"]:
        raise ReleaseError(
            f"no column {order.label!r} to take classes from; there is {', '.join(release.manifest['schema'])}"
        )
    names: dict[str, dict[str, str]] = {}
    for row, body in _pictures(release, splits):
        path = folder / row["split"] / _class(order.label, row[order.label])
        path.mkdir(parents=True, exist_ok=True)
        (path / _name(release, row, names)).write_bytes(body)


def _class(label: str, value: object) -> str:
    if value is None or value == "":
        return NO_CLASS
    if label.endswith("_bin") and isinstance(value, int):
        return CLASSES[value]
    plain = "".join(c if c.isalnum() or c in " ._-" else "_" for c in str(value)).strip(" .")
    return plain[:100] or NO_CLASS


def _huggingface(
    release: Release, folder: Path, splits: tuple[str, ...], _order: ExportOrder
) -> None:
    """Write the shards and a card for them: `datasets.load_dataset("FOLDER")` opens it."""
    manifest, licences = _described(release, splits)
    _link_shards(release, folder, manifest)
    (folder / "README.md").write_text(write_card(manifest, licences), "utf-8")


def _croissant(
    release: Release, folder: Path, splits: tuple[str, ...], _order: ExportOrder
) -> None:
    """Write the shards and `croissant.json` for them."""
    manifest, licences = _described(release, splits)
    _link_shards(release, folder, manifest)
    (folder / "croissant.json").write_text(write_croissant(manifest, licences), "utf-8")


FORMATS: dict[str, Callable[[Release, Path, tuple[str, ...], ExportOrder], None]] = {
    "webdataset": _webdataset,
    "huggingface": _huggingface,
    "imagefolder": _imagefolder,
    "croissant": _croissant,
}
"""Format -> what writes it."""


def _described(release: Release, splits: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, int]]:
    """Cut the manifest down to some splits; count the licences of their pictures."""
    index = release.index()
    part = index.filter(pc.is_in(index["split"], value_set=pa.array(splits)))
    shards = set(part["shard"].to_pylist())
    manifest = release.manifest | {
        "splits": {split: release.manifest["splits"][split] for split in splits},
        "n_items": len(part),
        "class_counts": class_counts(part, release.manifest["plan"]),
        "shards": [shard for shard in release.manifest["shards"] if shard["path"] in shards],
    }
    counted = pc.value_counts(part["licence"]).to_pylist()
    return manifest, {pair["values"]: pair["counts"] for pair in counted}


def _link_shards(release: Release, folder: Path, manifest: Mapping[str, Any]) -> None:
    for shard in manifest["shards"]:
        link(release.shard(shard["path"]), folder / shard["path"])


def _add_attribution(release: Release, folder: Path, splits: tuple[str, ...]) -> None:
    """Write the author line of every exported picture beside them."""
    index = release.index()
    here = index.filter(pc.is_in(index["split"], value_set=pa.array(splits)))["asset_sha256"]
    attribution = pq.read_table(release.path / "attribution.parquet")
    kept = pc.is_in(attribution["asset_sha256"], value_set=here.combine_chunks())
    pq.write_table(attribution.filter(kept), folder / "attribution.parquet", compression="zstd")
    if not (folder / "README.md").exists():
        shutil.copyfile(release.path / "README.md", folder / "README.md")


def _check(release: Release, folder: Path, style: str, splits: tuple[str, ...]) -> None:
    """Count what was written; raises `ReleaseError` when it is not what the manifest says."""
    for split in splits:
        expected, written = release.manifest["splits"][split], _count(folder, style, split)
        if written != expected:
            raise ReleaseError(
                f"{split}: {counted(written, 'picture', 'was')} written, {expected} should be there"
            )


def _count(folder: Path, style: str, split: str) -> int:
    if style == "webdataset":
        tars = folder.glob(f"{split}-*.tar")
        return sum(len(tarfile.open(path).getmembers()) // 2 for path in tars)
    if style == "imagefolder":
        return sum(1 for path in (folder / split).glob("*/*") if path.is_file())
    return sum(pq.read_metadata(path).num_rows for path in folder.glob(f"data/{split}-*.parquet"))
