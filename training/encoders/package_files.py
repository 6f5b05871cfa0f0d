"""Read single files of what a user gives: a .tgz of npm, a .zip, a folder, or one file. Nothing is extracted to disk.

So a member named `../x`, a link or a device is only a name that nobody asks for, and sizes are bounded before a byte is
read.
"""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from catalog import counted
from training.errors import EncoderFileError

MOST_BYTES = 2**30  # of one file, unpacked
MOST_MEMBERS = 20_000
WEIGHTS = (".onnx", ".safetensors", ".json")


@dataclass(frozen=True)
class PackageFiles:
    """The regular files of a package, by path inside it; `read` gives one."""

    source: Path
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, source: Path) -> "PackageFiles":
        """List the files of a package; raises EncoderFileError."""
        try:
            if source.is_dir():
                paths = sorted(path for path in source.rglob("*") if path.is_file())[:MOST_MEMBERS]
                sizes = {path.relative_to(source).as_posix(): path.stat().st_size for path in paths}
            elif zipfile.is_zipfile(source):
                with zipfile.ZipFile(source) as archive:
                    sizes = {
                        each.filename: each.file_size for each in archive.infolist()[:MOST_MEMBERS]
                    }
            elif source.name.endswith((".tgz", ".tar.gz", ".tar")):
                sizes = _members(source)
            else:
                near = [path for path in source.parent.iterdir() if path.is_file()]
                sizes = {path.name: path.stat().st_size for path in near}
                return cls(source.parent, sizes)
        except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise EncoderFileError(f"{source} cannot be read ({error})") from error
        return cls(source, sizes)

    def read(self, name: str) -> bytes:
        """Return the content of one file; raises EncoderFileError for one that is missing or too large."""
        if name not in self.sizes:
            raise EncoderFileError(f"{self.source} has no file {name}")
        if self.sizes[name] > MOST_BYTES:
            raise EncoderFileError(f"{name} is larger than {MOST_BYTES:,} bytes")
        try:
            data = self._content(name)
        except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise EncoderFileError(f"{name} of {self.source} cannot be read ({error})") from error
        if len(data) > MOST_BYTES:
            raise EncoderFileError(f"{name} is larger than {MOST_BYTES:,} bytes")
        return data

    def beside(self, name: str, other: str) -> bytes:
        """Return the content of a file in the same folder as `name`; `other` is a bare file name."""
        if PurePosixPath(other).name != other:
            raise EncoderFileError(f"{name} names the file {other!r}, which is not a bare name")
        return self.read((PurePosixPath(name).parent / other).as_posix())

    def package_facts(self) -> Mapping[str, object]:
        """Return the content of package.json; empty without one."""
        for name in ("package/package.json", "package.json"):
            if self.sizes.get(name, MOST_BYTES) < 2**20:
                try:
                    facts = json.loads(self.read(name))
                except ValueError:
                    return {}
                return facts if isinstance(facts, dict) else {}
        return {}

    def _content(self, name: str) -> bytes:
        if self.source.is_dir():
            with (self.source / name).open("rb") as file:
                return file.read(MOST_BYTES + 1)
        if zipfile.is_zipfile(self.source):
            with zipfile.ZipFile(self.source) as archive, archive.open(name) as member:
                return member.read(MOST_BYTES + 1)
        with tarfile.open(self.source) as archive_of_tar:
            for entry in archive_of_tar:
                if entry.isreg() and entry.name == name:
                    stream = archive_of_tar.extractfile(entry) or io.BytesIO()
                    return stream.read(MOST_BYTES + 1)
        raise EncoderFileError(f"{self.source} has no file {name}")


def _members(source: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    with tarfile.open(source) as archive:
        for entry in archive:
            if entry.isreg():
                sizes[entry.name] = entry.size
            if len(sizes) > MOST_MEMBERS:
                break
    return sizes


def choose_graph(files: PackageFiles, name: str, member: str = "") -> str:
    """Return the file with the weights or the topology: `member`, else the only one, else the one called like `name`.

    Raises EncoderFileError, which lists what there is.
    """
    graphs = [path for path in files.sizes if path.endswith(WEIGHTS) and _is_graph(files, path)]
    if member:
        matches = [path for path in files.sizes if path == member or path.endswith(f"/{member}")]
    else:
        matches = [path for path in graphs if PurePosixPath(path).stem == name]
        matches = matches or (graphs if len(graphs) == 1 else [])
    if len(matches) == 1:
        return matches[0]
    listed = (
        ", ".join(sorted(graphs)[:12])
        or "none (.onnx, .safetensors, or the .json of a TF.js graph model)"
    )
    problem = (
        counted(len(matches), "file", "matches")
        if matches
        else f"no graph is called {member or name}"
    )
    raise EncoderFileError(f"{problem} in {files.source}; choose one with --member: {listed}")


def _is_graph(files: PackageFiles, path: str) -> bool:
    """Whether a file may be a graph; a .json must be a file with weights beside it."""
    if not path.endswith(".json"):
        return True
    folder, stem = PurePosixPath(path).parent.as_posix(), PurePosixPath(path).stem
    beside = [
        p
        for p in files.sizes
        if PurePosixPath(p).parent.as_posix() == folder and p.endswith(".bin")
    ]
    return any(PurePosixPath(p).name.startswith((stem, "group1-shard")) for p in beside)
