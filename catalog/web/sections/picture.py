"""Contents of a picture's page: every table that holds rows about one file, as a section."""

import json
from dataclasses import dataclass

from catalog.errors import AssetNotFoundError
from catalog.lake.lake import Catalog
from catalog.web.sections.section import Row, Section, query_sections

_PHOTO_IDS = "SELECT photo_id FROM photos WHERE asset_sha256 = $1"
_FACE_IDS = "SELECT face_id FROM faces WHERE asset_sha256 = $1"
_NEWEST_RUN_OF = (
    "SELECT r.run_id FROM v_runs r JOIN {table} t ON t.run_id = r.run_id "
    "AND t.asset_sha256 = $1 ORDER BY r.current_since DESC, r.run_id LIMIT 1"
)

SECTIONS = {
    "asset": "SELECT * FROM assets WHERE sha256 = $1",
    "health": "SELECT * FROM health WHERE asset_sha256 = $1 ORDER BY stage DESC",
    "photos": "SELECT * FROM v_all_photos WHERE asset_sha256 = $1 ORDER BY fetched_at DESC",
    "exif": "SELECT * FROM exif WHERE asset_sha256 = $1 ORDER BY exif_source <> 'file', exif_source",
    "labels": (
        "SELECT subject_kind, subject_id, task, value, label_source, confidence, created_at "
        "FROM labels WHERE (subject_kind = 'asset' AND subject_id = $1)\n"
        f"   OR (subject_kind = 'photo' AND subject_id IN ({_PHOTO_IDS}))\n"
        f"   OR (subject_kind = 'face' AND subject_id IN ({_FACE_IDS}))\n"
        "ORDER BY subject_kind, task, value"
    ),
    "faces": "SELECT * FROM faces WHERE asset_sha256 = $1 ORDER BY score DESC, face_id",
    "lineage": (
        "SELECT f.photo_id, f.url, f.host, f.attempt, f.http_status, f.outcome, f.error, f.fetched_at, "
        "f.duration_ms, f.bytes, f.content_type,\n"
        "       c.crawl_id, c.source, c.started_at, c.status\n"
        f"FROM fetches f LEFT JOIN (SELECT * FROM crawls QUALIFY row_number() OVER "
        "(PARTITION BY crawl_id ORDER BY started_at DESC) = 1) c USING (crawl_id)\n"
        f"WHERE f.asset_sha256 = $1 OR f.photo_id IN ({_PHOTO_IDS})\n"
        "ORDER BY f.fetched_at"
    ),
    "duplicates": (
        "SELECT g.asset_sha256, g.is_keeper, g.method, g.similarity, a.width, a.height, a.bytes, "
        "a.jpeg_quality, g.group_id, g.run_id\n"
        "FROM duplicate_groups g JOIN assets a ON a.sha256 = g.asset_sha256\n"
        "WHERE (g.run_id, g.group_id) IN (SELECT (run_id, group_id) FROM duplicate_groups "
        "WHERE asset_sha256 = $1)\n"
        f"  AND g.run_id = ({_NEWEST_RUN_OF.format(table='duplicate_groups')})\n"
        "ORDER BY NOT g.is_keeper, g.similarity DESC, g.asset_sha256"
    ),
    "decisions": (
        "SELECT d.decision, d.reason, d.rule, d.setting, d.evidence, d.run_id, r.finished_at\n"
        "FROM decisions d LEFT JOIN curation_runs r USING (run_id)\n"
        "WHERE d.asset_sha256 = $1 ORDER BY r.finished_at DESC, d.decision, d.rule"
    ),
    "curated": (
        "SELECT i.split, i.group_id, i.weight, i.f_number_bin, i.iso_bin, i.exposure_time_bin, "
        "i.run_id, r.finished_at\n"
        "FROM curated_items i LEFT JOIN curation_runs r USING (run_id)\n"
        "WHERE i.asset_sha256 = $1 ORDER BY r.finished_at DESC"
    ),
    "issues": "SELECT * FROM issues WHERE asset_sha256 = $1 ORDER BY severity DESC, kind",
    "releases": (
        "SELECT i.dataset, i.version, i.split, i.shard, i.shard_offset, i.shard_length, d.created_at\n"
        "FROM dataset_items i LEFT JOIN datasets d USING (dataset, version)\n"
        "WHERE i.asset_sha256 = $1 ORDER BY d.created_at DESC, i.dataset, i.version DESC"
    ),
    "predictions": (
        "SELECT p.model_id, m.recipe, m.split_policy, m.dataset, m.version, p.task, p.split, "
        "p.kind, p.predicted, p.target, p.probabilities, p.nll, p.value, p.target_value, p.low, p.high, p.answer\n"
        "FROM predictions p LEFT JOIN models m USING (model_id)\n"
        "WHERE p.asset_sha256 = $1 ORDER BY m.trained_at DESC, p.model_id, p.task"
    ),
}

BROWSER_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"})
"""Media types that pages show directly; for others they show a thumbnail."""
_UNTYPED = frozenset({"asset_sha256", "photo_id", "raw_json"})
SWAPPED_ORIENTATIONS = frozenset({5, 6, 7, 8})
"""Values of the EXIF tag Orientation that exchange width and height."""


@dataclass(frozen=True)
class Picture:
    """One file, with every section of `SECTIONS`; a section may have no rows."""

    sha256: str
    sections: dict[str, Section]

    @property
    def asset(self) -> Row:
        """The row of `assets`."""
        return self.sections["asset"].rows[0]

    @property
    def title(self) -> str:
        """Its title, else its id at the source, else the start of its hash."""
        for photo in self.sections["photos"].rows:
            if name := photo["title"] or photo["source_photo_id"]:
                return str(name)
        return f"{'Sound' if self.is_sound else 'Picture'} {self.sha256[:12]}"

    @property
    def size_px(self) -> tuple[int, int] | None:
        """Width and height after the EXIF orientation is applied; None when the file is unreadable."""
        width, height = self.asset["width"], self.asset["height"]
        if not width or not height:
            return None
        orientations = (row["orientation"] for row in self.sections["exif"].rows)
        is_turned = (
            next((value for value in orientations if value is not None), 1) in SWAPPED_ORIENTATIONS
        )
        size = (int(str(width)), int(str(height)))
        return (size[1], size[0]) if is_turned else size

    @property
    def is_sound(self) -> bool:
        """Whether the file is a sound."""
        return str(self.asset["mime"] or "").startswith("audio/")


def find_picture(catalog: Catalog, sha256: str) -> Picture:
    """Read the sections of one file; raises `AssetNotFoundError`."""
    if not catalog.records("SELECT 1 FROM assets WHERE sha256 = ?", [sha256]):
        raise AssetNotFoundError(
            f"no picture has the SHA-256 {sha256[:64]!r}. "
            "Find one in the console: SELECT sha256 FROM assets"
        )
    return Picture(sha256, query_sections(catalog, SECTIONS, [sha256]))


def typed_exif(row: Row) -> list[tuple[str, object]]:
    """List the typed EXIF values of one row that are not null."""
    return [
        (name, value)
        for name, value in row.items()
        if name not in _UNTYPED and value is not None and value != []
    ]


def raw_exif(row: Row) -> list[tuple[str, str]]:
    """List the raw tags of one row as text; empty when they are missing or not a JSON object."""
    try:
        tags = json.loads(str(row["raw_json"] or "{}"))
    except json.JSONDecodeError:
        return []
    return sorted((str(k), str(v)) for k, v in tags.items()) if isinstance(tags, dict) else []
