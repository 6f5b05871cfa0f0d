"""`safelight.lock`: which releases a project uses, by digest. Commit it beside the code that trains on them.

[[release]]
name = "cameras"
version = "1.2.0"
digest = "9f2c..."            SHA-256 over the content
source = "https://..."        where it was pulled from
splits = ["train"]            left out when all splits are used
"""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import LockedError
from catalog.workspace.files import write_text

_HEAD = """# Written by safelight dataset pull and lock. Commit it; bring the same data back with:
#   safelight dataset pull --locked
"""


@dataclass(frozen=True)
class Locked:
    """One release that a project relies on; no `splits` means all."""

    name: str
    version: str
    digest: str
    source: str = ""
    splits: tuple[str, ...] = ()

    @property
    def spoken(self) -> str:
        """The release as people name it: `name@version`."""
        return f"{self.name}@{self.version}"


def read_lock(path: Path) -> list[Locked]:
    """Read a lock file, nothing when it is missing; raises `LockedError` when it cannot be read."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        return [
            Locked(**{**entry, "splits": tuple(entry.get("splits", ()))})
            for entry in document.get("release", [])
        ]
    except FileNotFoundError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise LockedError(f"{path} cannot be read: {error}") from error


def add_to_lock(path: Path, more: Iterable[Locked]) -> None:
    """Put releases into a lock file, each in place of what it said of the same name and version."""
    kept = {(each.name, each.version): each for each in read_lock(path)}
    before = dict(kept)
    for each in more:
        check_locked(kept.values(), each.name, each.version, each.digest)
        kept[each.name, each.version] = each
    if kept != before:
        _write(path, kept.values())


def _write(path: Path, locked: Iterable[Locked]) -> None:
    in_order = sorted(locked, key=lambda each: (each.name, each.version))
    write_text(path, _HEAD + "".join(map(_entry, in_order)))


def drop_from_lock(path: Path, wanted: Iterable[str]) -> list[Locked]:
    """Take entries out of a lock file, each named as `name@version` or, for all versions, `name`; return them.

    Raises `LockedError` when one is not there, and changes nothing then.
    """
    known, dropped = read_lock(path), set[Locked]()
    for each in wanted:
        meant = {entry for entry in known if each in (entry.name, entry.spoken)}
        if not meant:
            there = ", ".join(entry.spoken for entry in known) or "nothing"
            raise LockedError(f"{path} does not name {each}; it names: {there}")
        dropped |= meant
    _write(path, [entry for entry in known if entry not in dropped])
    return sorted(dropped, key=lambda entry: entry.spoken)


def check_locked(locked: Iterable[Locked], name: str, version: str, digest: str) -> None:
    """Raise `LockedError` when the lock file knows this version with another digest."""
    for each in locked:
        if (each.name, each.version) == (name, version) and each.digest != digest:
            raise LockedError(
                f"{name}@{version} has digest {digest}, but safelight.lock says {each.digest}: somebody has published "
                "other content under the same version. Do not use it before you know why"
            )


def _entry(locked: Locked) -> str:
    values = {"name": locked.name, "version": locked.version, "digest": locked.digest}
    values |= {"source": locked.source} if locked.source else {}
    lines = [f"{key} = {_text(value)}" for key, value in values.items()]
    if locked.splits:
        lines.append(f"splits = [{', '.join(map(_text, locked.splits))}]")
    return "\n[[release]]\n" + "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON strings are TOML strings
