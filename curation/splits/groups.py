"""Assign whole groups to train, validation and test, so that test pictures share nothing with training pictures.

A group is a connected component over duplicate groups, same-scene edges, photographers, cameras, sessions and persons.
Where these keys connect nearly all pictures, keys are given up one by one, each with a warning, in the order of
`GROUP_KEYS`. A picture without any key forms a group with its duplicates and scene only. A naive per-picture split is
computed for comparison.

Adding pictures does not change the split of old ones, unless the new pictures connect groups of different splits. Then
the merged group goes to train, so that a test set only shrinks, and `moved` has an entry for each changed picture.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from catalog import GROUP_KEYS, counted, track
from curation.splits.connected_groups import Key, component_ids
from curation.splits.strata import SETTING_STRATA, Stratum

SPLITS = ("train", "validation", "test")
MAX_GROUP_SHARE = 0.5  # of the pictures that validation or test should get: no split is one camera
MAX_CONNECTED_SHARE = (
    0.75  # of all pictures in one group: above it a split by these keys is useless
)
IMPROVEMENT_PASSES = 4

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Splits:
    """The split and the group of each picture, the keys of the groups, and warnings.

    `moved` maps the pictures that changed their split because groups merged to evidence (JSON).
    """

    split: dict[str, str]
    group: dict[str, str]
    grouped_by: tuple[str, ...]
    n_inherited: int = 0
    warnings: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)


def group_split(
    items: pl.DataFrame,
    shares: tuple[float, float, float],
    seed: int,
    previous: Mapping[str, str] | None = None,
    *,
    strata: Sequence[Stratum] = SETTING_STRATA,
    scene_of: Mapping[str, str] | None = None,
) -> Splits:
    """Split `items` (asset_sha256, scene_id, keys of `GROUP_KEYS`, columns of `strata`) by group.

    A scene is never cut: pictures of one `scene_id` are copies of each other or show the same moment. `previous` has
    the earlier split of pictures: the whole group gets that split; a group with several earlier splits goes to train.
    `scene_of` has the scene of pictures that are no longer among `items`, so that a better copy gets the split of the
    picture that it replaces. The result does not depend on the order of rows; a key without a column is unknown.
    """
    absent = [key for key in GROUP_KEYS if key not in items.columns]
    items = items.sort("asset_sha256").with_columns(
        pl.lit(None, pl.String).alias(k) for k in absent
    )
    warnings: list[str] = []
    keys, group = _group_by_keys(items, warnings)
    names, counts = _counts(items, group, strata)
    previous_splits = _previous_splits(items, group, previous or {}, scene_of or {})
    fixed = {name: _fixed_split(splits) for name, splits in previous_splits.items()}
    moved = _moves(group, previous or {}, previous_splits, fixed)
    warnings += _conflict_warnings(previous_splits)
    assigned = _assign(names, counts, shares, seed, fixed)
    split = {sha: assigned[group_id] for sha, group_id in group.items()}
    warnings += _gap_warnings(items, split, strata)
    n_inherited = sum(sha in split and split[sha] == side for sha, side in (previous or {}).items())
    return Splits(split, group, keys, n_inherited, warnings, moved)


def random_split(assets: Sequence[str], shares: tuple[float, float, float], seed: int) -> list[str]:
    """Split picture by picture, by a hash of seed and picture, without regard to groups."""
    fractions = [_fraction(seed, sha) for sha in assets]
    places = np.searchsorted(np.cumsum(shares), fractions, side="right")
    return [SPLITS[place] for place in np.minimum(places, 2).tolist()]


def _fraction(seed: int, name: str) -> float:
    """Give a number in [0, 1) that depends on nothing but seed and name."""
    digest = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _group_by_keys(
    items: pl.DataFrame, warnings: list[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Group by as many keys as possible while the groups can still be split."""
    pictures = items["asset_sha256"].to_list()
    available = [key for key in GROUP_KEYS if items[key].count()]
    for n_given_up in range(len(available) + 1):
        keys = available[n_given_up:]
        group = component_ids(pictures, _key_pairs(items, ("scene_id", *keys)))
        if _is_splittable(group) or not keys:
            break
        warnings.append(
            f"groups by {' and '.join(keys)} knit {_largest_share(group):.0%} of the pictures together: "
            f"{keys[0]} is given up, so the same {keys[0]} may appear on both sides of the split"
        )
    n_groups = len(set(group.values()))
    if pictures and n_groups < len(SPLITS):
        warnings.append(f"{counted(n_groups, 'group', 'is')} too few for {len(SPLITS)} splits")
    # Keys before a key that was given up are given up too, whether they have values or not.
    given_up = available[: len(available) - len(keys)]
    first = GROUP_KEYS.index(given_up[-1]) + 1 if given_up else 0
    return GROUP_KEYS[first:], group


def _key_pairs(items: pl.DataFrame, keys: Sequence[str]) -> list[tuple[str, Key]]:
    columns = [(key, items["asset_sha256"], items[key]) for key in keys]
    return [
        (sha, (key, value))
        for key, shas, values in columns
        for sha, value in zip(shas, values, strict=True)
        if value
    ]


def _is_splittable(group: dict[str, str]) -> bool:
    n_groups = len(set(group.values()))
    return n_groups >= len(SPLITS) and _largest_share(group) <= MAX_CONNECTED_SHARE


def _largest_share(group: dict[str, str]) -> float:
    if not group:
        return 0.0
    sizes = np.unique(list(group.values()), return_counts=True)[1]
    return float(sizes.max() / len(group))


def _counts(
    items: pl.DataFrame, group: dict[str, str], strata: Sequence[Stratum]
) -> tuple[list[str], Reals]:
    """Count pictures and the classes of each group: names, counts of shape (groups, 1 + all classes)."""
    names = sorted(set(group.values()))
    place = {name: index for index, name in enumerate(names)}
    rows = np.array([place[group[sha]] for sha in items["asset_sha256"]], dtype=np.int64)
    parts = [np.bincount(rows, minlength=len(names)).reshape(-1, 1)]
    for stratum in strata:
        width = len(stratum.classes)
        numbers = items[stratum.column].fill_null(-1).to_numpy()
        is_known = numbers >= 0
        cells = width * rows[is_known] + numbers[is_known]
        parts.append(np.bincount(cells, minlength=width * len(names)).reshape(-1, width))
    return names, np.concatenate(parts, axis=1).astype(np.float64)


PreviousSplits = dict[str, dict[str, list[str]]]
"""Group to split to the pictures of the group that were in that split."""


def _previous_splits(
    items: pl.DataFrame,
    group: dict[str, str],
    previous: Mapping[str, str],
    scene_of: Mapping[str, str],
) -> PreviousSplits:
    by_scene = dict(
        zip(items["scene_id"], (group[sha] for sha in items["asset_sha256"]), strict=True)
    )
    result: PreviousSplits = {}
    for sha in sorted(previous):
        group_id = group.get(sha) or by_scene.get(scene_of.get(sha, ""))
        if group_id and previous[sha] in SPLITS:
            result.setdefault(group_id, {}).setdefault(previous[sha], []).append(sha)
    return result


def _fixed_split(splits: Mapping[str, object]) -> str:
    """Give the only earlier split, or train where there were several."""
    return "train" if len(splits) > 1 else next(iter(splits))


def _moves(
    group: dict[str, str],
    previous: Mapping[str, str],
    previous_splits: PreviousSplits,
    fixed: Mapping[str, str],
) -> dict[str, str]:
    """Give for each picture whose split changes the old split and one picture that its group was connected with."""
    moved = {}
    for sha, group_id in group.items():
        old_split = previous.get(sha)
        if old_split not in SPLITS or old_split == fixed[group_id]:
            continue
        others = {
            side: shas[0]
            for side, shas in sorted(previous_splits[group_id].items())
            if side != old_split
        }
        evidence = {"from": old_split, "to": fixed[group_id], "group": group_id, "tied_to": others}
        moved[sha] = json.dumps(evidence)
    return moved


def _conflict_warnings(previous_splits: PreviousSplits) -> list[str]:
    return [
        f"group {name[:12]} joins pictures of {', '.join(sorted(splits))}: it moves to train"
        for name, splits in sorted(previous_splits.items())
        if len(splits) > 1
    ]


def _assign(
    names: list[str],
    counts: Reals,
    shares: tuple[float, float, float],
    seed: int,
    fixed: Mapping[str, str],
) -> dict[str, str]:
    """Assign the largest groups first, each at the lowest cost, then move single groups while the cost improves."""
    assignment = _Assignment(counts, np.asarray(shares))
    free = []
    for index, name in enumerate(names):
        if name in fixed:
            assignment.put(index, SPLITS.index(fixed[name]))
        else:
            free.append(index)
    free.sort(key=lambda index: (-counts[index, 0], _fraction(seed, names[index]), names[index]))
    for index in track(free, "split", unit="groups"):
        assignment.put(index, assignment.best(index))
    for _ in range(IMPROVEMENT_PASSES):
        if not assignment.improve(free):
            break
    assignment.fill_empty(free)
    return {name: SPLITS[assignment.where[index]] for index, name in enumerate(names)}


class _Assignment:
    """Groups assigned to splits, and the cost: the distance of each split from its share of every class."""

    def __init__(self, counts: Reals, shares: Reals) -> None:
        self.counts, self.shares = counts, shares
        self.totals = np.maximum(counts.sum(axis=0), 1.0)
        self.held = np.zeros((len(shares), counts.shape[1]))
        self.where = np.full(len(counts), -1)
        # All pictures count as much as the classes together.
        n_classes = counts.shape[1] - 1
        self.importance = np.array([1.0] + [1 / max(n_classes, 1)] * n_classes)
        self.reachable = counts.sum(axis=0) >= len(shares)

    def put(self, index: int, split: int) -> None:
        if self.where[index] >= 0:
            self.held[self.where[index]] -= self.counts[index]
        self.held[split] += self.counts[index]
        self.where[index] = split

    def best(self, index: int) -> int:
        """Find the split with the lowest cost for a group; too large groups can only go to train."""
        costs = [self._cost_with(index, split) for split in range(len(self.shares))]
        return int(np.argmin(costs))

    def improve(self, free: Sequence[int]) -> bool:
        """Remove each group once and put it into the split with the lowest cost; return whether any group moved."""
        has_moved = False
        for index in track(free, "improve the split", unit="groups"):
            old = int(self.where[index])
            self.held[old] -= self.counts[index]
            self.where[index] = -1
            new = self.best(index)
            self.put(index, new)
            has_moved |= new != old
        return has_moved

    def fill_empty(self, free: Sequence[int]) -> None:
        """Give each split that wants a share and has no group the smallest group of a split with several.

        With a few large groups, such as four speakers, the cost alone may leave a split empty.
        """
        for split in np.flatnonzero(self.shares > 0).tolist():
            if (self.where == split).any():
                continue
            n_groups = np.bincount(self.where, minlength=len(self.shares))
            movable = [index for index in free if n_groups[self.where[index]] > 1]
            if movable:
                self.put(min(movable, key=lambda index: self.counts[index, 0]), split)

    def _cost_with(self, index: int, split: int) -> float:
        held = self.held.copy()
        held[split] += self.counts[index]
        target = self.shares[:, None] * self.totals
        off = (held - target) ** 2 / (target * self.totals + 1e-9)
        is_empty = (held < 0.5) & self.reachable & (self.shares[:, None] > 0)
        cost = (off * self.importance).sum() + 0.05 * (is_empty * self.importance).sum()
        is_too_large = split > 0 and self.counts[index, 0] > max(
            1.0, MAX_GROUP_SHARE * self.shares[split] * self.totals[0]
        )
        return float(cost + (0.2 if is_too_large else 0.0))


def _gap_warnings(
    items: pl.DataFrame, split: dict[str, str], strata: Sequence[Stratum]
) -> list[str]:
    """Describe the splits without a picture and the existing classes that a split lacks."""
    with_split = items.with_columns(
        split=pl.col("asset_sha256").replace_strict(split, default=None)
    )
    warnings = []
    for name in SPLITS:
        part = with_split.filter(pl.col("split") == name)
        if part.is_empty():
            warnings.append(f"no group could be given to {name}")
            continue
        for stratum in strata:
            missing = set(items[stratum.column].drop_nulls()) - set(part[stratum.column])
            warnings += [
                f"{name} has no picture of {stratum.name} {stratum.classes[number]}"
                for number in sorted(missing)
            ]
    return warnings
