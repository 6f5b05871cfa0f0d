"""Check that what the catalog says is what lies on disk.

Problems are damage: lost, changed or contradicting files and rows. Notes are what is in order and yet worth a line:
files that a killed process has left and that maintenance removes, files without a recorded SHA-256.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from catalog.errors import AssetNotFoundError, SafelightError
from catalog.lake.choose_store import open_store
from catalog.lake.lake import Catalog, open_catalog
from catalog.maintenance.maintain import orphan_packs, upkeep_lock
from catalog.packs.assets import PACKS, AssetReader, list_packs
from catalog.packs.objects import Objects, hash_object, open_objects
from catalog.packs.spool import is_whole, unreadable_segments, waiting_segments
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.releases.index import release_folders
from catalog.releases.release import list_releases
from catalog.releases.revocations import revocation_problems
from catalog.releases.verify import verify_release
from catalog.stores import Store
from catalog.stores.ducklake.sqlite_check import sqlite_problems
from catalog.tables.tables_by_name import TABLES
from catalog.workspace.error_lines import first_paragraph
from catalog.workspace.progress import track
from catalog.workspace.workspace import Workspace

_UNREADABLE = (
    SafelightError,
    duckdb.Error,
    pa.ArrowException,
    OSError,
    ValueError,
    KeyError,
    TypeError,
)
# The last three: rows of a damaged file may hold anything.


@dataclass(frozen=True)
class Verification:
    """What `verify_workspace` found: problems and notes as sentences, and how many assets were looked at.

    `checked` counts what was looked at by its name for one, such as "table file".
    """

    problems: list[str]
    notes: list[str]
    assets: int
    checked: Mapping[str, int] = field(default_factory=dict, compare=False)


def verify_workspace(workspace: Workspace, *, rehash: bool = True) -> Verification:
    """Check a whole workspace, also while others write; maintenance waits meanwhile.

    With `rehash` every byte of table files, packs and releases is read. Where the catalog is too damaged to be opened,
    that is one of the problems.
    """
    store, notes, checked = open_store(workspace), list[str](), dict[str, int]()
    with _no_upkeep(workspace):
        problems = list(_answered("the catalog's database", store.check_database()))
        try:
            with open_catalog(workspace) as catalog:
                problems += _catalog_problems(catalog, rehash)
                checked = _counts(catalog)
                notes = list(_notes(catalog))
        except _UNREADABLE as error:
            problems.append(f"the tables cannot be read: {first_paragraph(error)}")
        problems += _answered("releases", _bad_releases(workspace, rehash))
        problems += sqlite_problems(workspace.frontier)
    checked |= _release_counts(workspace)
    return Verification(list(dict.fromkeys(problems)), notes, checked.get("asset", 0), checked)


def _counts(catalog: Catalog) -> dict[str, int]:
    """Count what there is to check below the tables, by its name for one."""
    (assets,) = catalog.records("SELECT count(*) AS n FROM assets")
    return {
        "database page": _pages(catalog.workspace.lake / "catalog.sqlite"),
        "table file": catalog.store.check_files().n_files,
        "pack": len(list_packs(catalog.workspace)),
        "asset": int(str(assets["n"])),
    }


def _pages(database: Path) -> int:
    """Count the pages of a SQLite file, whose size stands in its header; none of a file that is not there."""
    if not database.exists():
        return 0
    with database.open("rb") as raw:
        page_bytes = int.from_bytes(raw.read(18)[16:], "big")
    return database.stat().st_size // (65_536 if page_bytes == 1 else max(page_bytes, 1))


def _release_counts(workspace: Workspace) -> dict[str, int]:
    """Count releases and their files."""
    folders = release_folders(workspace.releases)
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {"release": len(folders), "release file": sum(1 for _ in files)}


def verify_catalog(catalog: Catalog, *, rehash: bool = True) -> list[str]:
    """Return what is wrong with the tables, packs and segments of a workspace, one line each; empty when nothing is.

    Checks that the database behind the tables is whole, the tables have their files and (with `rehash`) these have
    their recorded SHA-256, every key is unique, photos have their assets, every asset has its bytes in a pack and they
    hash to their name, and what waits in the spool is whole.
    """
    found = list(_answered("the catalog's database", catalog.store.check_database()))
    return found + _catalog_problems(catalog, rehash)


def _catalog_problems(catalog: Catalog, rehash: bool) -> list[str]:
    checks = {
        "files of the tables": _bad_files(catalog.store, rehash),
        "keys": repeated_keys(catalog),
        "photos": _lost_assets(catalog),
        "packs": _bad_packs(catalog, rehash),
        "spool": _bad_segments(catalog.workspace),
    }
    return [line for name, check in checks.items() for line in _answered(name, check)]


def _answered(name: str, check: Iterable[str]) -> Iterator[str]:
    """Go on with the other checks when files are too damaged for this one."""
    try:
        yield from check
    except _UNREADABLE as error:
        yield f"{name} cannot be checked: {first_paragraph(error)}"


@contextmanager
def _no_upkeep(workspace: Workspace) -> Iterator[None]:
    """Keep maintenance and takedowns away, which delete files; a home that cannot be written has none."""
    lock = upkeep_lock(workspace)
    try:
        lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _bad_files(store: Store, rehash: bool) -> Iterator[str]:
    yield from store.check_files(rehash=rehash).problems


def _notes(catalog: Catalog) -> Iterator[str]:
    files, packs = catalog.store.check_files(), list(orphan_packs(catalog))
    swept = f"left by a process that was killed; removed by: {command_name()} catalog maintain"
    for kind, listed in (("table files", files.orphans), ("packs", [p.name for p in packs])):
        if listed:
            yield f"{kind} that nothing names: {len(listed)}, such as {listed[0]} ({swept})"
    yield from catalog.store.notes()
    if files.without_sum:
        yield (
            f"table files without a recorded SHA-256: {files.without_sum}, written by an earlier version or by a "
            f"maintenance that was killed; recorded by: {command_name()} catalog maintain"
        )


def repeated_keys(catalog: Catalog) -> Iterator[str]:
    """Say which tables have a key, as their contract names it, in more than one row."""
    for table in map(TABLES.__getitem__, catalog.filled()):
        key = ", ".join(f'"{name}"' for name in table.key)
        sql = f"SELECT count(*) AS n FROM (SELECT 1 FROM {table.name} GROUP BY {key} HAVING count(*) > 1)"
        if n := catalog.records(sql)[0]["n"]:
            yield f"{table.name}: {counted(int(str(n)), 'key', 'stands')} in more than one row"


def _bad_packs(catalog: Catalog, rehash: bool) -> Iterator[str]:
    """Compare pictures with their hashes, and whole packs with their names: a footer belongs to no picture."""
    named = set[str]()
    for pack, line in _bad_assets(catalog, rehash):
        named.add(pack)
        yield line
    if not rehash:
        return
    objects, orphans = open_objects(catalog.workspace), {p.name for p in orphan_packs(catalog)}
    names = [s.name for s in objects.listed(PACKS) if s.name not in orphans]
    for name in track(names, "hash packs", unit="packs"):
        pack = name.removeprefix(f"{PACKS}/")
        digest = pack.removesuffix(".parquet")
        if pack not in named and len(digest) == 64 and _hash(objects, name) not in (digest, None):
            yield f"pack {pack} is damaged: its SHA-256 is not its name"
    objects.close()


def _hash(objects: Objects, name: str) -> str | None:
    try:
        return hash_object(objects, name)
    except FileNotFoundError:  # deleted since it was listed
        return None


def _bad_assets(catalog: Catalog, rehash: bool) -> Iterator[tuple[str, str]]:
    """Say which pictures are lost or damaged: the pack, and a sentence."""
    found = catalog.query(
        "SELECT sha256, pack, pack_offset, pack_length FROM assets ORDER BY pack, pack_offset"
    )
    with AssetReader(catalog.workspace) as reader:
        for row in track(found.to_pylist(), "check pictures", unit="pictures"):
            try:
                body = reader.read(row["pack"], row["pack_offset"], row["pack_length"])
            except AssetNotFoundError as error:
                yield row["pack"], f"asset {row['sha256']}: {error}"
                continue
            if rehash and hashlib.sha256(body).hexdigest() != row["sha256"]:
                yield row["pack"], f"asset {row['sha256']}: its bytes in {row['pack']} are damaged"


def _lost_assets(catalog: Catalog) -> Iterator[str]:
    lost = "FROM photos ANTI JOIN assets ON sha256 = asset_sha256 WHERE asset_sha256 IS NOT NULL"
    if n := catalog.records(f"SELECT count(*) AS n {lost}")[0]["n"]:
        yield f"photos: {counted(int(str(n)), 'row', 'names')} an asset that has no row in assets"


def _bad_segments(workspace: Workspace) -> Iterator[str]:
    yield from unreadable_segments(workspace)
    for segment in waiting_segments(workspace):
        try:
            whole = is_whole(segment, workspace)
        except FileNotFoundError:
            whole = False
        if not whole and segment.folder.exists():  # else it was committed meanwhile
            yield f"segment {segment.segment_id} in the spool is damaged"


def _bad_releases(workspace: Workspace, rehash: bool) -> Iterator[str]:
    for folder in sorted(workspace.releases.glob("[!.]*/[0-9]*")):
        if folder.is_dir() and not (folder / "manifest.json").exists():
            yield f"release {folder.parent.name}@{folder.name}: manifest.json is missing"
    yield from revocation_problems(workspace.releases)
    for release in list_releases(workspace) if rehash else ():
        name = f"release {release.name}@{release.version}"
        yield from (f"{name}: {line}" for line in _answered("it", verify_release(release)))
