"""Releases: immutable, versioned datasets that are readable without Safelight.

    releases/<name>/<version>/
      manifest.json        what it holds: shards with sha256, bytes, rows; schema; class counts; plan; provenance
      _index.parquet       one row a picture: labels, split, group, shard, offset, length, sha256
      data/<split>-<i>-of-<n>.parquet   pictures and labels, byte-addressable (see shards.py)
      attribution.parquet  author line, licence and page of every picture
      README.md            dataset card (Hugging Face front matter)
      croissant.json       the same for readers of MLCommons Croissant
      SHA256SUMS           for `sha256sum -c`
      manifest.json.sig    ed25519 signature of the manifest, if somebody signed it (see signing.py)
      partial.json         which splits are here, if a pull left some out (see pull.py)

In a bucket (`storage.py`) they have the same names; a release is brought to the local folder before it is read.

The digest is a hash of plan, schema and shards, not of the time or place of publishing: the same pictures with
the same labels have the same digest everywhere. Publishing unchanged content again gives the release that exists.
Rows are cut into shards by ranges of their SHA-256, so a version that adds few rows rewrites few shards.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from packaging.version import Version

from catalog.errors import ReleaseError
from catalog.lake.lake import Catalog, open_catalog
from catalog.packs.spool import write_segment
from catalog.releases.bucket import claim, send
from catalog.releases.cards.card import write_card
from catalog.releases.cards.croissant import write_croissant
from catalog.releases.manifest import (
    MANIFEST,
    NAME,
    SUMS,
    content_digest,
    release_files,
    sums,
)
from catalog.releases.release import CLASSES, FORMAT, SETTINGS, Release, _bucket, _here, _newest
from catalog.releases.revocations import read_revocations
from catalog.releases.shard_cutting import SHARD_BYTES, _write_shards
from catalog.tables.rows import fit, rows
from catalog.version import __version__
from catalog.workspace.files import folder_aside, link, settle, sha256_file
from catalog.workspace.workspace import Workspace

SESSION = "session"
_ATTRIBUTION = (
    "asset_sha256 source source_photo_id photographer attribution licence page_url "
    "training_allowed training_basis"
)


def publish(  # noqa: PLR0913 - three of them say where it comes from, and are keywords
    workspace: Workspace,
    name: str,
    items: pa.Table,
    *,
    plan: Mapping[str, Any],
    run_id: str,
    shard_bytes: int = SHARD_BYTES,
    replaces: Mapping[str, str] | None = None,
) -> Release:
    """Write `items` (columns of `curated_items`, and one for each label of the plan) as the next version of `name`.

    A column `session` is kept, too: numbers of pictures taken without a long pause, as on a trip.

    `renditions` of the plan are the short sides (px) of smaller versions of the pictures that become columns.
    `replaces` names revoked versions that it stands for, each with its reason; the card tells them.

    Returns the release that exists when nothing changed. The first version is 1.0.0; other rows make
    a minor version, another plan or schema a major one. Raises `ReleaseError` without items or with a bad name.
    """
    if not len(items):
        raise ReleaseError("there is nothing to publish: the curation run kept no picture")
    if not NAME.fullmatch(name):
        raise ReleaseError(f"{name!r} is not a dataset name: use letters, digits, - and _")
    extra = [
        name
        for name in dict.fromkeys((*label_columns(plan), SESSION))
        if name in items.column_names
    ]
    labels = fit("curated_items", items.drop_columns(extra)).drop_columns(["run_id"])
    for task in extra:
        has_type = not pa.types.is_null(items[task].type)
        labels = labels.append_column(
            task, items[task] if has_type else items[task].cast(pa.string())
        )
    labels = labels.sort_by([("split", "ascending"), ("asset_sha256", "ascending")])
    replaced = {**_revoked(workspace, name), **(replaces or {})}
    about = {"plan": dict(plan), "run_id": run_id, "replaces": replaced}
    with open_catalog(workspace) as catalog, folder_aside(workspace.releases) as aside:
        index = _write_shards(catalog, labels, aside, shard_bytes, plan)
        release = _publish(catalog, name, index, about, aside)
        if not catalog.records(_KNOWN, [release.name, release.version]):
            _record(workspace, release)
        catalog.commit()
    return release


def _publish(
    catalog: Catalog, name: str, index: pa.Table, about: Mapping[str, Any], aside: Path
) -> Release:
    """Describe the written shards and settle them as the next version, unless nothing changed."""
    pq.write_table(index, aside / "_index.parquet", compression="zstd")
    content = _content(index, about["plan"], aside)
    previous = _newest(catalog.workspace, name)
    if previous and previous.digest == content["digest"]:
        return _here(catalog.workspace, previous)
    version = _next_version(previous, content)
    manifest = content | {
        "name": name,
        "version": version,
        "parent": previous.version if previous else None,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": __version__,
        "run_id": about["run_id"],
        "lake_snapshot_id": catalog.snapshot(),
        "replaces": about["replaces"],
    }
    return _settle(catalog.workspace, aside, manifest, index)


def _settle(
    workspace: Workspace, aside: Path, manifest: dict[str, Any], index: pa.Table
) -> Release:
    """Complete the folder and put it where releases lie; the bucket, if there is one, has it first."""
    bucket = _bucket(workspace)
    if bucket:
        manifest = claim(bucket, manifest)
    name, version = manifest["name"], manifest["version"]
    _write_folder(aside, manifest, index)
    if bucket:
        send(bucket, aside, name, version)
    final = workspace.releases / name / version
    settle(aside, final)
    return Release(name, version, final, bucket)


def _content(index: pa.Table, plan: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Describe what is in the release and hash it; nothing here depends on when or where."""
    described: dict[str, Any] = {
        "format": FORMAT,
        "plan": dict(plan),
        "bins": plan.get("bins"),
        "seed": plan.get("seed"),
        "schema": {field.name: str(field.type) for field in index.schema},
        "n_items": len(index),
        "splits": _counts(index["split"]),
        "known": {key: _known_share(index[key]) for key in ("camera", "photographer")},
        "class_counts": class_counts(index, plan),
        "shards": [_shard_entry(folder, name, index) for name in _counts(index["shard"])],
    }
    return described | {"digest": content_digest(described)}


def _shard_entry(folder: Path, name: str, index: pa.Table) -> dict[str, Any]:
    part = index.filter(pc.equal(index["shard"], name))["asset_sha256"].to_pylist()
    path = folder / name
    return {
        "path": name,
        "sha256": sha256_file(path),
        "bytes": path.stat().st_size,
        "rows": len(part),
        "first_sha256": part[0],
        "last_sha256": part[-1],
    }


def label_columns(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the labels that are columns of a release, by the plan that it was made by."""
    return (*plan.get("labels", ()), *plan.get("label_columns", ()))


def class_labels(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Name those of them that sort pictures into classes."""
    return (*plan.get("labels", ()), *plan.get("label_classes", ()))


def _known_share(column: pa.ChunkedArray) -> float:
    return 1 - column.null_count / len(column) if len(column) else 0.0


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    pairs = pc.value_counts(column).to_pylist()
    return {
        pair["values"]: pair["counts"] for pair in sorted(pairs, key=lambda p: str(p["values"]))
    }


def class_counts(
    index: pa.Table, plan: Mapping[str, Any] | None = None
) -> dict[str, dict[str, dict[str, int]]]:
    """Count pictures by setting, split and class (low, medium, high, missing), and by label likewise.

    `plan` names the labels, and the parts of those that are scales.
    """
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for task, classes in _classes(index, plan or {}).items():
        class_names = (*sorted({name for name in classes if name is not None}), "missing")
        names = (*CLASSES, "missing") if task in SETTINGS else class_names
        by_split = counts.setdefault(task, {})
        for split, name in zip(index["split"].to_pylist(), classes, strict=True):
            by_split.setdefault(split, dict.fromkeys(names, 0))[name or "missing"] += 1
    return counts


def _classes(index: pa.Table, plan: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """Name the class of each picture for each setting and each label that has classes; null where unknown."""
    classes: dict[str, list[str | None]] = {}
    for setting in SETTINGS:
        bins = index[f"{setting}_bin"].to_pylist()
        classes[setting] = [None if number is None else CLASSES[number] for number in bins]
    parts = plan.get("label_parts", {})
    for task in class_labels(plan):
        if task in index.column_names:
            values = index[task].to_pylist()
            part = _part_of(**parts[task]) if task in parts else str
            classes[task] = [None if value is None else part(value) for value in values]
    return classes


def _part_of(edges: Sequence[float], names: Sequence[str]) -> Callable[[float], str]:
    """Say in which part of a scale a number is; one that equals an edge is in the part below it."""
    return lambda value: names[bisect_left(edges, float(value))]


_FOUND_BY_A_RUN = frozenset(["n_inherited", "notes", "label_parts"])
"""What curation writes into the plan of a run beside its rules."""


def rules_of(manifest: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Give what makes another major version: the plan without what a run found out, and the schema."""
    plan = {key: value for key, value in manifest["plan"].items() if key not in _FOUND_BY_A_RUN}
    return plan, manifest["schema"]


def _next_version(previous: Release | None, content: Mapping[str, Any]) -> str:
    if previous is None:
        return "1.0.0"
    before = Version(previous.version)
    same_meaning = rules_of(previous.manifest) == rules_of(content)
    return f"{before.major}.{before.minor + 1}.0" if same_meaning else f"{before.major + 1}.0.0"


def _write_folder(folder: Path, manifest: dict[str, Any], index: pa.Table) -> None:
    columns = [name for name in _ATTRIBUTION.split() if name in index.column_names]
    pq.write_table(index.select(columns), folder / "attribution.parquet", compression="zstd")
    _describe(folder, manifest, _counts(index["licence"]))


def _describe(folder: Path, manifest: dict[str, Any], licences: Mapping[str, int]) -> None:
    """Write card, Croissant, manifest and checksums of a folder whose shards and tables are written."""
    (folder / "README.md").write_text(write_card(manifest, licences), "utf-8")
    (folder / "croissant.json").write_text(write_croissant(manifest, licences), "utf-8")
    shards = {shard["path"] for shard in manifest["shards"]}
    written = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    manifest["files"] = [
        {"path": name, "sha256": sha256_file(path), "bytes": path.stat().st_size}
        for name, path in sorted(written.items())
        if name not in shards
    ]
    text = json.dumps(manifest, indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text, "utf-8")
    (folder / SUMS).write_text(sums(text.encode(), release_files(manifest)), "utf-8")


def _revoked(workspace: Workspace, name: str) -> dict[str, str]:
    """Give the revoked versions of a dataset with their reasons."""
    return {r.version: r.reason for r in read_revocations(workspace.releases) if r.dataset == name}


def renew_card(workspace: Workspace, release: Release) -> Release:
    """Publish the content of `release` under a new card, as the next patch version.

    Shards are shared with it, the digest is the same. The card is written by this version of the code and tells which
    versions were revoked. Raises `ReleaseError` unless it is the newest version of its minor.
    """
    old = Version(release.version)
    version = f"{old.major}.{old.minor}.{old.micro + 1}"
    final = workspace.releases / release.name / version
    if final.exists():
        raise ReleaseError(f"{release.name}@{version} exists already; renew the card of that one")
    manifest = {
        **release.manifest,
        "version": version,
        "parent": release.version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": __version__,
        "replaces": _revoked(workspace, release.name),
    }
    with folder_aside(workspace.releases) as aside:
        for name in (
            *(s["path"] for s in manifest["shards"]),
            "_index.parquet",
            "attribution.parquet",
        ):
            link(release.shard(name), aside / name)
        renewed = _settle(workspace, aside, manifest, release.index())
    _record(workspace, renewed)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return renewed


_KNOWN = "SELECT 1 FROM datasets WHERE dataset = ? AND version = ?"


def _record(workspace: Workspace, release: Release) -> None:
    """Put the release, its items and its class counts into the catalog."""
    manifest, index = release.manifest, release.index()
    identity = {"dataset": release.name, "version": release.version}
    items = index.select(["asset_sha256", "split", "group_id", "shard"])
    items = items.append_column("shard_offset", index["offset"])
    items = items.append_column("shard_length", index["length"])
    for column, value in identity.items():
        items = items.append_column(column, pa.array([value] * len(items), pa.string()))
    about = identity | {
        "digest": release.digest,
        "created_at": datetime.fromisoformat(manifest["created"]).replace(tzinfo=None),
        "run_id": manifest["run_id"],
        "snapshot_id": manifest["lake_snapshot_id"],
        "plan_json": json.dumps(manifest["plan"], sort_keys=True),
        "n_items": len(index),
        "bytes": sum(shard["bytes"] for shard in manifest["shards"]),
    }
    tables = {
        "datasets": rows("datasets", [about]),
        "dataset_items": items,
        "dataset_stats": rows("dataset_stats", _stats(identity, index, manifest["plan"])),
    }
    write_segment(workspace, tables, job=f"publish:{release.name}@{release.version}")


def _stats(
    identity: Mapping[str, str], index: pa.Table, plan: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    weights = index["weight"].to_pylist()
    splits = index["split"].to_pylist()
    of_task = _classes(index, plan)
    for task, by_split in class_counts(index, plan).items():
        for split, classes in by_split.items():
            inside = [i for i, s in enumerate(splits) if s == split]
            total = sum(weights[i] or 0.0 for i in inside)
            for name, n in classes.items():
                held = sum(
                    weights[i] or 0.0 for i in inside if (of_task[task][i] or "missing") == name
                )
                share = held / total if total else 0.0
                row = {"split": split, "task": task, "class": name, "n": n}
                yield {**identity, **row, "weight_share": share}
