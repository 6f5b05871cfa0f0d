"""Find what a takedown is about: photos, files, copies, releases, models, packs."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from catalog.lake.lake import Catalog
from catalog.releases.release import Release, find_release, list_releases
from catalog.workspace.workspace import Workspace

Kind = Literal["photographer", "url_prefix", "sha256", "photo"]

_MATCHES = {
    "photographer": "lower(photographer) = lower($value)",
    "url_prefix": "starts_with(page_url, $value) OR starts_with(image_url, $value) "
    "OR starts_with(photographer_url, $value)",
    "sha256": "asset_sha256 = $value",
    "photo": "photo_id = $value",
}


@dataclass(frozen=True)
class AffectedRelease:
    """A release in this workspace that holds some of the pictures; `own` if it was published here."""

    name: str
    version: str
    digest: str
    pictures: int
    own: bool

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class TakedownMatches:
    """What a takedown is about; photos by id, files by SHA-256, packs by file name.

    `copies` are near-duplicates that are not part of it; `shared` are photos by others that list the same bytes.
    """

    photos: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    releases: tuple[AffectedRelease, ...] = ()
    models: tuple[str, ...] = ()


def find(catalog: Catalog, kind: Kind, value: str, *, with_copies: bool = False) -> TakedownMatches:
    """Look everywhere in a workspace; changes nothing."""
    matching = _photos(catalog, _MATCHES[kind].replace("$value", "?"), value)
    photos = {photo for photo, _ in matching}
    # A photo whose picture was changed at its source has had other bytes before: they go too.
    assets = _assets_of(catalog, photos) if kind != "sha256" else set()
    if kind == "sha256":
        rows = catalog.records("SELECT sha256 FROM assets WHERE sha256 = ?", [value])
        assets |= {str(row["sha256"]) for row in rows} | {a for _, a in matching if a}
    copies = _copies(catalog, assets)
    if with_copies:
        assets, copies = assets | copies, set()
    listing = _listing(catalog, assets)
    affected = tuple(_affected(catalog, assets))
    return TakedownMatches(
        photos=tuple(sorted(photos | listing)),
        assets=tuple(sorted(assets)),
        copies=tuple(sorted(copies)),
        shared=tuple(sorted(listing - photos)) if kind != "sha256" else (),
        packs=tuple(_packs(catalog, assets)),
        releases=affected,
        models=tuple(_models(catalog, affected)),
    )


def _photos(catalog: Catalog, condition: str, value: str) -> set[tuple[str, str | None]]:
    sql = f"SELECT DISTINCT photo_id, asset_sha256 FROM photos WHERE {condition}"
    columns = catalog.query(sql, [value] * condition.count("?"))
    return set(zip(columns[0].to_pylist(), columns[1].to_pylist(), strict=True))


def _listed(catalog: Catalog, sql: str, values: Collection[str]) -> set[str]:
    """Run a statement with one list of texts as its parameter and return its first column."""
    if not values:
        return set()
    return {value for value in catalog.query(sql, [sorted(values)])[0].to_pylist() if value}


def _assets_of(catalog: Catalog, photos: Collection[str]) -> set[str]:
    sql = "SELECT DISTINCT asset_sha256 FROM photos WHERE list_contains(?, photo_id)"
    return _listed(catalog, sql, photos)


def _listing(catalog: Catalog, assets: Collection[str]) -> set[str]:
    sql = "SELECT DISTINCT photo_id FROM photos WHERE list_contains(?, asset_sha256)"
    return _listed(catalog, sql, assets)


def _copies(catalog: Catalog, assets: set[str]) -> set[str]:
    sql = (
        "SELECT DISTINCT other.asset_sha256 FROM duplicate_groups one JOIN duplicate_groups other "
        "USING (run_id, group_id) WHERE list_contains(?, one.asset_sha256)"
    )
    return _listed(catalog, sql, assets) - assets


def _packs(catalog: Catalog, assets: Collection[str]) -> list[str]:
    sql = "SELECT DISTINCT pack FROM assets WHERE list_contains(?, sha256)"
    return sorted(_listed(catalog, sql, assets))


def _affected(catalog: Catalog, assets: Collection[str]) -> Iterator[AffectedRelease]:
    asset_names = pa.array(sorted(assets), pa.string())
    rows = catalog.records("SELECT dataset, version FROM datasets")
    own = {(row["dataset"], row["version"]) for row in rows}
    for listed in list_releases(catalog.workspace) if assets else ():
        release = find_release(catalog.workspace, f"{listed.name}@{listed.version}")
        if release.deleted_data:
            continue
        held = pc.sum(pc.is_in(release.index()["asset_sha256"], value_set=asset_names)).as_py()
        if held:
            identity = release.name, release.version
            yield AffectedRelease(*identity, release.digest, held, identity in own)


def _models(catalog: Catalog, affected: Collection[AffectedRelease]) -> list[str]:
    digests = {release.digest for release in affected}
    sql = "SELECT model_id FROM models WHERE list_contains(?, dataset_digest)"
    return sorted(_listed(catalog, sql, digests))


def release_of(workspace: Workspace, affected: AffectedRelease) -> Release:
    """Open an affected release, brought here if it lies in a bucket."""
    return find_release(workspace, str(affected))
