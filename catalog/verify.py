"""Check that what the catalog says is what lies on disk."""

import hashlib
from collections.abc import Iterator

from catalog.assets import AssetReader, packs
from catalog.errors import AssetNotFoundError
from catalog.lake import Catalog
from catalog.schemas import TABLES


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
