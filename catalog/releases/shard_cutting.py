"""Cut the pictures of a release into shards on ranges of their keys, so that a later version changes few of them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.errors import ReleaseError
from catalog.lake.lake import Catalog
from catalog.packs.assets import AssetReader
from catalog.packs.shards import ImageRange, ShardWriter, row_groups
from catalog.releases.release import SPLITS
from catalog.releases.rendering.renditions import RenditionMaker
from catalog.workspace.progress import ProgressTask, progress_task

SHARD_BYTES = 256 * 2**20


def _write_shards(
    catalog: Catalog, labels: pa.Table, folder: Path, limit: int, plan: Mapping[str, Any]
) -> pa.Table:
    """Write every shard and return the index: labels with the place of each picture and rendition of the plan."""
    (folder / "data").mkdir()
    places = _places(catalog)
    parts = []
    with (
        AssetReader(catalog.workspace) as reader,
        RenditionMaker(plan) as renditions,
        progress_task("write shards", len(labels), "pictures") as task,
    ):
        for shard, part in _cut(labels, places, limit):
            part_places = [places[sha] for sha in part["asset_sha256"].to_pylist()]
            parts.append(_write_shard(folder, shard, part, part_places, (reader, renditions, task)))
    return pa.concat_tables(parts)


Place = tuple[str, int, int, str | None]
"""Where an asset lies: pack, offset, length, format."""


def _places(catalog: Catalog) -> dict[str, Place]:
    assets = catalog.query("SELECT sha256, pack, pack_offset, pack_length, format FROM assets")
    columns = [assets[name].to_pylist() for name in assets.column_names]
    return {sha: tuple(place) for sha, *place in zip(*columns, strict=True)}


def _cut(
    labels: pa.Table, places: Mapping[str, Place], limit: int
) -> Iterator[tuple[str, pa.Table]]:
    """Cut rows by split and then by equal ranges of the SHA-256, a power of two of them."""
    for split in SPLITS:
        part = labels.filter(pc.equal(labels["split"], split))
        if not len(part):
            continue
        size = sum(places[sha][2] for sha in part["asset_sha256"].to_pylist())
        count = 1
        while size / count > limit / 2:
            count *= 2
        bucket = pa.array([int(s[:8], 16) * count >> 32 for s in part["asset_sha256"].to_pylist()])
        for number in range(count):
            chosen = part.filter(pc.equal(bucket, number))
            if len(chosen):
                yield f"data/{split}-{number:05d}-of-{count:05d}.parquet", chosen


def _write_shard(
    folder: Path,
    shard: str,
    part: pa.Table,
    places: Sequence[Place],
    tools: tuple[AssetReader, RenditionMaker, ProgressTask],
) -> pa.Table:
    reader, renditions, task = tools
    names = [
        f"{sha}.{(place[3] or 'bin').lower()}"
        for sha, place in zip(part["asset_sha256"].to_pylist(), places, strict=True)
    ]
    kind = "Audio" if places and all(place[3] == "WAV" for place in places) else "Image"
    schema = part.schema.with_metadata(_features(part.schema, renditions.names, kind))
    with ShardWriter(folder / shard, schema, renditions.names) as writer:
        for group in row_groups([place[2] for place in places]):
            bodies = reader.read_many([place[:3] for place in places[group]])
            bodies = [
                _checked(body, place, n)
                for body, place, n in zip(bodies, places[group], names[group], strict=True)
            ]
            here = part.slice(group.start, len(bodies))
            writer.write(bodies, names[group], here, renditions.make(bodies))
            task.advance(len(bodies))
    located = {
        "shard": pa.array([shard] * len(part), pa.string()),
        **_located("", writer.ranges),
        "sha256": part["asset_sha256"],
    }
    for name, ranges in writer.rendition_ranges.items():
        located |= _located(f"{name}_", ranges)
    for column, values in located.items():
        part = part.append_column(column, values)
    return part


def _located(prefix: str, ranges: Sequence[ImageRange]) -> dict[str, pa.Array]:
    return {
        f"{prefix}offset": pa.array([each.offset for each in ranges], pa.int64()),
        f"{prefix}length": pa.array([each.length for each in ranges], pa.int64()),
    }


def _checked(body: bytes, place: Place, name: str) -> bytes:
    """Make sure that the bytes of a picture are the ones its row names."""
    if hashlib.sha256(body).hexdigest() != name.split(".", maxsplit=1)[0]:
        raise ReleaseError(f"the bytes of {name} in pack {place[0]} are damaged; nothing published")
    return body


def _features(schema: pa.Schema, renditions: Sequence[str], kind: str) -> dict[str, str]:
    """Describe the columns for `datasets.load_dataset`, which keeps this in the file's metadata.

    `kind` is Image or Audio: what the bytes of column `image` are.
    """
    kinds = {"double": "float64", "string": "string", "bool": "bool", "int32": "int32"}
    features: dict[str, dict[str, str]] = {name: {"_type": kind} for name in ("image", *renditions)}
    features |= {f.name: {"dtype": kinds[str(f.type)], "_type": "Value"} for f in schema}
    return {"huggingface": json.dumps({"info": {"features": features}})}
