"""Check that what the catalog says is what lies on disk."""

import hashlib
from collections.abc import Iterator

import pyarrow.parquet as pq

from catalog.assets import AssetReader
from catalog.errors import AssetNotFoundError, LayoutError, QueryError
from catalog.files import folder_aside, wrong_sums
from catalog.lake import Catalog
from catalog.maintenance import strange_packs
from catalog.release_bucket import copy
from catalog.releases import Release
from catalog.schemas import TABLES
from catalog.shards import locate
from catalog.spool import is_whole, ready
from catalog.workspace import Workspace


def verify_catalog(catalog: Catalog, *, rehash: bool = True) -> list[str]:
    """Return what is wrong with a workspace, one line each; empty when nothing is.

    Checks that the tables have their files and no others, every key is unique, photos have their assets, every asset
    has its bytes in a pack and (with `rehash`) they hash to their name, no pack lies about that nothing mentions, and
    what waits in the spool is whole.
    """
    checks = {
        "files of the tables": catalog.store.problems(),
        "keys": _repeated_keys(catalog),
        "photos": _lost_assets(catalog),
        "assets": _bad_assets(catalog, rehash),
        "packs": _strange_packs(catalog),
        "spool": _bad_segments(catalog.workspace),
    }
    return [line for name, check in checks.items() for line in _answered(name, check)]


def _answered(name: str, check: Iterator[str]) -> Iterator[str]:
    """Go on with the other checks when tables are too damaged for this one."""
    try:
        yield from check
    except QueryError as error:
        yield f"{name} cannot be checked: {error}"


def _strange_packs(catalog: Catalog) -> Iterator[str]:
    for pack in strange_packs(catalog):
        yield f"pack {pack.name.removeprefix('packs/')} is mentioned by no row of assets"


def _repeated_keys(catalog: Catalog) -> Iterator[str]:
    for table in map(TABLES.__getitem__, catalog.filled()):
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


def _lost_assets(catalog: Catalog) -> Iterator[str]:
    lost = "FROM photos ANTI JOIN assets ON sha256 = asset_sha256 WHERE asset_sha256 IS NOT NULL"
    if n := catalog.records(f"SELECT count(*) AS n {lost}")[0]["n"]:
        yield f"photos: {n} rows name an asset that has no row in assets"


def _bad_segments(workspace: Workspace) -> Iterator[str]:
    for segment in ready(workspace):
        if not is_whole(segment, workspace):
            yield f"segment {segment.segment_id} in the spool is damaged"


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
