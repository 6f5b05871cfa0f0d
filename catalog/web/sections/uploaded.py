"""What the catalog has about the bytes of an uploaded picture: source, licence, decision, releases and their splits."""

from dataclasses import dataclass

from catalog.lake.lake import Catalog
from catalog.web.sections.formatting import web_link
from catalog.web.sections.picture import SECTIONS
from catalog.web.sections.section import Row

MOST_RELEASES = 5


@dataclass(frozen=True)
class ReleaseUse:
    """A release that has the picture, and in which split."""

    dataset: str
    version: str
    split: str


@dataclass(frozen=True)
class CatalogPicture:
    """The picture of the catalog with these bytes; empty texts where the catalog has nothing.

    `decision` is that of the newest curation run: kept, dropped because of `reason`, or empty before any. `split` is
    that of the release that the model was trained on, empty if the picture is not in it.
    """

    sha256: str
    source: str
    page_url: str
    licence: str
    training_allowed: bool | None
    decision: str
    reason: str
    releases: tuple[ReleaseUse, ...]
    split: str


def describe_upload(
    catalog: Catalog, sha256: str, dataset: str, version: str
) -> CatalogPicture | None:
    """Look a file up by the SHA-256 of its bytes, for a model of this release; None if the catalog has no such file."""
    if not catalog.records("SELECT 1 FROM assets WHERE sha256 = ?", [sha256]):
        return None
    photo: Row = next(iter(catalog.records(SECTIONS["photos"], [sha256])), {})
    uses = [
        ReleaseUse(*(str(row[name] or "") for name in ("dataset", "version", "split")))
        for row in catalog.records(SECTIONS["releases"], [sha256])
    ]
    decision, reason = _decision(catalog, sha256)
    allowed = photo.get("training_allowed")
    return CatalogPicture(
        sha256,
        source=str(photo.get("source") or ""),
        page_url=web_link(photo.get("page_url")) or "",
        licence=str(photo.get("licence") or ""),
        training_allowed=allowed if isinstance(allowed, bool) else None,
        decision=decision,
        reason=reason,
        releases=tuple(uses[:MOST_RELEASES]),
        split=next((u.split for u in uses if (u.dataset, u.version) == (dataset, version)), ""),
    )


def _decision(catalog: Catalog, sha256: str) -> tuple[str, str]:
    drops = [
        row for row in catalog.records(SECTIONS["decisions"], [sha256]) if row["decision"] == "drop"
    ]
    kept = catalog.records(SECTIONS["curated"], [sha256])
    newest_drop = max((str(row["finished_at"] or "") for row in drops), default="")
    newest_keep = max((str(row["finished_at"] or "") for row in kept), default="")
    if drops and newest_drop > newest_keep:
        return "dropped", str(drops[0]["reason"] or "")
    return ("kept", "") if kept else ("", "")


def sample_pictures(catalog: Catalog, dataset: str, version: str, most: int) -> list[str]:
    """Name test pictures of a release, which no model of it learnt from, spread by their hash."""
    rows = catalog.records(
        "SELECT i.asset_sha256 FROM dataset_items i JOIN assets a ON a.sha256 = i.asset_sha256 "
        "WHERE i.dataset = ? AND i.version = ? AND i.split = 'test' AND a.mime LIKE 'image/%' "
        "ORDER BY md5(i.asset_sha256) LIMIT ?",
        [dataset, version, most],
    )
    return [str(row["asset_sha256"]) for row in rows]
