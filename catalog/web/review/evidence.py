"""Text for people about pictures, compared pairs and findings. A fact is a pair of a name and a text."""

import json
from collections.abc import Callable, Iterable, Sequence

from catalog.lake.lake import Catalog
from catalog.number_formats import format_bytes, format_exposure
from catalog.web.sections.formatting import cell, words
from catalog.web.sections.picture import BROWSER_TYPES
from catalog.web.sections.section import Row

Item = dict[str, object]
Fact = tuple[str, str]

MAX_ORIGINAL = 4 * 10**6
"""Largest file, in bytes, that is shown as it is; for larger ones a thumbnail is shown."""
_EXIF = "f_number iso exposure_time f_number_raw iso_raw exposure_time_raw taken_at_raw modified_at_raw camera software"

_FILES = """\
SELECT sha256, width, height, bytes, mime, format, jpeg_quality FROM assets
WHERE sha256 IN (SELECT unnest(?::VARCHAR[]))"""
_TITLES = """\
SELECT asset_sha256, first(coalesce(title, source_photo_id) ORDER BY fetched_at DESC) AS title,
       first(source ORDER BY fetched_at DESC) AS source, first(photographer ORDER BY fetched_at DESC) AS photographer
FROM photos WHERE asset_sha256 IN (SELECT unnest(?::VARCHAR[])) GROUP BY asset_sha256"""
_SETTINGS = f"""\
SELECT asset_sha256, {", ".join(_EXIF.split())} FROM exif
WHERE asset_sha256 IN (SELECT unnest(?::VARCHAR[]))
QUALIFY row_number() OVER (PARTITION BY asset_sha256 ORDER BY exif_source <> 'file', exif_source) = 1"""


def describe_finding(row: Row) -> Item:
    """Describe one row of `decisions`; its evidence becomes a list of facts."""
    evidence = read_json(row["evidence"])
    facts = [(words(name), _value(name, value)) for name, value in evidence.items()]
    if not facts and row["evidence"]:
        facts = [("evidence", cell(row["evidence"]))]
    return {
        "decision": row["decision"],
        "reason": words(row["reason"]),
        "setting": words(row["setting"]) if row["setting"] else None,
        "said": facts,
    }


def _value(name: str, value: object) -> str:
    """Format one value of the evidence; an exposure time as photographers do."""
    is_exposure = name == "exposure_time" and isinstance(value, int | float)
    return (format_exposure(float(str(value))) if is_exposure else "") or cell(value)


def describe_pictures(catalog: Catalog, shas: Sequence[str]) -> dict[str, Item]:
    """Describe pictures by SHA-256: title, address and facts. A picture without a row in `assets` is left out."""
    parameters = [sorted(set(shas))]
    if not parameters[0]:
        return {}
    titles = index_by_sha(catalog.records(_TITLES, parameters))
    settings = index_by_sha(catalog.records(_SETTINGS, parameters))
    described: dict[str, Item] = {}
    for row in catalog.records(_FILES, parameters):
        sha = str(row["sha256"])
        photo, exif = titles.get(sha, {}), settings.get(sha, {})
        described[sha] = {
            "sha256": sha,
            "src": _address(row),
            "title": cell(photo.get("title") or f"Picture {sha[:12]}"),
            "facts": [*_file_facts(row), *_setting_facts(exif), *_photo_facts(photo)],
        }
    return described


def _address(row: Row) -> str:
    """Return the address of the picture: the file itself where a browser can show it, else a large thumbnail."""
    is_direct = int(str(row["bytes"] or 0)) <= MAX_ORIGINAL and row["mime"] in BROWSER_TYPES
    return f"/api/assets/{row['sha256']}{'' if is_direct else '/thumbnail?side=1024'}"


def _file_facts(row: Row) -> list[Fact]:
    file = [str(row["format"] or "unknown format"), format_bytes(float(str(row["bytes"] or 0)))]
    if row["jpeg_quality"] is not None:
        file.append(f"quality {row['jpeg_quality']}")
    sides = f"{row['width']} × {row['height']} px" if row["width"] else "unreadable"  # noqa: RUF001 - times
    return [("size", sides), ("file", ", ".join(file))]


def _setting_facts(exif: Row) -> list[Fact]:
    """Format the camera settings: the parsed value, and the raw one of the file."""
    if not exif:
        return [("EXIF", "none")]
    formats: list[tuple[str, str, Callable[[float], str]]] = [
        ("aperture", "f_number", lambda n: f"f/{n:g}"),
        ("exposure", "exposure_time", lambda t: format_exposure(t) or cell(t)),
        ("ISO", "iso", lambda iso: f"{iso:g}"),
    ]
    facts = []
    for name, column, write in formats:
        value, raw = exif[column], exif[f"{column}_raw"]
        typed = "-" if value is None else write(float(str(value)))
        facts.append((name, f"{typed} (file: {cell(raw)})" if raw is not None else typed))
    more = {"taken": "taken_at_raw", "changed": "modified_at_raw"}
    more |= {"camera": "camera", "software": "software"}
    return [*facts, *((name, cell(exif[c])) for name, c in more.items() if exif[c] is not None)]


def _photo_facts(photo: Row) -> list[Fact]:
    return [(name, cell(photo[name])) for name in ("photographer", "source") if photo.get(name)]


def edge_facts(edge: Row) -> list[Fact]:
    """Describe the evidence of a compared pair."""
    forms = {
        "verdict": "{}",
        "ncc": "{:.3f}",
        "detail_ncc": "{:.3f}",
        "drift_px": "{:.2f} px",
        "overlap": "{:.0%}",
        "inliers": "{} points",
        "cosine": "{:.3f}",
        "pdq_distance": "{} of 256 bits",
        "found_by": "{}",
        "framed": "{}",
    }
    names = {
        "ncc": "correlation",
        "detail_ncc": "fine structure",
        "drift_px": "drift",
        "inliers": "geometry",
        "cosine": "embedding",
        "pdq_distance": "PDQ",
    }
    return [
        (names.get(column, words(column)), words(form.format(edge[column])))
        for column, form in forms.items()
        if edge[column] is not None and edge[column] not in ("", 0)
    ]


def index_by_sha(rows: Iterable[Row]) -> dict[str, Row]:
    """Index rows by their `asset_sha256`."""
    return {str(row["asset_sha256"]): row for row in rows}


def read_json(text: object) -> dict[str, object]:
    """Parse a JSON object; anything else is an empty one."""
    try:
        value = json.loads(str(text or ""))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
