"""Let a run honour what people decided: pictures kept or dropped by hand, groups split, merged, their keeper chosen.

Decisions are read once at the start of a run and are part of its name: the same decisions over the same pictures give
the same run. They are applied oldest first, so that of two which contradict each other the later one counts.
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
    """The decisions that a run honours, oldest first, and the pictures that must not be there (to their reason)."""

    decisions: tuple[ManualDecision, ...] = ()
    tombstones: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Give one line a decision, for the name of the run."""
        return [
            *(made.decision_id for made in self.decisions),
            *(f"tombstone {sha}" for sha in sorted(self.tombstones)),
        ]

    def about(self, kind: str) -> dict[str, ManualDecision]:
        """Map pictures to the decision of this kind (keep, drop or keeper) that counts.

        A drop ends an earlier keep and the reverse; whom somebody later makes a keeper is not dropped.
        """
        found: dict[str, ManualDecision] = {}
        ends = {"keep": ("drop",), "drop": ("keep", "keeper"), "keeper": ("drop",)}[kind]
        for made in self.decisions:
            for sha in made.assets:
                if made.kind == kind:
                    found[sha] = made
                elif made.kind in ends:
                    found.pop(sha, None)
        return found


def read_manual_edits(catalog: Catalog) -> ManualEdits:
    """Read what holds now; a tombstone of a picture that is not there any more says nothing."""
    known = catalog.records(
        f"SELECT t.* FROM ({_TOMBSTONES}) t JOIN assets a ON a.sha256 = t.asset_sha256"
    )
    gone = {str(row["asset_sha256"]): str(row["reason"]) for row in known}
    return ManualEdits(tuple(decisions_in_force(catalog, _EFFECTIVE)), gone)


def edit_groups(
    pictures: pl.DataFrame,
    found: Duplicates,
    edits: ManualEdits,
    order: tuple[str, ...] = KEEPER_ORDER,
) -> Duplicates:
    """Split and merge groups and choose keepers as people said; a dropped picture represents nobody.

    `pictures` has the columns of `keeper.choose` and holds all that may be in a group. Nothing changes without
    decisions about groups or their members.
    """
    part_of = _parted(set(pictures["asset_sha256"]), found, edits)
    before = dict(found.groups.select("asset_sha256", "group_id").iter_rows())
    unwanted, chosen = {*edits.about("drop"), *edits.tombstones}, edits.about("keeper")
    if part_of == before and not before.keys() & (unwanted | chosen.keys()):
        return found
    copies = found.edges.filter(pl.col("verdict") == "duplicate")
    members = _members(part_of, found.groups).join(pictures, on="asset_sha256")
    marked = members.with_columns(is_framed=pl.col("asset_sha256").is_in(framed_pictures(copies)))
    rank = {sha: -1 - place for place, sha in enumerate(chosen)} | dict.fromkeys(unwanted, 1)
    said = pl.col("asset_sha256").replace_strict(rank, default=0, return_dtype=pl.Int64)
    ranked = keeper.choose(marked, order).sort("group_id", said, maintain_order=True)
    groups = ranked.with_columns(is_keeper=pl.col("group_id").is_first_distinct())
    return replace(found, groups=groups.select(list(GROUPS)).sort("group_id", "asset_sha256"))


def _parted(known: set[str], found: Duplicates, edits: ManualEdits) -> dict[str, str]:
    """Name the group of each member after all splits and merges."""
    parts: dict[str, set[str]] = {}
    for sha, group_id in found.groups.select("asset_sha256", "group_id").iter_rows():
        parts.setdefault(group_id, set()).add(sha)
    part_of = {sha: part for part in parts.values() for sha in part}
    others = _others(found)
    for made in edits.decisions:
        named = [sha for sha in made.assets if sha in known]
        if made.kind == "merge" and len(named) > 1:
            _put(part_of, set().union(*(part_of.get(sha, {sha}) for sha in named)))
        elif made.kind == "split":
            touched = {min(part_of[sha]): part_of[sha] for sha in named if sha in part_of}
            for part in touched.values():
                apart = _cut(part, part & set(made.assets), part & set(made.rest), others)
                _put(part_of, apart)
                _put(part_of, part - apart)
    return {sha: min(part) for sha, part in part_of.items() if len(part) > 1}


def _put(part_of: dict[str, set[str]], part: set[str]) -> None:
    part_of.update(dict.fromkeys(part, part))


def _others(found: Duplicates) -> dict[str, set[str]]:
    """Map each picture to its verified copies."""
    others: dict[str, set[str]] = defaultdict(set)
    copies = found.edges.filter(pl.col("verdict") == "duplicate")
    for left, right in copies.select("asset_a", "asset_b").iter_rows():
        others[left].add(right)
        others[right].add(left)
    return others


def _cut(part: set[str], apart: set[str], rest: set[str], others: dict[str, set[str]]) -> set[str]:
    """Give the side of a group that goes with `apart`; who came later goes with those it has more copies among."""
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
    """List the members of the new groups, with the evidence that tied them before or `manual`."""
    listed = pl.DataFrame(
        sorted(part_of.items()),
        schema={"asset_sha256": pl.String, "group_id": pl.String},
        orient="row",
    )
    tied = groups.select("asset_sha256", "method", "similarity")
    return listed.join(tied, on="asset_sha256", how="left").with_columns(
        pl.col("method").fill_null("manual"), pl.col("similarity").fill_null(1.0)
    )
