"""Say how many pictures a model may be trained on, why not all, and which command changes that."""

import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from catalog.lake.lake import Catalog
from catalog.program_name import command_name
from catalog.workspace.options import home_words

_MOST_REASONS = 4
NOT_ALLOWED = "training_allowed IS NOT TRUE"


@dataclass(frozen=True)
class Permission:
    """Pictures in all, those that may be trained on, and the others by the reason that their rows give."""

    total: int
    allowed: int
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def as_json(self) -> dict[str, object]:
        """The fields for `--json`: `reasons` maps each reason to its number of pictures."""
        return {"total": self.total, "allowed": self.allowed, "reasons": dict(self.reasons)}

    def sentence(self) -> str:
        """Say it in a few words.

        >>> Permission(200, 0, (("no_basis_recorded", 200),)).sentence()
        '0 of 200 may be trained on, because no_basis_recorded (200)'
        """
        message = f"{self.allowed} of {self.total} may be trained on"
        if not self.reasons:
            return message
        listed = [f"{reason} ({n})" for reason, n in self.reasons[:_MOST_REASONS]]
        more = len(self.reasons) - len(listed)
        return f"{message}, because {', '.join(listed)}{f' and {more} more' if more else ''}"

    def advice(self, photos: str) -> str:
        """Add the command that records a basis for `photos`, an SQL predicate."""
        if self.allowed == self.total:
            return self.sentence()
        return f"{self.sentence()}; to change that: {basis_command(photos)}"


def of_crawl(catalog: Catalog, crawl_id: str) -> Permission:
    """Count the photos that a crawl brought in."""
    rows = catalog.records(
        "SELECT training_allowed, training_basis, count(*) AS n FROM v_all_photos WHERE crawl_id = ? GROUP BY ALL",
        [crawl_id],
    )
    return _counted(
        (bool(row["training_allowed"]), row["training_basis"], int(str(row["n"]))) for row in rows
    )


def of_run(catalog: Catalog, run_id: str) -> Permission:
    """Count the pictures that a curation run kept, by what its rows say: the next run hears what is recorded now."""
    rows = catalog.records(
        "SELECT training_allowed, training_basis, count(*) AS n FROM curated_items WHERE run_id = ? GROUP BY ALL",
        [run_id],
    )
    return _counted(
        (bool(row["training_allowed"]), row["training_basis"], int(str(row["n"]))) for row in rows
    )


def of_index(index: pa.Table) -> Permission:
    """Count the pictures of a release by its index; no statement means not allowed."""
    if not {"training_allowed", "training_basis"} <= set(index.column_names):
        return Permission(len(index), 0, (("not stated", len(index)),))
    pairs = zip(
        index["training_allowed"].to_pylist(), index["training_basis"].to_pylist(), strict=True
    )
    return _counted((bool(allowed), basis, 1) for allowed, basis in pairs)


def _counted(counts: Iterable[tuple[bool, object, int]]) -> Permission:
    allowed, reasons = 0, Counter[str]()
    for is_allowed, basis, n in counts:
        if is_allowed:
            allowed += n
        else:
            reasons[str(basis or "not stated")] += n
    return Permission(allowed + reasons.total(), allowed, tuple(reasons.most_common()))


def crawled(crawl_id: str) -> str:
    """Give the predicate of the photos that a crawl brought in and no model may be trained on."""
    return f"crawl_id = '{crawl_id}' AND {NOT_ALLOWED}"


def released(name: str, version: str) -> str:
    """Give the predicate of the photos of a release that no model may be trained on."""
    items = (
        f"SELECT asset_sha256 FROM dataset_items WHERE dataset = '{name}' AND version = '{version}'"
    )
    return f"asset_sha256 IN ({items}) AND {NOT_ALLOWED}"


def curated(run_id: str) -> str:
    """Give the predicate of the photos that a curation run kept and no model may be trained on."""
    items = f"SELECT asset_sha256 FROM curated_items WHERE run_id = '{run_id}'"
    return f"asset_sha256 IN ({items}) AND {NOT_ALLOWED}"


def basis_command(photos: str) -> str:
    """Write the command that records a basis for `photos`, an SQL predicate, to be pasted into a shell."""
    quoted = shlex.quote(photos) if set(photos) & set('"$`\\!') else f'"{photos}"'
    return f'{command_name()} crawl basis{home_words()} --where {quoted} --training-basis "WHY YOU MAY"'
