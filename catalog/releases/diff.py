"""What changed between two versions of a dataset: pictures, splits, labels, counts, shards."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.number_formats import format_bytes
from catalog.plurals import counted
from catalog.releases.publish import rules_of
from catalog.releases.release import SETTINGS, Release

LABELS = tuple(f"{setting}_bin" for setting in SETTINGS)
_KEY = "asset_sha256"


@dataclass(frozen=True)
class ReleaseDiff:
    """The way from release `old` to release `new`.

    `added` and `removed` are SHA-256s; `moved` and `relabelled` are rows {asset_sha256, column, old, new};
    `counts` are rows {what, split, class, old, new}: pictures by split, and by class of every setting.
    """

    old: str
    new: str
    same_content: bool
    added: list[str]
    removed: list[str]
    moved: list[dict[str, object]]
    relabelled: list[dict[str, object]]
    counts: list[dict[str, object]]
    plan_changed: bool
    columns_added: list[str]
    columns_removed: list[str]
    shards_shared: int
    shards_new: int
    bytes_new: int

    def sentence(self) -> str:
        """Say it in one line."""
        shards = counted(self.shards_new + self.shards_shared, "shard")
        return (
            f"{self.old} -> {self.new}: {len(self.added)} added, {len(self.removed)} removed, "
            f"{len(self.moved)} moved to another split, {counted(len(self.relabelled), 'label')} changed; "
            f"{self.shards_new} of {shards} new ({format_bytes(self.bytes_new)})"
        )


def diff_releases(old: Release, new: Release) -> ReleaseDiff:
    """Compare two releases by their indices and manifests; the shards are not read."""
    before, after = old.index(), new.index()
    both = _joined(before, after)
    old_shards = {shard["sha256"] for shard in old.manifest["shards"]}
    fresh = [shard for shard in new.manifest["shards"] if shard["sha256"] not in old_shards]
    return ReleaseDiff(
        old=f"{old.name}@{old.version}",
        new=f"{new.name}@{new.version}",
        same_content=old.digest == new.digest,
        added=_only_in(after, before),
        removed=_only_in(before, after),
        moved=_changed(both, ("split",)),
        relabelled=_changed(both, LABELS),
        counts=_counts(old.manifest, new.manifest),
        plan_changed=rules_of(old.manifest)[0] != rules_of(new.manifest)[0],
        columns_added=sorted(set(after.column_names) - set(before.column_names)),
        columns_removed=sorted(set(before.column_names) - set(after.column_names)),
        shards_shared=len(new.manifest["shards"]) - len(fresh),
        shards_new=len(fresh),
        bytes_new=sum(shard["bytes"] for shard in fresh),
    )


def _only_in(one: pa.Table, other: pa.Table) -> list[str]:
    mask = pc.invert(pc.is_in(one[_KEY], value_set=other[_KEY].combine_chunks()))
    return sorted(one[_KEY].filter(mask).to_pylist())


def _joined(before: pa.Table, after: pa.Table) -> pa.Table:
    """Put the splits and labels of the pictures of both side by side: `split` and `split_new` ..."""
    columns = [
        c for c in (_KEY, "split", *LABELS) if {c} <= {*before.column_names} & {*after.column_names}
    ]
    return before.select(columns).join(
        after.select(columns), keys=_KEY, join_type="inner", right_suffix="_new"
    )


def _changed(both: pa.Table, columns: tuple[str, ...]) -> list[dict[str, object]]:
    changed = []
    for column in columns:
        if column not in both.column_names:
            continue
        triples = (both[name].to_pylist() for name in (_KEY, column, f"{column}_new"))
        changed += [
            {_KEY: sha, "column": column, "old": old, "new": new}
            for sha, old, new in zip(*triples, strict=True)
            if old != new
        ]
    return sorted(changed, key=lambda row: (str(row["column"]), str(row[_KEY])))


def _counts(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, object]]:
    def flat(manifest: Mapping[str, Any]) -> dict[tuple[str, str, str], int]:
        counts = {("pictures", split, ""): n for split, n in manifest["splits"].items()}
        for setting, by_split in manifest["class_counts"].items():
            for split, classes in by_split.items():
                counts |= {(setting, split, name): n for name, n in classes.items()}
        return counts

    before, after = flat(old), flat(new)
    return [
        {
            "what": what,
            "split": split,
            "class": name,
            "old": before.get(key, 0),
            "new": after.get(key, 0),
        }
        for key in dict.fromkeys((*before, *after))
        for what, split, name in [key]
    ]
