"""Compare the files of the tables with what the snapshots say of them."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalog.objects import Objects, hash_object
from catalog.stores.file_sums import sum_in_name


@dataclass(frozen=True)
class FileCheck:
    """What was found: problems as sentences, addresses of orphans, how many files have no recorded SHA-256."""

    problems: Iterator[str]
    orphans: tuple[str, ...]
    without_sum: int


def check_files(
    objects: Objects,
    named: Mapping[str, int],
    there: Mapping[str, int],
    others: Collection[str],
    *,
    rehash: bool,
) -> FileCheck:
    """Compare files by address: `named` (with the bytes that they should have) with `there`, with the bytes they have.

    `others` may be there, and are no orphans. Hashes are read while `problems` is consumed.
    """
    strange = sorted(there.keys() - named.keys() - set(others))
    orphans = strange if objects.remote else _without_old_names(strange, named)
    without = sum(sum_in_name(path) is None for path in named)
    return FileCheck(_problems(objects, named, there, rehash), tuple(orphans), without)


def _problems(
    objects: Objects, named: Mapping[str, int], there: Mapping[str, int], rehash: bool
) -> Iterator[str]:
    top = f"{objects.address('').rstrip('/')}/"
    for path, size in named.items():
        recorded = sum_in_name(path)
        if path not in there:
            yield f"table file {path} is missing"
        elif there[path] != size:
            yield f"table file {path} has {there[path]} bytes, not {size}"
        elif rehash and recorded and hash_object(objects, path.removeprefix(top)) != recorded:
            yield f"table file {path} is damaged: its SHA-256 is not the recorded one"
    objects.close()


def _without_old_names(orphans: list[str], named: Collection[str]) -> list[str]:
    """Leave out links to files that have another name by now: they take no space."""
    files = {_file(path) for path in named} - {None}
    return [path for path in orphans if _file(path) not in files]


def _file(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        about = Path(path).stat()
        return about.st_dev, about.st_ino
    return None
