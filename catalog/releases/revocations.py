"""Revocations: releases that must not be used any more, and why.

`releases/revocations.json` travels with the releases: servers hand it out, pulls merge it. The table `revocations` says
the same to SQL. A revocation names a digest, so a version published again with other content is not meant. Each entry
has the SHA-256 of its other values, as JSON with sorted keys; earlier versions wrote none, and readers need none.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from catalog.errors import ReleaseError
from catalog.packs.spool import write_segment
from catalog.tables.rows import rows
from catalog.workspace.files import write_text
from catalog.workspace.workspace import Workspace

FILE = "revocations.json"
_ADVICE = "Put the file back from a backup, or correct it by the table revocations"


@dataclass(frozen=True)
class Revocation:
    """One revoked release; `successor` is the version to use in its place, or null."""

    dataset: str
    version: str
    digest: str
    reason: str
    successor: str | None
    revoked_at: str

    def __str__(self) -> str:
        advice = f"; use {self.dataset}@{self.successor}" if self.successor else ""
        return f"{self.dataset}@{self.version} was revoked on {self.revoked_at[:10]}: {self.reason}{advice}"


def read_revocations(folder: Path) -> list[Revocation]:
    """Read the revocations of a folder of releases; none when the file is missing.

    Raises `ReleaseError` when it cannot be read.
    """
    return [revocation for _, revocation in _entries(folder)]


def revocation_problems(folder: Path) -> Iterator[str]:
    """Say whether the revocations of a folder of releases are damaged."""
    try:
        entries = _entries(folder)
    except ReleaseError as error:
        yield str(error)
        return
    for entry, revocation in entries:
        if entry not in (asdict(revocation), _with_sum(revocation)):
            yield (
                f"{folder / FILE} is damaged: the entry of {revocation.dataset}@{revocation.version} "
                f"is not what was written. {_ADVICE}"
            )


def _entries(folder: Path) -> list[tuple[object, Revocation]]:
    """Read each entry as it stands in the file, and what it says."""
    try:
        entries = json.loads((folder / FILE).read_bytes())
        return list(zip(entries, parse_revocations(entries), strict=True))
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, AttributeError) as error:
        raise ReleaseError(f"{folder / FILE} is damaged: {error}. {_ADVICE}") from error


def _with_sum(revocation: Revocation) -> dict[str, str | None]:
    values = asdict(revocation)
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return values | {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def parse_revocations(entries: Iterable[Mapping[str, str]]) -> list[Revocation]:
    """Make revocations of their JSON."""
    names = Revocation.__dataclass_fields__
    return [Revocation(**{name: each.get(name) for name in names}) for each in entries]  # type: ignore[arg-type]  # only successor may be null


def merge_revocations(folder: Path, more: Iterable[Revocation]) -> list[Revocation]:
    """Add revocations to a folder of releases, the newest of each version counts; return the new ones.

    Raises `ReleaseError` when those that are there are damaged: written again, the damage would look right.
    """
    merged = {(each.dataset, each.version, each.digest): each for each in read_revocations(folder)}
    new = []
    for each in more:
        old = merged.get((each.dataset, each.version, each.digest))
        if old is None or each.revoked_at > old.revoked_at:
            merged[each.dataset, each.version, each.digest] = each
            new.append(each)
    if new:
        for problem in revocation_problems(folder):
            raise ReleaseError(problem)
        listed = [_with_sum(merged[key]) for key in sorted(merged)]
        write_text(folder / FILE, json.dumps(listed, indent=1, ensure_ascii=False) + "\n")
    return new


def revocation_of(
    revocations: Iterable[Revocation], name: str, version: str, digest: str
) -> Revocation | None:
    """Find what revokes a release, or None."""
    identity = (name, version, digest)
    return next((r for r in revocations if (r.dataset, r.version, r.digest) == identity), None)


def latest_advice(revocations: Collection[Revocation], revoked: Revocation) -> Revocation:
    """Give `revoked` with the successor that is not revoked itself: a successor may have one of its own."""
    by_version = {r.version: r for r in revocations if r.dataset == revoked.dataset}
    at, passed = revoked, {revoked.version}
    while at.successor in by_version and at.successor not in passed:
        passed.add(at.successor)
        at = by_version[at.successor]
    return replace(revoked, successor=at.successor)


def revoke(
    workspace: Workspace,
    release: tuple[str, str, str],
    reason: str,
    successor: str | None = None,
) -> Revocation:
    """Say that a release (name, version, digest) must not be used any more; its files stay.

    Writes `releases/revocations.json` and leaves a segment for the table. Raises `ReleaseError` when it is
    revoked already.
    """
    if old := revocation_of(read_revocations(workspace.releases), *release):
        raise ReleaseError(f"nothing to do: {old}")
    now = datetime.now(UTC)
    revocation = Revocation(*release, reason, successor, now.isoformat(timespec="seconds"))
    merge_revocations(workspace.releases, [revocation])
    row = asdict(revocation) | {"revoked_at": now.replace(tzinfo=None)}
    job = f"revoke:{revocation.dataset}@{revocation.version}"
    write_segment(workspace, {"revocations": rows("revocations", [row])}, job=job)
    return revocation
