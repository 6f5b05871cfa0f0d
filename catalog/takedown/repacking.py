"""Write packs again without some of their pictures."""

from collections.abc import Collection

import pyarrow as pa

from catalog.lake.lake import Catalog
from catalog.packs.assets import PACKS, AssetReader
from catalog.packs.objects import open_objects
from catalog.packs.spool import write_pack
from catalog.workspace.files import folder_aside, sha256_file
from catalog.workspace.progress import track

_KEPT = (
    "SELECT sha256, pack_offset, pack_length FROM assets WHERE pack = ? AND NOT list_contains(?, sha256) "
    "ORDER BY pack_offset"
)
PLACES = pa.schema(
    [
        ("sha256", pa.string()),
        ("pack", pa.string()),
        ("pack_offset", pa.int64()),
        ("pack_length", pa.int64()),
    ]
)


def repack(catalog: Catalog, packs: Collection[str], gone: Collection[str]) -> pa.Table:
    """Write what stays of each pack into a new one; return the new places (columns of `PLACES`).

    The old packs are left as they are. The same pictures make the same pack, so that doing it again after a kill
    leaves no stranger behind.
    """
    return pa.concat_tables(
        [
            PLACES.empty_table(),
            *(
                _repack(catalog, pack, gone)
                for pack in track(sorted(packs), "write packs again", unit="packs")
            ),
        ]
    )


def _repack(catalog: Catalog, pack: str, gone: Collection[str]) -> pa.Table:
    kept = catalog.query(_KEPT, [pack, sorted(gone)]).to_pylist()
    if not kept:
        return PLACES.empty_table()
    with AssetReader(catalog.workspace) as reader:
        bodies = reader.read_many([(pack, row["pack_offset"], row["pack_length"]) for row in kept])
    images = {row["sha256"]: body for row, body in zip(kept, bodies, strict=True)}
    with folder_aside(catalog.workspace.spool) as aside:
        ranges = write_pack(aside / "pack.parquet", images)
        name = f"{sha256_file(aside / 'pack.parquet')}.parquet"
        open_objects(catalog.workspace).put(f"{PACKS}/{name}", aside / "pack.parquet")
    return pa.Table.from_pylist(
        [
            {"sha256": sha, "pack": name, "pack_offset": place.offset, "pack_length": place.length}
            for sha, place in ranges.items()
        ],
        schema=PLACES,
    )


def delete_unused(catalog: Catalog, packs: Collection[str]) -> list[str]:
    """Delete those of `packs` that no row of assets names any more; return them."""
    used = {
        row["pack"]
        for row in catalog.records(
            "SELECT DISTINCT pack FROM assets WHERE list_contains(?, pack)", [sorted(packs)]
        )
    }
    objects = open_objects(catalog.workspace)
    unused = sorted(set(packs) - used)
    for pack in unused:
        objects.delete(f"{PACKS}/{pack}")
    return unused
