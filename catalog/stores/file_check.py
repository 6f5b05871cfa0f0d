"""Compare the files of the tables with what the snapshots say of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalog.packs.objects import Objects, hash_object
from catalog.program_name import command_name
from catalog.stores.file_sums import sum_in_name


@dataclass(frozen=True)
class FileCheck:
    """What was found: problems as sentences, addresses of orphans, how many files have no recorded SHA-256.

    `n_files` counts the files that were compared.
    """

    problems: Iterator[str]
    orphans: tuple[str, ...]
    without_sum: int
    n_files: int = 0


def check_files(
    objects: Objects,
    named: Mapping[str, int],
    there: Mapping[str, int],
    others: Collection[str],
    *,
    rehash: bool,
) -> FileCheck:
    """Compare files by address: `named` (with the bytes that they should have) with `there`, with the bytes they have.

    `others` may be there, for readers that began earlier, and are no orphans. Hashes are read while `problems` is
    consumed.
    """
    strange = sorted(there.keys() - named.keys() - set(others))
    orphans = strange if objects.remote else _without_old_names(strange, named)
    without = sum(sum_in_name(path) is None for path in named)
    waiting = [path for path in sorted(others) if rehash and path in there and path not in named]
    problems = _closing(
        objects, _problems(objects, named, there, rehash), _waiting(objects, waiting)
    )
    return FileCheck(problems, tuple(orphans), without, len(named) + len(waiting))


def _closing(objects: Objects, *checks: Iterator[str]) -> Iterator[str]:
    for each in checks:
        yield from each
    objects.close()


def _waiting(objects: Objects, paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        with suppress(FileNotFoundError):  # deleted since it was listed
            if not _is_as_recorded(objects, path):
                yield (
                    f"table file {path} is damaged: its SHA-256 is not the recorded one. No snapshot names it any "
                    f"more: {command_name()} catalog maintain deletes it"
                )


def _is_as_recorded(objects: Objects, path: str) -> bool:
    top, recorded = f"{objects.address('').rstrip('/')}/", sum_in_name(path)
    return recorded is None or hash_object(objects, path.removeprefix(top)) == recorded


def _problems(
    objects: Objects, named: Mapping[str, int], there: Mapping[str, int], rehash: bool
) -> Iterator[str]:
    for path, size in named.items():
        if path not in there:
            yield f"table file {path} is missing"
        elif there[path] != size:
            yield f"table file {path} has {there[path]} bytes, not {size}"
        elif rehash and not _is_as_recorded(objects, path):
            yield f"table file {path} is damaged: its SHA-256 is not the recorded one"


def _without_old_names(orphans: list[str], named: Collection[str]) -> list[str]:
    """Leave out links to files that have another name by now: they take no space."""
    files = {_file(path) for path in named} - {None}
    return [path for path in orphans if _file(path) not in files]


def _file(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        about = Path(path).stat()
        return about.st_dev, about.st_ino
    return None
