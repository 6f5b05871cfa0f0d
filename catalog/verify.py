"""Check that what the catalog says is what lies on disk."""

import hashlib
from collections.abc import Iterator

import pyarrow.parquet as pq

from catalog.assets import AssetReader, packs
from catalog.errors import AssetNotFoundError, LayoutError
from catalog.files import folder_aside, wrong_sums
from catalog.lake import Catalog
from catalog.release_bucket import copy
from catalog.releases import Release
from catalog.schemas import TABLES
from catalog.shards import locate


def verify_catalog(catalog: Catalog, *, rehash: bool = True) -> list[str]:
    """Return what is wrong with a workspace, one line each; empty when nothing is.

    Checks that every key is unique, every file has a picture in a pack and (with `rehash`) that the bytes
    hash to their name, and that no pack lies about that no row mentions.
    """
    return [*_repeated_keys(catalog), *_bad_assets(catalog, rehash), *_strange_packs(catalog)]


def _repeated_keys(catalog: Catalog) -> Iterator[str]:
    for table in TABLES.values():
        key = ", ".join(f'"{name}"' for name in table.key)
        sql = f"SELECT count(*) AS n FROM (SELECT 1 FROM {table.name} GROUP BY {key} HAVING count(*) > 1)"
        if n := catalog.records(sql)[0]["n"]:
            yield f"{table.name}: {n} keys stand in more than one row"


def _bad_assets(catalog: Catalog, rehash: bool) -> Iterator[str]:
    found = catalog.query(
        "SELECT sha256, pack, pack_offset, pack_length FROM assets ORDER BY pack, pack_offset"
    )
    with AssetReader(catalog.workspace) as reader:
        for row in found.to_pylist():
            try:
                body = reader.read(row["pack"], row["pack_offset"], row["pack_length"])
            except AssetNotFoundError as error:
                yield f"asset {row['sha256']}: {error}"
                continue
            if rehash and hashlib.sha256(body).hexdigest() != row["sha256"]:
                yield f"asset {row['sha256']}: its bytes in {row['pack']} are damaged"


def _strange_packs(catalog: Catalog) -> Iterator[str]:
    known = {row["pack"] for row in catalog.records("SELECT DISTINCT pack FROM assets")}
    for pack in packs(catalog.workspace):
        if pack not in known:
            yield f"pack {pack} is mentioned by no row of assets"


def verify_release(release: Release) -> list[str]:
    """Return what is wrong with a release, one line each; empty when nothing is.

    Checks the checksums, that each picture lies where the index says and hashes to its name, and that
    no group stands in two splits. A release in a bucket is copied from there again: it is the bucket that counts.
    """
    if release.bucket:
        with folder_aside(release.path.parent.parent) as aside:
            copy(release.bucket, aside, release.name, release.version)
            return verify_release(Release(release.name, release.version, aside))
    return [*wrong_sums(release.path), *_bad_pictures(release), *_cut_groups(release)]


def _bad_pictures(release: Release) -> Iterator[str]:
    places = pq.read_table(
        release.path / "_index.parquet", columns=["shard", "offset", "length", "sha256"]
    ).to_pylist()
    for shard in sorted({place["shard"] for place in places}):
        path = release.shard(shard)
        try:
            written = {(found.offset, found.length) for found in locate(path)}
        except (LayoutError, OSError) as error:
            yield f"{shard}: {error}"
            continue
        with path.open("rb") as raw:
            for place in (p for p in places if p["shard"] == shard):
                raw.seek(place["offset"])
                body = raw.read(place["length"])
                right = hashlib.sha256(body).hexdigest() == place["sha256"]
                if not right or (place["offset"], place["length"]) not in written:
                    yield f"{shard}: picture {place['sha256']} is not at byte {place['offset']}"


def _cut_groups(release: Release) -> Iterator[str]:
    splits: dict[str, set[str]] = {}
    index = release.index()
    for group, split in zip(index["group_id"].to_pylist(), index["split"].to_pylist(), strict=True):
        splits.setdefault(group, set()).add(split)
    cut = sorted(group for group, found in splits.items() if len(found) > 1)
    yield from (f"group {group} stands in {len(splits[group])} splits" for group in cut)
