"""Segments: finished work that waits in `spool/` until some process commits it.

A segment is a folder named by its content hash. It holds one Parquet file for each table that it adds rows
to and, when it brings pictures, a pack (see `shards.py`). It appears by one rename, so it is there whole or not at
all: a killed job leaves no half-written rows and no picture without its row.

    spool/<segment id>/segment.json     {"job": ..., "rows": ..., "pack": "<sha256>.parquet" or null}
                       <table>.parquet
                       pack.parquet
                       keys.npz        hashes of the keys of the rows, so that a commit need not read them again
"""

import hashlib
import json
import logging
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.errors import SegmentError
from catalog.packs.shards import ImageRange, ShardWriter, row_groups
from catalog.plurals import counted
from catalog.program_name import command_name
from catalog.tables.keys import Keys, hash_keys
from catalog.tables.rows import fit, rows
from catalog.tables.table_type import Table
from catalog.tables.tables_by_name import TABLES
from catalog.workspace.files import folder_aside, settle, sha256_file
from catalog.workspace.workspace import Workspace

log = logging.getLogger(__name__)

PACK = "pack.parquet"
KEYS = "keys.npz"
_PACK_COLUMNS = pa.schema([("sha256", pa.string())])


@dataclass(frozen=True)
class Segment:
    """A finished segment in the spool."""

    segment_id: str
    folder: Path
    job: str
    rows: int
    pack: str | None

    @property
    def tables(self) -> list[str]:
        """Names of the tables it adds rows to."""
        return sorted(path.stem for path in self.folder.glob("*.parquet") if path.name != PACK)


def write_segment(
    workspace: Workspace,
    tables: Mapping[str, pa.Table],
    *,
    job: str,
    images: Sequence[tuple[str, bytes]] = (),
) -> str:
    """Write rows and pictures as one segment and return its id; durable when this returns.

    `images` are (sha256, bytes); their places are filled into the rows of `assets`, each of which
    must have its picture. A picture given twice is kept once. Raises `SegmentError` on rows that do not fit.
    """
    fitted = {name: fit(name, table) for name, table in tables.items()}
    with folder_aside(workspace.spool) as aside:
        pack, digests = None, {}
        if images:
            places = write_pack(aside / PACK, dict(images))
            digests[PACK] = sha256_file(aside / PACK)
            pack = f"{digests[PACK]}.parquet"
            fitted["assets"] = _placed(fitted["assets"], pack, places)
        for name, table in fitted.items():
            pq.write_table(table, aside / f"{name}.parquet", compression="zstd")
        segment_id = _content_hash(aside, digests)
        about = {"job": job, "rows": sum(map(len, fitted.values())), "pack": pack}
        _note_keys(aside / KEYS, fitted)
        (aside / "segment.json").write_text(json.dumps(about, sort_keys=True), "utf-8")
        settle(aside, workspace.spool / segment_id)
    return segment_id


def write_pack(path: Path, images: Mapping[str, bytes]) -> dict[str, ImageRange]:
    """Write pictures by SHA-256 to one byte-addressable file and return where each lies."""
    names = list(images)
    with ShardWriter(path, _PACK_COLUMNS) as writer:
        for part in row_groups([len(body) for body in images.values()]):
            some = names[part]
            keys = pa.table({"sha256": some}, schema=_PACK_COLUMNS)
            writer.write([images[name] for name in some], some, keys)
    return dict(zip(names, writer.ranges, strict=True))


def waiting_segments(workspace: Workspace) -> list[Segment]:
    """List the segments that wait for a commit, oldest first; what is no segment is left out and logged.

    A segment that another process commits meanwhile is left out.
    """
    segments = []
    for folder in _folders(workspace):
        try:
            segments.append((folder.stat().st_mtime_ns, folder.name, _read(folder)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            if folder.exists():
                log.warning("%s is no segment and is left where it is: %s", folder, error)
    return [segment for _, _, segment in sorted(segments, key=lambda each: each[:2])]


def unreadable_segments(workspace: Workspace) -> Iterator[str]:
    """Say what lies in the spool and can never be committed, one line each."""
    for folder in _folders(workspace):
        try:
            _read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            if folder.exists():
                yield f"spool/{folder.name} is no segment: segment.json cannot be read ({error})"


def count_waiting(workspace: Workspace) -> int:
    """Count the folders that wait in the spool, also those that are no segments."""
    return len(_folders(workspace))


def _folders(workspace: Workspace) -> list[Path]:
    return sorted(path for path in workspace.spool.iterdir() if not path.name.startswith("."))


def _read(folder: Path) -> Segment:
    about = json.loads((folder / "segment.json").read_text("utf-8"))
    return Segment(folder.name, folder, about["job"], about["rows"], about["pack"])


def damaged_segment(folder: Path, why: str) -> SegmentError:
    """Make the error about a segment that is not what it was when it was written."""
    return SegmentError(
        f"segment {folder} is damaged ({why}). Move this folder out of the spool, so that the others can be committed; "
        f"{command_name()} crawl verify then names the pictures that it held"
    )


def _note_keys(path: Path, tables: Mapping[str, pa.Table]) -> None:
    hashed: dict[str, Any] = {}  # any: a name like an option of `savez` would be taken for it
    for name, table in tables.items():
        if (keys := hash_keys(TABLES[name], table)) is not None:
            hashed[_key_name(TABLES[name])] = keys
    np.savez(path, **hashed)


def noted_keys(segment: Segment) -> dict[str, Keys]:
    """Give the hashes of the keys of each table of a segment, shape (2, rows), in the order of its rows.

    Left out: tables with keys that are hashed by SQL, or were other columns when the segment was written; all tables
    when the file is missing or damaged.
    """
    path = segment.folder / KEYS
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = {_key_name(TABLES[table]): table for table in segment.tables}
            return {names[name]: arrays[name] for name in arrays.files if name in names}
    except FileNotFoundError:  # older code wrote it
        return {}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        log.warning("%s is damaged, the keys are read from the rows: %s", path, error)
        return {}


def _key_name(table: Table) -> str:
    return " ".join([table.name, *table.key])


def clear_away(segment: Segment) -> None:
    """Remove a committed segment; killed half-way, it does not look like a segment any more."""
    aside = segment.folder.with_name(f".tmp-{uuid.uuid4().hex}")
    segment.folder.rename(aside)
    shutil.rmtree(aside)


def is_whole(segment: Segment, workspace: Workspace) -> bool:
    """Say whether a segment holds what its name says; a commit that was cut off may have moved its pack already."""
    digests = {}
    if segment.pack and not (segment.folder / PACK).exists():
        moved = workspace.packs / segment.pack
        if not moved.exists():
            return False
        digests[PACK] = sha256_file(moved)
    return _content_hash(segment.folder, digests) == segment.segment_id


def _placed(assets: pa.Table, pack: str, places: Mapping[str, ImageRange]) -> pa.Table:
    """Fill pack, pack_offset and pack_length of the rows of `assets`."""
    shas = assets["sha256"].to_pylist()
    if lost := [sha for sha in shas if sha not in places]:
        raise SegmentError(
            f"in assets {counted(len(lost), 'row', 'has')} no picture, first {lost[0]}"
        )
    filled = {
        "pack": pa.array([pack] * len(shas), pa.string()),
        "pack_offset": pa.array([places[sha].offset for sha in shas], pa.int64()),
        "pack_length": pa.array([places[sha].length for sha in shas], pa.int64()),
    }
    for name, values in filled.items():
        index = assets.schema.get_field_index(name)
        assets = assets.set_column(index, assets.schema.field(index), values)
    return assets


def _content_hash(folder: Path, digests: Mapping[str, str]) -> str:
    """Hash the names and contents of all tables and the pack; `known` has the SHA-256 of some already."""
    content = hashlib.sha256()
    for name in sorted({path.name for path in folder.glob("*.parquet")} | set(digests)):
        content.update(f"{name} {digests.get(name) or sha256_file(folder / name)}\n".encode())
    return content.hexdigest()


def ledger_rows(segments: Sequence[Segment]) -> pa.Table:
    """Make the rows of table `segments` that note these segments as committed now."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return rows(
        "segments",
        [
            {"segment_id": s.segment_id, "job": s.job, "rows": s.rows, "committed_at": now}
            for s in segments
        ],
    )
