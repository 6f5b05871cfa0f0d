"""The Croissant description of a release (MLCommons Croissant 1.0, JSON-LD): files, columns and how to read them.

Paths are relative, so the folder may lie anywhere: `mlcroissant.Dataset("FOLDER/croissant.json").records("pictures")`.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from catalog.releases.rendering.renditions import place_columns
from catalog.tables.tables_by_name import TABLES

PLACES = ("shard", "offset", "length", "sha256")
"""Columns of the index that the shards do not have."""
_TYPES = {
    "string": "sc:Text",
    "double": "sc:Float",
    "bool": "sc:Boolean",
    "int32": "sc:Integer",
    "int64": "sc:Integer",
}
_CR, _SC = "http://mlcommons.org/croissant/", "https://schema.org/"
_TERMS = (
    "citeAs column conformsTo equivalentProperty extract field fileProperty fileObject fileSet format includes "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate "
    "separator source subField transform"
)


def shard_columns(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Give the columns of the shards beside `image` and their Arrow types."""
    places = {*PLACES, *place_columns(manifest["plan"])}
    return {name: kind for name, kind in manifest["schema"].items() if name not in places}


def holds_sounds(plan: Mapping[str, Any]) -> bool:
    """Say whether the files of a release are sounds, by the plan that it was made by."""
    return bool(plan.get("media") == "sounds")


def write_croissant(manifest: Mapping[str, Any], licences: Iterable[str | None]) -> str:
    """Describe a release as JSON-LD; the same manifest gives the same text."""
    name, version = manifest["name"], manifest["version"]
    described = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": f"{_CR}1.0",
        "name": name,
        "version": version,
        "description": f"{manifest['n_items']} {_files(manifest['plan'])} in group-disjoint splits, curated by "
        "Safelight; see README.md.",
        "url": f"releases/{name}/{version}/",
        "license": sorted(str(licence or "not stated") for licence in licences),
        "citeAs": f"{name} {version}, Safelight release {manifest['digest']}",
        "datePublished": manifest["created"],
        "distribution": [_shards(), *(_file(shard) for shard in manifest["shards"])],
        "recordSet": [_splits(manifest), _pictures(manifest)],
    }
    return json.dumps(described, indent=1) + "\n"


def _files(plan: Mapping[str, Any]) -> str:
    if holds_sounds(plan):
        return f"sounds labelled by {', '.join(plan.get('labels') or ['nothing'])}"
    return "photographs with aperture, ISO and exposure time"


def _context() -> dict[str, Any]:
    own: dict[str, Any] = {term: f"cr:{term}" for term in _TERMS.split() if term != "conformsTo"}
    return own | {
        "@language": "en",
        "@vocab": _SC,
        "sc": _SC,
        "cr": _CR,
        "dct": "http://purl.org/dc/terms/",
        "rai": f"{_CR}RAI/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    }


def _shards() -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "shards",
        "name": "shards",
        "description": "All shards; any Parquet reader opens them.",
        "encodingFormat": "application/x-parquet",
        "includes": "data/*.parquet",
    }


def _file(shard: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": shard["path"],
        "name": shard["path"].removeprefix("data/"),
        "contentUrl": shard["path"],
        "contentSize": f"{shard['bytes']} B",
        "encodingFormat": "application/x-parquet",
        "sha256": shard["sha256"],
    }


def _splits(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}
        ],
        "data": [{"splits/name": split} for split in manifest["splits"]],
    }


def _pictures(manifest: Mapping[str, Any]) -> dict[str, Any]:
    kind = "sc:AudioObject" if holds_sounds(manifest["plan"]) else "sc:ImageObject"
    image = _field("image", kind, "the original bytes, never encoded again")
    image["source"]["transform"] = {"jsonPath": "bytes"}
    meanings = {field.name: field.metadata for field in TABLES["curated_items"].schema}
    fields = [image]
    for name, kind in shard_columns(manifest).items():
        about = meanings[name][b"meaning"].decode() if name in meanings else name
        fields.append(_field(name, _TYPES[kind], about))
        if name == "split":
            fields[-1]["references"] = {"field": {"@id": "splits/name"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "key": {"@id": "pictures/asset_sha256"},
        "field": fields,
    }


def _field(name: str, kind: str, about: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"pictures/{name}",
        "name": name,
        "description": about,
        "dataType": kind,
        "source": {"fileSet": {"@id": "shards"}, "extract": {"column": name}},
    }
