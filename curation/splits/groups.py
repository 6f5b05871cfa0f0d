"""Put whole groups into train, validation and test, so that nothing of a test picture was ever trained on.

A group is a connected component over duplicate groups, same-scene edges, photographers, cameras, sessions and persons.
Where these knit nearly everything together, keys are given up one by one, loudly, in the order of `GROUP_KEYS`. A
picture of which none is known forms a group with its duplicates and scene only. The naive per-picture split
stands beside it, for comparison.

The law of growth: a picture keeps its split when others are added, unless the additions tie its group to one of another
split. Then the joined group is in train, so that a test set only shrinks, and `moved` has a row for each picture.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from catalog import GROUP_KEYS
from curation.splits.connected_groups import Key, component_ids
from curation.splits.strata import SETTING_STRATA, Stratum

SPLITS = ("train", "validation", "test")
MAX_GROUP_SHARE = 0.5  # of the pictures that validation or test should get: no split is one camera
MAX_KNIT_SHARE = 0.75  # of all pictures in one group: beyond it a split by these keys means nothing
IMPROVEMENT_PASSES = 4

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Splits:
    """The split of each picture, its group, by which keys groups were made, and what was noticed.

    `moved` names, with evidence (JSON), the pictures that changed their split because groups joined.
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

    A scene is never cut: pictures of one `scene_id` are copies of each other or show the same moment.
    `previous` names the split that a picture had before: its whole group follows; a group with a past in several
    splits moves to train. `scene_of` names the scene of pictures that are not among `items` (any more), so that a
    better copy follows the picture that it stands for. The result does not depend on the order of rows; a key
    without a column is unknown.
    """
    absent = [key for key in GROUP_KEYS if key not in items.columns]
    items = items.sort("asset_sha256").with_columns(
        pl.lit(None, pl.String).alias(k) for k in absent
    )
    warnings: list[str] = []
    keys, group = _groups(items, warnings)
    names, counts = _counts(items, group, strata)
    pasts = _pasts(items, group, previous or {}, scene_of or {})
    fixed = {name: _settled(past) for name, past in pasts.items()}
    moved = _moved(group, previous or {}, pasts, fixed)
    warnings += _torn(pasts)
    assigned = _assign(names, counts, shares, seed, fixed)
    split = {sha: assigned[group_id] for sha, group_id in group.items()}
    warnings += _gaps(items, split, strata)
    n_inherited = sum(sha in split and split[sha] == side for sha, side in (previous or {}).items())
    return Splits(split, group, keys, n_inherited, warnings, moved)


def random_split(assets: Sequence[str], shares: tuple[float, float, float], seed: int) -> list[str]:
    """Split picture by picture by a hash of seed and picture, blind to groups: the naive way."""
    fractions = [_fraction(seed, sha) for sha in assets]
    places = np.searchsorted(np.cumsum(shares), fractions, side="right")
    return [SPLITS[place] for place in np.minimum(places, 2).tolist()]


def _fraction(seed: int, name: str) -> float:
    """Give a number in [0, 1) that depends on nothing but seed and name."""
    digest = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _groups(items: pl.DataFrame, warnings: list[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Group by as many keys as leave something to split."""
    pictures = items["asset_sha256"].to_list()
    known = [key for key in GROUP_KEYS if items[key].count()]
    for n_given_up in range(len(known) + 1):
        keys = known[n_given_up:]
        group = component_ids(pictures, _key_pairs(items, ("scene_id", *keys)))
        if _is_splittable(group) or not keys:
            break
        warnings.append(
            f"groups by {' and '.join(keys)} knit {_largest_share(group):.0%} of the pictures together: "
            f"{keys[0]} is given up, so the same {keys[0]} may appear on both sides of the split"
        )
    n_groups = len(set(group.values()))
    if pictures and n_groups < len(SPLITS):
        warnings.append(f"{n_groups} groups are too few for {len(SPLITS)} splits")
    # What comes before a key that was given up goes with it, known or not.
    given_up = known[: len(known) - len(keys)]
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
    return n_groups >= len(SPLITS) and _largest_share(group) <= MAX_KNIT_SHARE


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


Pasts = dict[str, dict[str, list[str]]]
"""Group to split to the pictures of the group that were in that split."""


def _pasts(
    items: pl.DataFrame,
    group: dict[str, str],
    previous: Mapping[str, str],
    scene_of: Mapping[str, str],
) -> Pasts:
    by_scene = dict(
        zip(items["scene_id"], (group[sha] for sha in items["asset_sha256"]), strict=True)
    )
    pasts: Pasts = {}
    for sha in sorted(previous):
        group_id = group.get(sha) or by_scene.get(scene_of.get(sha, ""))
        if group_id and previous[sha] in SPLITS:
            pasts.setdefault(group_id, {}).setdefault(previous[sha], []).append(sha)
    return pasts


def _settled(past: Mapping[str, object]) -> str:
    """Give the one split of the past, or train after several."""
    return "train" if len(past) > 1 else next(iter(past))


def _moved(
    group: dict[str, str], previous: Mapping[str, str], pasts: Pasts, fixed: Mapping[str, str]
) -> dict[str, str]:
    """Say of each picture whose split changes where it was and one picture that its group was tied to."""
    moved = {}
    for sha, group_id in group.items():
        before = previous.get(sha)
        if before not in SPLITS or before == fixed[group_id]:
            continue
        others = {side: shas[0] for side, shas in sorted(pasts[group_id].items()) if side != before}
        told = {"from": before, "to": fixed[group_id], "group": group_id, "tied_to": others}
        moved[sha] = json.dumps(told)
    return moved


def _torn(pasts: Pasts) -> list[str]:
    return [
        f"group {name[:12]} joins pictures of {', '.join(sorted(past))}: it moves to train"
        for name, past in sorted(pasts.items())
        if len(past) > 1
    ]


def _assign(
    names: list[str],
    counts: Reals,
    shares: tuple[float, float, float],
    seed: int,
    fixed: Mapping[str, str],
) -> dict[str, str]:
    """Place the largest groups first where they hurt the balance least, then move single groups to improve."""
    board = _Board(counts, np.asarray(shares))
    free = []
    for index, name in enumerate(names):
        if name in fixed:
            board.put(index, SPLITS.index(fixed[name]))
        else:
            free.append(index)
    free.sort(key=lambda index: (-counts[index, 0], _fraction(seed, names[index]), names[index]))
    for index in free:
        board.put(index, board.best(index))
    for _ in range(IMPROVEMENT_PASSES):
        if not board.improve(free):
            break
    return {name: SPLITS[board.where[index]] for index, name in enumerate(names)}


class _Board:
    """Groups laid into splits, and how far each split is from its share of every class."""

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
        """Find the split in which a group costs least; too large groups may only go to train."""
        costs = [self._cost_with(index, split) for split in range(len(self.shares))]
        return int(np.argmin(costs))

    def improve(self, free: Sequence[int]) -> bool:
        """Take each group out once and put it back where it now costs least; say whether any moved."""
        has_moved = False
        for index in free:
            old = int(self.where[index])
            self.held[old] -= self.counts[index]
            self.where[index] = -1
            new = self.best(index)
            self.put(index, new)
            has_moved |= new != old
        return has_moved

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


def _gaps(items: pl.DataFrame, split: dict[str, str], strata: Sequence[Stratum]) -> list[str]:
    """Name the splits without a picture and the classes that a split lacks although they exist."""
    placed = items.with_columns(split=pl.col("asset_sha256").replace_strict(split, default=None))
    found = []
    for name in SPLITS:
        part = placed.filter(pl.col("split") == name)
        if part.is_empty():
            found.append(f"no group could be given to {name}")
            continue
        for stratum in strata:
            missing = set(items[stratum.column].drop_nulls()) - set(part[stratum.column])
            found += [
                f"{name} has no picture of {stratum.name} {stratum.classes[number]}"
                for number in sorted(missing)
            ]
    return found
