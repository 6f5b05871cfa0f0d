"""The queues of the review: what waits for people, in which order, and what makes an item another one.

An item is named by its group, picture or issue. Its `version` is a hash of what people see of it (the members of a
group, the findings about a picture): when a later run finds something else, what was decided about the item before
no longer answers it, and it is open again.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catalog.errors import ReviewError
from catalog.lake.lake import Catalog

CURRENT_RUN = "SELECT run_id FROM v_runs WHERE is_current"

_GROUPS = """\
WITH members AS (SELECT group_id, asset_sha256 FROM duplicate_groups WHERE run_id = $run),
ties AS (
    SELECT a.group_id, e.ncc, e.inliers, e.found_by, e.edge_class FROM duplicate_edges e
    JOIN members a ON a.asset_sha256 = e.asset_a
    JOIN members b ON b.asset_sha256 = e.asset_b AND b.group_id = a.group_id
    WHERE e.run_id = $run AND e.verdict = 'duplicate'),
weakest AS (
    SELECT group_id, min(ncc) AS ncc, min(inliers) AS inliers, arg_min(found_by, coalesce(ncc, -1)) AS found_by,
           bool_and(edge_class = 'identical') AS is_identical
    FROM ties GROUP BY group_id),
groups AS (
    SELECT group_id, md5(string_agg(asset_sha256, ',' ORDER BY asset_sha256)) AS version FROM members GROUP BY group_id)
SELECT group_id AS item, [coalesce(found_by, 'unknown')] AS reasons, version
FROM groups LEFT JOIN weakest USING (group_id)
"""
# Equal pixels are equal whatever a person says.
_RISK = "WHERE is_identical IS NOT TRUE ORDER BY ncc NULLS FIRST, inliers NULLS LAST, group_id"
_CHANCE = "ORDER BY sha256($seed || ':' || group_id), group_id LIMIT $size"

_FINDINGS = """\
WITH found AS (SELECT asset_sha256, decision, reason, evidence FROM decisions WHERE run_id = $run AND {which}),
counted AS (SELECT *, count(*) OVER (PARTITION BY reason) AS n, {score} AS score FROM found)
SELECT asset_sha256 AS item, list(reason ORDER BY decision = 'flag', score DESC, n, reason) AS reasons,
       md5(string_agg(reason, ',' ORDER BY reason)) AS version
FROM counted GROUP BY asset_sha256
ORDER BY bool_or(decision = 'void') DESC, max(score) FILTER ($only IN ('', reason)) DESC NULLS LAST, min(n), item
"""
CONFLICTS = (
    *("f_number_unusual", "iso_unusual", "exposure_time_unusual", "brightness_contradicts"),
    *("focal_length_implausible", "focal_length_outside_lens", "max_aperture_contradicts"),
    *("readers_disagree", "exif_structure_damaged", "exif_duplicated", "exif_cloned"),
    *("value_unseen_for_model", "settings_conflict"),
)
"""Flags that say that values contradict each other or what cameras do: a person may know better than the rule."""
FACTS = (
    *("was_resized", "edited_software", "orientation_invalid", "date_implausible", "clock_unset"),
    *("settings_inherited", "boilerplate", "kept_by_hand", "split_changed"),
    *("quality_grayscale", "quality_odd_aspect"),
)
"""Flags that say what is so (a grey picture, one that an editor wrote): nobody has to decide about them."""


def _listed(reasons: Iterable[str]) -> str:
    return f"({', '.join(map(repr, reasons))})"


_IS_SETTING = f"(decision = 'void' OR (decision = 'flag' AND reason IN {_listed(CONFLICTS)}))"
_IS_QUALITY = (
    f"decision = 'flag' AND starts_with(reason, 'quality_') AND reason NOT IN {_listed(FACTS)}"
)
_SCORE = "TRY_CAST(json_extract_string(evidence, '$.' || substr(reason, 9)) AS DOUBLE)"

_ISSUES = """\
SELECT issue_id AS item, [kind] AS reasons, md5(coalesce(detail, '')) AS version FROM issues
WHERE kind <> 'bridged_groups' AND (run_id IS NULL OR run_id IN (SELECT run_id FROM v_runs))
ORDER BY severity DESC, kind, asset_sha256, issue_id
"""
# What later runs have put together, or not found again, needs nobody any more.
_BRIDGES = """\
WITH pieces AS (
    SELECT issue_id, unnest(CAST(json_extract_string(detail, '$.pieces[*]') AS VARCHAR[])) AS hub
    FROM issues WHERE kind = 'bridged_groups'),
apart AS (
    SELECT issue_id FROM pieces JOIN duplicate_groups g ON g.asset_sha256 = hub AND g.run_id = $run
    GROUP BY issue_id HAVING count(DISTINCT g.group_id) > 1)
SELECT issue_id AS item, [kind] AS reasons, md5(detail) AS version FROM issues SEMI JOIN apart USING (issue_id)
ORDER BY severity DESC, asset_sha256, issue_id
"""


@dataclass(frozen=True)
class Queue:
    """One list of work: its name in addresses, what people read about it, and the SQL of its order."""

    name: str
    title: str
    about: str
    sql: str
    shows: str
    """group, bridge, finding or issue: see `review_items`."""


@dataclass(frozen=True)
class Entry:
    """One item in its place; `reasons` are what it can be filtered by."""

    item: str
    reasons: tuple[str, ...]
    version: str


QUEUES = {
    queue.name: queue
    for queue in (
        Queue(
            "duplicates",
            "Duplicate groups",
            "Groups of copies, the weakest evidence first; groups of equal pixels need nobody.",
            _GROUPS + _RISK,
            "group",
        ),
        Queue(
            "bridges",
            "Bridged groups",
            "One picture alone would tie these groups together: are they one photograph?",
            _BRIDGES,
            "bridge",
        ),
        Queue(
            "settings",
            "EXIF conflicts",
            "Settings that were voided, or that contradict each other or their camera, voids and rare reasons first.",
            _FINDINGS.format(which=_IS_SETTING, score="0.0"),
            "finding",
        ),
        Queue(
            "quality",
            "Quality outliers",
            "Pictures that look wrong, the highest score first.",
            _FINDINGS.format(which=_IS_QUALITY, score=_SCORE),
            "finding",
        ),
        Queue(
            "issues",
            "Label audit",
            "What rules and models find wrong with labels and pictures, the gravest first.",
            _ISSUES,
            "issue",
        ),
        Queue(
            "sample",
            "Precision of the groups",
            "Groups drawn at random: judge each, and the interval says how many of all groups are right.",
            _GROUPS + _CHANCE,
            "group",
        ),
    )
}


def version_of(members: Iterable[str]) -> str:
    """Name what a group looks like, as the SQL of the queues does.

    >>> version_of(["b", "a"]) == hashlib.md5(b"a,b", usedforsecurity=False).hexdigest()
    True
    """
    return hashlib.md5(",".join(sorted(members)).encode(), usedforsecurity=False).hexdigest()


def find_queue(name: str) -> Queue:
    """Find a queue; raises `ReviewError`."""
    if name not in QUEUES:
        raise ReviewError(f"there is no queue {name!r}; there are {', '.join(QUEUES)}")
    return QUEUES[name]


def current_run(catalog: Catalog) -> str | None:
    """Name the curation run that people see; None before the first."""
    found = catalog.records(CURRENT_RUN)
    return str(found[0]["run_id"]) if found else None


def entries(
    catalog: Catalog, queue: Queue, run_id: str, *, only: str = "", seed: int = 0, size: int = 0
) -> list[Entry]:
    """List the items of a queue in their order.

    `only` takes those with one reason, by its score; `seed` and `size` are of the sample.
    """
    given = {"run": run_id, "only": only, "seed": str(seed), "size": size}
    used = {name: value for name, value in given.items() if f"${name}" in queue.sql}
    rows = catalog.records(queue.sql, used)
    return [
        Entry(str(row["item"]), _texts(row["reasons"]), str(row["version"]))
        for row in rows
        if not only or only in _texts(row["reasons"])
    ]


def _texts(given: object) -> tuple[str, ...]:
    return tuple(map(str, given)) if isinstance(given, Sequence) else ()
