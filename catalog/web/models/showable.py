"""Which pictures the pages about models may show: those that the catalog holds and that nothing blocks."""

from collections import defaultdict
from collections.abc import Collection

from catalog.lake.lake import Catalog
from catalog.lake.tombstones import read_blocked

_HELD = "SELECT sha256 FROM assets JOIN (SELECT unnest(?::VARCHAR[]) AS sha256) USING (sha256)"
_BLOCKED = """
SELECT DISTINCT asset_sha256 FROM photos WHERE asset_sha256 IS NOT NULL AND (
    list_contains($1, photo_id) OR list_contains($2, lower(photographer))
    OR len(list_filter($3, x -> starts_with(page_url, x) OR starts_with(image_url, x))) > 0)
"""
_ITEMS = "SELECT asset_sha256 FROM dataset_items WHERE dataset = ? AND version = ?"


def showable(catalog: Catalog, shas: Collection[str]) -> set[str]:
    """Return those of these pictures that are neither taken down nor blocked (by hash, photo, author or address)."""
    if not shas:
        return set()
    held = catalog.records(_HELD, [list(shas)])
    return {str(row["sha256"]) for row in held} - _blocked(catalog)


def _blocked(catalog: Catalog) -> set[str]:
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, value in read_blocked(catalog):
        by_kind[kind].append(value)
    if not by_kind:
        return set()
    about_photos = [by_kind[kind] for kind in ("photo", "photographer", "url_prefix")]
    rows = catalog.records(_BLOCKED, about_photos)
    return {str(row["asset_sha256"]) for row in rows} | set(by_kind["sha256"])


def is_all_showable(catalog: Catalog, dataset: str, version: str) -> bool:
    """Whether every picture of a release may be shown; not of a release that the catalog does not know."""
    shas = [str(row["asset_sha256"]) for row in catalog.records(_ITEMS, [dataset, version])]
    return bool(shas) and len(showable(catalog, shas)) == len(set(shas))
