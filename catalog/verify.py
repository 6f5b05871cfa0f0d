"""Check that what the catalog says is what lies on disk."""

import hashlib
from collections.abc import Iterator

from catalog.assets import AssetReader
from catalog.errors import AssetNotFoundError, QueryError
from catalog.lake import Catalog
from catalog.maintenance import strange_packs
from catalog.schemas import TABLES
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
