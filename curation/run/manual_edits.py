"""Apply manual decisions to a run: pictures kept or dropped by hand, groups split or merged, keepers chosen.

Decisions are read once at the start of a run and are part of its id: the same decisions over the same pictures give
the same run. They are applied oldest first, so the later one of two contradicting decisions wins.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace

import polars as pl

from catalog import Catalog, ManualDecision, decisions_in_force
from curation.duplicates import keeper
from curation.duplicates.limits import KEEPER_ORDER
from curation.duplicates.search import GROUPS, Duplicates, framed_pictures

_EFFECTIVE = ("keep", "drop", "keeper", "split", "merge")
_TOMBSTONES = """
    WITH blocked AS (
        SELECT kind, value, arg_max(reason, created_at) AS reason FROM tombstones
        WHERE crawl_id IS NULL AND kind IN ('sha256', 'photo')
        GROUP BY kind, value HAVING arg_max(blocks, created_at)
    )
    SELECT value AS asset_sha256, reason FROM blocked WHERE kind = 'sha256' UNION
    SELECT p.asset_sha256, b.reason FROM blocked b JOIN photos p ON p.photo_id = b.value
    WHERE b.kind = 'photo' AND p.asset_sha256 IS NOT NULL
"""


@dataclass(frozen=True)
class ManualEdits:
    """The decisions that a run applies, oldest first, and the tombstones (picture to reason)."""

    decisions: tuple[ManualDecision, ...] = ()
    tombstones: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Give one line a decision, for the id of the run."""
        return [
            *(decision.decision_id for decision in self.decisions),
            *(f"tombstone {sha}" for sha in sorted(self.tombstones)),
        ]

    def latest(self, kind: str) -> dict[str, ManualDecision]:
        """Map pictures to their decision in force of this kind (keep, drop or keeper).

        A drop ends an earlier keep, and the reverse; a later `keeper` ends a drop.
        """
        latest: dict[str, ManualDecision] = {}
        ends = {"keep": ("drop",), "drop": ("keep", "keeper"), "keeper": ("drop",)}[kind]
        for decision in self.decisions:
            for sha in decision.assets:
                if decision.kind == kind:
                    latest[sha] = decision
                elif decision.kind in ends:
                    latest.pop(sha, None)
        return latest


def read_manual_edits(catalog: Catalog) -> ManualEdits:
    """Read the decisions and tombstones in force; tombstones of pictures that are no longer stored are left out."""
    rows = catalog.records(
        f"SELECT t.* FROM ({_TOMBSTONES}) t JOIN assets a ON a.sha256 = t.asset_sha256"
    )
    tombstones = {str(row["asset_sha256"]): str(row["reason"]) for row in rows}
    return ManualEdits(tuple(decisions_in_force(catalog, _EFFECTIVE)), tombstones)


def edit_groups(
    pictures: pl.DataFrame,
    duplicates: Duplicates,
    edits: ManualEdits,
    order: tuple[str, ...] = KEEPER_ORDER,
) -> Duplicates:
    """Split and merge groups and choose keepers as people decided; a dropped picture is never the keeper of others.

    `pictures` has the columns of `keeper.choose` and holds all that may be in a group. Nothing changes without
    decisions about groups or their members.
    """
    group_of = _edited_groups(set(pictures["asset_sha256"]), duplicates, edits)
    before = dict(duplicates.groups.select("asset_sha256", "group_id").iter_rows())
    dropped, chosen = {*edits.latest("drop"), *edits.tombstones}, edits.latest("keeper")
    if group_of == before and not before.keys() & (dropped | chosen.keys()):
        return duplicates
    copies = duplicates.edges.filter(pl.col("verdict") == "duplicate")
    members = _members(group_of, duplicates.groups).join(pictures, on="asset_sha256")
    marked = members.with_columns(is_framed=pl.col("asset_sha256").is_in(framed_pictures(copies)))
    rank = {sha: -1 - place for place, sha in enumerate(chosen)} | dict.fromkeys(dropped, 1)
    priority = pl.col("asset_sha256").replace_strict(rank, default=0, return_dtype=pl.Int64)
    ranked = keeper.choose(marked, order).sort("group_id", priority, maintain_order=True)
    groups = ranked.with_columns(is_keeper=pl.col("group_id").is_first_distinct())
    return replace(duplicates, groups=groups.select(list(GROUPS)).sort("group_id", "asset_sha256"))


def _edited_groups(
    pictures: set[str], duplicates: Duplicates, edits: ManualEdits
) -> dict[str, str]:
    """Map each member to its group after all splits and merges."""
    parts: dict[str, set[str]] = {}
    for sha, group_id in duplicates.groups.select("asset_sha256", "group_id").iter_rows():
        parts.setdefault(group_id, set()).add(sha)
    part_of = {sha: part for part in parts.values() for sha in part}
    copies_of = _copies_of(duplicates)
    for decision in edits.decisions:
        assets = [sha for sha in decision.assets if sha in pictures]
        if decision.kind == "merge" and len(assets) > 1:
            _set_group(part_of, set().union(*(part_of.get(sha, {sha}) for sha in assets)))
        elif decision.kind == "split":
            touched = {min(part_of[sha]): part_of[sha] for sha in assets if sha in part_of}
            for part in touched.values():
                apart = _separated(
                    part, part & set(decision.assets), part & set(decision.rest), copies_of
                )
                _set_group(part_of, apart)
                _set_group(part_of, part - apart)
    return {sha: min(part) for sha, part in part_of.items() if len(part) > 1}


def _set_group(part_of: dict[str, set[str]], part: set[str]) -> None:
    part_of.update(dict.fromkeys(part, part))


def _copies_of(duplicates: Duplicates) -> dict[str, set[str]]:
    """Map each picture to its verified copies."""
    copies_of: dict[str, set[str]] = defaultdict(set)
    copies = duplicates.edges.filter(pl.col("verdict") == "duplicate")
    for left, right in copies.select("asset_a", "asset_b").iter_rows():
        copies_of[left].add(right)
        copies_of[right].add(left)
    return copies_of


def _separated(
    part: set[str], apart: set[str], rest: set[str], others: dict[str, set[str]]
) -> set[str]:
    """Give the members of a group that go with `apart`; a later member goes to the side where it has more copies."""
    if not rest:
        return set()
    apart, rest, left = set(apart), set(rest), part - apart - rest
    while left:
        ties = {sha: (len(others[sha] & apart), len(others[sha] & rest)) for sha in left}
        near = {sha for sha, counts in ties.items() if any(counts)} or left
        apart |= {sha for sha in near if ties[sha][0] > ties[sha][1]}
        rest |= {sha for sha in near if ties[sha][0] <= ties[sha][1]}
        left -= near
    return apart


def _members(part_of: dict[str, str], groups: pl.DataFrame) -> pl.DataFrame:
    """List the members of the edited groups, with their earlier evidence or `manual`."""
    listed = pl.DataFrame(
        sorted(part_of.items()),
        schema={"asset_sha256": pl.String, "group_id": pl.String},
        orient="row",
    )
    tied = groups.select("asset_sha256", "method", "similarity")
    return listed.join(tied, on="asset_sha256", how="left").with_columns(
        pl.col("method").fill_null("manual"), pl.col("similarity").fill_null(1.0)
    )
