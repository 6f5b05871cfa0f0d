"""Releases whose pictures a takedown deleted: which takedown it was, and what to use in their place.

A takedown leaves manifest and card of such a release; its record (`reports/takedowns/DATE-ID/takedown.json`) names the
release, and so do the revocations, which other homes see, too.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.releases.manifest import MANIFEST
from catalog.releases.revocations import Revocation, latest_advice, read_revocations, revocation_of

INDEX = "_index.parquet"
_RECORDS = "reports/takedowns/*/takedown.json"


@dataclass(frozen=True)
class DeletedData:
    """Day and reason of a deletion, and what to do now; `proof` is empty where another home ran the takedown."""

    release: str
    day: str
    reason: str
    advice: str
    proof: str = ""

    def __str__(self) -> str:
        proof = f". What was taken out: {self.proof}" if self.proof else ""
        return (
            f"a takedown deleted the pictures of {self.release} on {self.day}: {self.reason}; "
            f"{self.advice}{proof}"
        )


def deleted_data(
    releases: Path, name: str, version: str, digest: str, *, folder: Path | None = None
) -> DeletedData | None:
    """Say which takedown deleted the data of a release below the folder `releases`; None when none did.

    `folder` is where its files lie when that is not `releases/NAME/VERSION`.
    """
    folder, spoken = folder or releases / name / version, f"{name}@{version}"
    if not (folder / MANIFEST).exists() or (folder / INDEX).exists():
        return None
    revocations = read_revocations(releases)
    revoked = revocation_of(revocations, name, version, digest)
    advice = _advice(latest_advice(revocations, revoked) if revoked else None)
    if record := next(_records(releases.parent, spoken, digest), None):
        proof, said = record
        reason = str(said["order"]["reason"])
        return DeletedData(spoken, str(said["finished_at"])[:10], reason, advice, proof)
    if revoked and not any(folder.rglob("*.parquet")):
        return DeletedData(spoken, revoked.revoked_at[:10], revoked.reason, advice)
    return None


def _records(home: Path, release: str, digest: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """List the finished takedowns that deleted the data of a release, newest first: proof and record."""
    for path in sorted(home.glob(_RECORDS), reverse=True):
        said = json.loads(path.read_text("utf-8"))
        digests = [each["digest"] for each in said["found"]["releases"]]
        if release in said["purged"] and digest in digests:
            yield path.with_suffix(".md").relative_to(home).as_posix(), said


def _advice(revoked: Revocation | None) -> str:
    if revoked is None:
        return "ask its publisher for a version without what was taken out"
    if not revoked.successor:
        return "no version replaces it"
    return f"use {revoked.dataset}@{revoked.successor}"
