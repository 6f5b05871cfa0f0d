"""One published version of a dataset, and how it is found."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from packaging.version import Version

from catalog.errors import ReleaseError, ReleaseNotFoundError
from catalog.packs.objects import Objects, open_objects
from catalog.program_name import command_name
from catalog.releases.bucket import bring, listed, manifest_of
from catalog.releases.deleted_data import INDEX, DeletedData, deleted_data
from catalog.releases.manifest import PARTIAL
from catalog.workspace.workspace import Workspace

FORMAT = "safelight-release/1"
BATCH_ROWS, READ_BYTES = 2**14, 2**20


SPLITS = ("train", "validation", "test")


SETTINGS = ("f_number", "iso", "exposure_time")


CLASSES = ("low", "medium", "high")


@dataclass(frozen=True)
class Release:
    """One published dataset version; `path` is its folder, `bucket` where it came from, if from one.

    `releases` lists what a bucket has without bringing it: then only `manifest` and `digest` may be asked.
    """

    name: str
    version: str
    path: Path
    bucket: Objects | None = field(default=None, repr=False, compare=False)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest as written."""
        if self.bucket and not self.path.exists():
            return manifest_of(self.bucket, self.name, self.version)
        loaded: dict[str, Any] = json.loads((self.path / "manifest.json").read_text("utf-8"))
        return loaded

    @property
    def digest(self) -> str:
        """SHA-256 over the content, hex."""
        return str(self.manifest["digest"])

    @property
    def file_noun(self) -> str:
        """What one of its files is called: picture or sound."""
        return "sound" if self.manifest["plan"].get("media") == "sounds" else "picture"

    def index(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one row a picture: labels, split, group, shard, offset, length, sha256; or only some columns.

        Raises `ReleaseError` when a takedown has deleted the data.
        """
        self.require_data()
        return pq.read_table(self.path / INDEX, columns=None if columns is None else list(columns))

    def index_batches(
        self, columns: Sequence[str], repetitive: Collection[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Give columns of the index in pieces, for indexes that are large; `repetitive` texts as dictionaries.

        Raises `ReleaseError` when a takedown has deleted the data.
        """
        self.require_data()
        path = self.path / INDEX
        options = {"pre_buffer": False, "buffer_size": READ_BYTES}  # or it would hold whole columns
        with pq.ParquetFile(path, read_dictionary=[*repetitive], **options) as index:
            yield from index.iter_batches(BATCH_ROWS, columns=list(columns))

    def require_data(self) -> None:
        """Raise `ReleaseError` when a takedown has deleted the data."""
        if deleted := self.deleted_data:
            raise ReleaseError(str(deleted))

    @property
    def deleted_data(self) -> DeletedData | None:
        """Which takedown has deleted its pictures, if one has; manifest and card stay."""
        return deleted_data(self.path.parents[1], self.name, self.version, self.digest)

    def shard(self, name: str) -> Path:
        """Return the path of a shard named in the index; raises `ReleaseError` if a pull left it out."""
        path = self.path / name
        if self.pulled_splits is not None and not path.exists():
            raise ReleaseError(
                f"{name} is not here: only {', '.join(self.pulled_splits)} of {self.name}@{self.version} "
                f"was pulled. Bring the rest with: {command_name()} dataset pull {self.name}@{self.version}"
            )
        return path

    @property
    def may_drop_shards(self) -> bool:
        """Whether a shard may be gone a moment after its path was given, as in the cache of a remote release."""
        return False

    def prefetch(self, names: Iterable[str]) -> None:
        """Begin to fetch shards that will be read soon; there is nothing to do where all of them are here."""

    @property
    def pulled_splits(self) -> list[str] | None:
        """The splits that are here when a pull left some out; None when all are."""
        try:
            partial = json.loads((self.path / PARTIAL).read_text("utf-8"))
        except FileNotFoundError:
            return None
        return [str(split) for split in partial["splits"]]


def list_releases(workspace: Workspace) -> list[Release]:
    """List every release, by name and then newest version first."""
    bucket = _bucket(workspace)
    folders = workspace.releases.glob("[!.]*/*/manifest.json")
    names = listed(bucket) if bucket else [path.parts[-3:-1] for path in folders]
    published = [Release(n, v, workspace.releases / n / v, bucket) for n, v in names]
    published.sort(key=lambda release: Version(release.version), reverse=True)
    return sorted(published, key=lambda release: release.name)


def find_release(workspace: Workspace, text: str) -> Release:
    """Find `name` (its newest version) or `name@1.2.0`, ready to read; raises `ReleaseNotFoundError`."""
    name, _, version = text.partition("@")
    for release in list_releases(workspace):
        if release.name == name and version in ("", release.version):
            return _here(workspace, release)
    names = [f"{release.name}@{release.version}" for release in list_releases(workspace)]
    raise ReleaseNotFoundError(text, names)


def _bucket(workspace: Workspace) -> Objects | None:
    objects = open_objects(workspace)
    return objects if objects.remote else None


def _here(workspace: Workspace, release: Release) -> Release:
    """Bring a release from the bucket to its folder, where it is not there yet."""
    if release.bucket:
        bring(release.bucket, workspace.releases, release.name, release.version)
    return release


def _newest(workspace: Workspace, name: str) -> Release | None:
    return next((release for release in list_releases(workspace) if release.name == name), None)
