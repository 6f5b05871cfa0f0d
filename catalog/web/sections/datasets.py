"""Contents of the dataset pages: one release, and the difference between two versions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from catalog.lake.lake import Catalog
from catalog.releases.cards.card import without_front_matter
from catalog.releases.publish import rules_of
from catalog.releases.release import CLASSES, Release, find_release, list_releases
from catalog.web.sections.section import Row, Section, inline_parameters, query_section

MAX_CLASSES = 20  # of a label, of which samples are shown
SAMPLES_PER_CLASS = 8
PICTURES_PER_CHANGE = 24
_MISSING = "missing"

_REVOKED = "SELECT dataset, version, reason, successor, revoked_at FROM revocations"
STATS = (
    "SELECT task, split, class, n, weight_share FROM dataset_stats\n"
    "WHERE dataset = $1 AND version = $2 ORDER BY task, split, class"
)
ITEMS = (
    "SELECT i.asset_sha256, i.split, c.f_number, c.iso, c.exposure_time, c.photographer, c.camera, c.weight\n"
    "FROM dataset_items i\n"
    "JOIN datasets d USING (dataset, version)\n"
    "LEFT JOIN curated_items c ON c.run_id = d.run_id AND c.asset_sha256 = i.asset_sha256\n"
    "WHERE i.dataset = $1 AND i.version = $2 ORDER BY i.asset_sha256"
)
CHANGES = (
    "SELECT coalesce(o.asset_sha256, n.asset_sha256) AS asset_sha256, o.split AS old_split, n.split AS new_split,\n"
    "       CASE WHEN o.asset_sha256 IS NULL THEN 'added' WHEN n.asset_sha256 IS NULL THEN 'removed'\n"
    "            ELSE 'changed split' END AS change\n"
    "FROM (SELECT * FROM dataset_items WHERE dataset = $1 AND version = $2) o\n"
    "FULL JOIN (SELECT * FROM dataset_items WHERE dataset = $1 AND version = $3) n USING (asset_sha256)\n"
    "WHERE o.split IS DISTINCT FROM n.split ORDER BY change, asset_sha256"
)


@dataclass(frozen=True)
class ReleaseListing:
    """One row of the list of releases, with its revocation when it is revoked."""

    release: Release
    revocation: Row | None

    @property
    def bytes(self) -> int:
        """Size of the shards."""
        return sum(shard["bytes"] for shard in self.release.manifest["shards"])


@dataclass(frozen=True)
class Dataset:
    """One release, with the contents of its page."""

    release: Release
    versions: list[str]
    revocation: Row | None
    stats: Section
    items_sql: str

    @cached_property
    def index(self) -> pa.Table:
        """The index of the release, read once."""
        return self.release.index()

    @property
    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Files by task, split and class, low before medium and high; without tasks that all files lack."""
        counts: dict[str, dict[str, dict[str, int]]] = self.release.manifest["class_counts"]
        return {
            task: {
                split: dict(sorted(by_class.items(), key=_class_order))
                for split, by_class in by_split.items()
            }
            for task, by_split in counts.items()
            if any(
                n
                for by_class in by_split.values()
                for name, n in by_class.items()
                if name != _MISSING
            )
        }

    @property
    def shares(self) -> dict[tuple[str, str, str], float]:
        """Share of the sampling weight by task, split and class."""
        return {
            (str(row["task"]), str(row["split"]), str(row["class"])): float(
                str(row["weight_share"] or 0.0)
            )
            for row in self.stats.rows
        }

    @property
    def samples(self) -> dict[str, dict[str, list[str]]]:
        """The first pictures by SHA-256 of each class of each task."""
        samples = {task: self._samples(task) for task in self.counts}
        return {task: by_class for task, by_class in samples.items() if by_class}

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the index."""
        return list(self.index.column_names)

    @property
    def plan(self) -> str:
        """The plan as indented JSON."""
        return json.dumps(self.release.manifest["plan"], indent=2, sort_keys=True)

    @property
    def card(self) -> str:
        """The dataset card without its front matter, Markdown."""
        return without_front_matter((self.release.path / "README.md").read_text("utf-8"))

    def _samples(self, task: str) -> dict[str, list[str]]:
        """Choose files of each class of a setting or a label; none for a label whose classes are parts of a scale."""
        if f"{task}_bin" in self.columns:
            column, names = self.index[f"{task}_bin"], dict(enumerate(CLASSES))
        elif task in self.columns and task not in self.release.manifest["plan"].get(
            "label_parts", {}
        ):
            column = self.index[task]
            names = {
                value: str(value)
                for value in sorted(pc.unique(column.drop_null()).to_pylist())[:MAX_CLASSES]
            }
        else:
            return {}
        samples = {}
        for value, name in names.items():
            members = self.index.filter(pc.equal(column, value))
            samples[name] = sorted(members["asset_sha256"].to_pylist())[:SAMPLES_PER_CLASS]
        return samples


@dataclass(frozen=True)
class Change:
    """One kind of change between two versions: its number of pictures, in all and by class, and the first of them."""

    name: str
    n: int
    by_class: dict[str, dict[str, int]]
    pictures: list[Row]


@dataclass(frozen=True)
class Difference:
    """Changes from version `old` to version `new`."""

    old: Release
    new: Release
    changes: list[Change]
    same: int
    fetched_bytes: int
    """Size of the shards of `new` that are not in `old`: the download of a pull."""
    sql: str
    plan_changes: list[tuple[str, str, str]]


def list_datasets(catalog: Catalog) -> list[ReleaseListing]:
    """List the releases of the workspace, by name and then newest version first."""
    revoked = read_revoked(catalog)
    return [
        ReleaseListing(release, revoked.get((release.name, release.version)))
        for release in list_releases(catalog.workspace)
    ]


def find_dataset(catalog: Catalog, name: str, version: str) -> Dataset:
    """Read the contents of the page of one release; raises `ReleaseNotFoundError`."""
    release = find_release(catalog.workspace, f"{name}@{version}")
    versions = [r.version for r in list_releases(catalog.workspace) if r.name == name]
    values = [name, release.version]
    return Dataset(
        release,
        versions,
        read_revoked(catalog).get((name, release.version)),
        query_section(catalog, STATS, values),
        inline_parameters(ITEMS, values),
    )


def compare_versions(catalog: Catalog, name: str, old: str, new: str) -> Difference:
    """Compare two versions of a dataset picture by picture; raises `ReleaseNotFoundError`."""
    before, after = (find_release(catalog.workspace, f"{name}@{v}") for v in (old, new))
    both = _side_by_side(before, after)
    is_removed, is_added = pc.is_null(both["split_new"]), pc.is_null(both["split_old"])
    is_in_both = pc.invert(pc.or_(is_removed, is_added))
    masks = {
        "added": is_added,
        "removed": is_removed,
        "changed split": pc.and_(
            is_in_both, pc.fill_null(pc.not_equal(both["split_old"], both["split_new"]), False)
        ),
        "changed label": pc.and_(is_in_both, _labels_differ(both)),
    }
    old_shards = {shard["sha256"] for shard in before.manifest["shards"]}
    new_bytes = [s["bytes"] for s in after.manifest["shards"] if s["sha256"] not in old_shards]
    return Difference(
        before,
        after,
        [_change(kind, both.filter(mask)) for kind, mask in masks.items()],
        pc.sum(is_in_both).as_py() or 0,
        sum(new_bytes),
        inline_parameters(CHANGES, [name, before.version, after.version]),
        _plan_changes(rules_of(before.manifest)[0], rules_of(after.manifest)[0]),
    )


def read_revoked(catalog: Catalog) -> dict[tuple[str, str], Row]:
    """Return the revocations by name and version of their release."""
    return {(str(row["dataset"]), str(row["version"])): row for row in catalog.records(_REVOKED)}


def _tasks(*tables: pa.Table) -> list[str]:
    """List the tasks that have a class column in every index."""
    shared = set.intersection(*(set(table.column_names) for table in tables))
    return sorted(name.removesuffix("_bin") for name in shared if name.endswith("_bin"))


def _side_by_side(old: Release, new: Release) -> pa.Table:
    """Join two indexes on `asset_sha256`, which also orders the rows; other columns end in `_old` and `_new`."""
    indexes = old.index(), new.index()
    columns = ["split", *(f"{task}_bin" for task in _tasks(*indexes))]
    parts = [
        table.select(["asset_sha256", *columns]).rename_columns(
            ["asset_sha256", *(f"{name}_{end}" for name in columns)]
        )
        for table, end in zip(indexes, ("old", "new"), strict=True)
    ]
    joined = parts[0].join(parts[1], keys="asset_sha256", join_type="full outer")
    return joined.sort_by("asset_sha256")


def _labels_differ(both: pa.Table) -> pa.ChunkedArray:
    differ = pa.chunked_array([pa.array([False] * len(both), pa.bool_())])
    for task in _tasks_of(both):
        old, new = (pc.fill_null(both[f"{task}_bin_{end}"], -1) for end in ("old", "new"))
        differ = pc.or_(differ, pc.not_equal(old, new))
    return differ


def _tasks_of(both: pa.Table) -> list[str]:
    names = [name for name in both.column_names if name.endswith("_bin_new")]
    return [name.removesuffix("_bin_new") for name in names]


def _change(kind: str, rows: pa.Table) -> Change:
    end = "old" if kind == "removed" else "new"
    by_class = {}
    for task in _tasks_of(rows):
        counts = dict.fromkeys((*CLASSES, _MISSING), 0)
        for pair in pc.value_counts(rows[f"{task}_bin_{end}"]).to_pylist():
            counts[_class_name(pair["values"])] += pair["counts"]
        by_class[task] = counts
    pictures = [
        {
            "asset_sha256": row["asset_sha256"],
            "split_old": row["split_old"],
            "split_new": row["split_new"],
            "labels": _label_changes(row, _tasks_of(rows)) if kind == "changed label" else [],
        }
        for row in rows.slice(0, PICTURES_PER_CHANGE).to_pylist()
    ]
    return Change(kind, len(rows), by_class, pictures)


def _label_changes(row: Mapping[str, Any], tasks: Sequence[str]) -> list[tuple[str, str, str]]:
    """List the changed labels of one picture: task, old class, new class."""
    pairs = [(task, row[f"{task}_bin_old"], row[f"{task}_bin_new"]) for task in tasks]
    return [(t, _class_name(old), _class_name(new)) for t, old, new in pairs if old != new]


def _class_order(item: tuple[str, int]) -> tuple[bool, int, str]:
    name = item[0]
    return name == _MISSING, CLASSES.index(name) if name in CLASSES else 0, name


def _class_name(number: int | None) -> str:
    return _MISSING if number is None else CLASSES[number]


def _plan_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List the changed entries of a plan: name, old value, new value, both as JSON."""
    before, after = _flatten(old), _flatten(new)
    names = sorted({*before, *after})
    pairs = [(name, before.get(name, "-"), after.get(name, "-")) for name in names]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _flatten(plan: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    entries: dict[str, str] = {}
    for name, value in plan.items():
        if isinstance(value, dict) and value:
            entries |= _flatten(value, f"{prefix}{name}.")
        else:
            entries[prefix + name] = json.dumps(value, sort_keys=True)
    return entries
