"""Content-addressed files, and files on their way: what a pull has finished is never fetched again.

    cache/sha256/ab/<digest>      a whole file, named by its SHA-256; release folders hold hard links to it
          parts/<digest>.part     the bytes of a file on its way, each at its place
          parts/<digest>.journal  one line a finished chunk: start, stop, SHA-256 of the bytes between
          pull.lock               held by the one pull at work

A line is written after the bytes of its chunk are on disk. A line that was cut by a kill, or whose chunk is not
what the line says, does not count. Nothing is a whole file before its SHA-256 is right.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import ReleaseError
from catalog.releases.manifest import ReleaseFile
from catalog.workspace.files import flush, link, sha256_file

CACHE_BYTES = 8 * 2**30  # of shards of releases elsewhere, by default


@dataclass(frozen=True)
class Chunk:
    """A byte range of a file: `start` inclusive, `stop` exclusive."""

    start: int
    stop: int


class BlobCache:
    """The cache below `folder`; `parts` holds what is on its way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts = folder / "parts"
        self.parts.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Return where the file with this SHA-256 lies or would lie."""
        return self.folder / "sha256" / digest[:2] / digest

    def holds(self, file: ReleaseFile) -> bool:
        """Say whether a whole file is here; one whose bytes have changed is thrown away."""
        path = self.path(file.sha256)
        try:
            right = path.stat().st_size == file.bytes and sha256_file(path) == file.sha256
        except FileNotFoundError:
            return False
        if not right:
            path.unlink()
        return right

    def adopt(self, file: ReleaseFile, file_here: Path) -> bool:
        """Take in a copy of a file that lies elsewhere on this machine, if its bytes are right."""
        try:
            if file_here.stat().st_size != file.bytes or sha256_file(file_here) != file.sha256:
                return False
        except FileNotFoundError:
            return False
        link(file_here, self.path(file.sha256))
        return True

    def part(self, file: ReleaseFile) -> "Part":
        """Open the part of a file that is on its way."""
        return Part(self, file)

    def clear(self, digest: str) -> None:
        """Throw away everything that is here of one file."""
        for path in (self.path(digest), *self.parts.glob(f"{digest}.*")):
            path.unlink(missing_ok=True)


class Part:
    """A file on its way: which chunks are here, and room for the others."""

    def __init__(self, cache: BlobCache, file: ReleaseFile) -> None:
        self.file = file
        self._cache = cache
        self._path = cache.parts / f"{file.sha256}.part"
        self._journal = cache.parts / f"{file.sha256}.journal"
        self._path.touch()
        self._finished = sorted(self._read_journal(), key=lambda chunk: chunk.start)

    @property
    def held_bytes(self) -> int:
        """Bytes that need not be fetched any more."""
        return self.file.bytes - sum(chunk.stop - chunk.start for chunk in self.missing(2**62))

    def missing(self, chunk_bytes: int) -> Iterator[Chunk]:
        """Give the ranges that are not here, cut into chunks of at most `chunk_bytes`."""
        at = 0
        for held in (*self._finished, Chunk(self.file.bytes, self.file.bytes)):
            while at < held.start:
                stop = min(at + chunk_bytes, held.start)
                yield Chunk(at, stop)
                at = stop
            at = max(at, held.stop)

    def write(self, chunk: Chunk, body: bytes) -> None:
        """Put the bytes of a chunk on disk, then say so in the journal."""
        assert len(body) == chunk.stop - chunk.start
        with self._path.open("r+b") as raw:
            raw.seek(chunk.start)
            raw.write(body)
            raw.flush()
            os.fdatasync(raw.fileno())
        line = f"{chunk.start} {chunk.stop} {hashlib.sha256(body).hexdigest()}\n"
        with self._journal.open("ab") as journal:
            journal.write(line.encode())
            journal.flush()
            os.fdatasync(journal.fileno())

    def settle(self) -> None:
        """Make it a whole file of the cache; throws it away and raises `ReleaseError` when its SHA-256 is wrong."""
        digest = sha256_file(self._path)
        if digest != self.file.sha256:
            self._cache.clear(self.file.sha256)
            raise ReleaseError(
                f"{self.file.path} came in with SHA-256 {digest[:16]} in place of {self.file.sha256[:16]}; "
                "what came was thrown away"
            )
        final = self._cache.path(self.file.sha256)
        final.parent.mkdir(parents=True, exist_ok=True)
        flush(self._path)
        self._path.replace(final)
        flush(final.parent)
        self._journal.unlink(missing_ok=True)

    def _read_journal(self) -> Iterator[Chunk]:
        try:
            lines = self._journal.read_text("ascii", errors="replace").splitlines(keepends=True)
        except FileNotFoundError:
            return
        with self._path.open("rb") as raw:
            for line in lines:
                words = line.split()
                if not line.endswith("\n") or len(words) != 3:
                    continue
                start, stop = int(words[0]), int(words[1])
                raw.seek(start)
                if hashlib.sha256(raw.read(stop - start)).hexdigest() == words[2]:
                    yield Chunk(start, stop)
