"""Revocations: releases that must not be used any more, and why.

`releases/revocations.json` travels with the releases: servers hand it out, pulls merge it. The table `revocations` says
the same to SQL. A revocation names a digest, so a version published again with other content is not meant.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from catalog.errors import ReleaseError
from catalog.files import write_text
from catalog.rows import rows
from catalog.spool import write_segment
from catalog.workspace import Workspace

FILE = "revocations.json"


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
    """Read the revocations of a folder of releases; none when the file is missing."""
    try:
        said = json.loads((folder / FILE).read_text("utf-8"))
    except FileNotFoundError:
        return []
    return parse_revocations(said)


def parse_revocations(said: Iterable[Mapping[str, str]]) -> list[Revocation]:
    """Make revocations of their JSON."""
    names = Revocation.__dataclass_fields__
    return [Revocation(**{name: each.get(name) for name in names}) for each in said]  # type: ignore[arg-type]  # only successor may be null


def merge_revocations(folder: Path, more: Iterable[Revocation]) -> list[Revocation]:
    """Add revocations to a folder of releases, the newest of each version counts; return the new ones."""
    known = {(each.dataset, each.version, each.digest): each for each in read_revocations(folder)}
    new = []
    for each in more:
        old = known.get((each.dataset, each.version, each.digest))
        if old is None or each.revoked_at > old.revoked_at:
            known[each.dataset, each.version, each.digest] = each
            new.append(each)
    if new:
        listed = [asdict(known[key]) for key in sorted(known)]
        write_text(folder / FILE, json.dumps(listed, indent=1, ensure_ascii=False) + "\n")
    return new


def revocation_of(
    revocations: Iterable[Revocation], name: str, version: str, digest: str
) -> Revocation | None:
    """Find what revokes a release, or None."""
    wanted = (name, version, digest)
    return next((r for r in revocations if (r.dataset, r.version, r.digest) == wanted), None)


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
