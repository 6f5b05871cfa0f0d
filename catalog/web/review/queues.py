"""The queues of the review: their items, the order of the items, and the version of each item.

An item is named by its group, picture or issue. Its `version` is a hash of its contents (the members of a group, the
findings about a picture). When a later run changes the contents, decisions about the earlier version no longer apply,
and the item is open again.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catalog.errors import ReviewError
from catalog.lake.lake import Catalog

SAMPLE = "sample"
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
# Groups of identical pixels need no decision.
_RISK = "WHERE is_identical IS NOT TRUE ORDER BY ncc NULLS FIRST, inliers NULLS LAST, group_id"
_CHANCE = "ORDER BY sha256($seed || ':' || group_id), group_id LIMIT $size"

_FINDINGS = """\
WITH findings AS (SELECT asset_sha256, decision, reason, evidence FROM decisions WHERE run_id = $run AND {which}),
counted AS (SELECT *, count(*) OVER (PARTITION BY reason) AS n, {score} AS score FROM findings)
SELECT asset_sha256 AS item, list(reason ORDER BY decision = 'flag', score DESC, n, reason) AS reasons,
       md5(string_agg(reason, ',' ORDER BY reason)) AS version
FROM counted GROUP BY asset_sha256
ORDER BY bool_or(decision = 'void') DESC, max(score) FILTER ($only IN ('', reason)) DESC NULLS LAST, min(n), item
"""
CONFLICTS = (
    *("f_number_unusual", "iso_unusual", "exposure_time_unusual", "brightness_contradicts"),
    *("focal_length_implausible", "focal_length_outside_lens", "max_aperture_contradicts"),
    *("readers_disagree", "exif_structure_damaged", "exif_duplicated", "exif_cloned"),
    *("value_unseen_for_model", "settings_conflict", "exposure_bias_implausible"),
)
"""Flags for values that contradict each other or their camera: a person may overrule the rule."""
FACTS = (
    *("was_resized", "edited_software", "orientation_invalid", "date_implausible", "clock_unset"),
    *("settings_inherited", "boilerplate", "kept_by_hand", "split_changed"),
    *("f_number_from_apex", "camera_name_garbled", "gps_implausible", "maker_note_garbled"),
    *("quality_grayscale", "quality_odd_aspect"),
)
"""Flags that state a fact (a grey picture, one that an editor wrote): they need no decision."""


def _sql_list(reasons: Iterable[str]) -> str:
    return f"({', '.join(map(repr, reasons))})"


_IS_SETTING = f"(decision = 'void' OR (decision = 'flag' AND reason IN {_sql_list(CONFLICTS)}))"
_IS_QUALITY = (
    f"decision = 'flag' AND starts_with(reason, 'quality_') AND reason NOT IN {_sql_list(FACTS)}"
)
_SCORE = "TRY_CAST(json_extract_string(evidence, '$.' || substr(reason, 9)) AS DOUBLE)"

_ISSUES = """\
SELECT issue_id AS item, [kind] AS reasons, md5(coalesce(detail, '')) AS version FROM issues
WHERE kind <> 'bridged_groups' AND (run_id IS NULL OR run_id IN (SELECT run_id FROM v_runs))
ORDER BY severity DESC, kind, asset_sha256, issue_id
"""
# Groups that later runs merged, or no longer contain, need no decision.
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
    """One queue: its name in addresses, its title and description, and the SQL that lists its items in order."""

    name: str
    title: str
    about: str
    sql: str
    shows: str
    """group, bridge, finding or issue: see `items.py`."""


@dataclass(frozen=True)
class Entry:
    """One item of a queue, in its order; the filter `only` compares with `reasons`."""

    item: str
    reasons: tuple[str, ...]
    version: str


QUEUES = {
    queue.name: queue
    for queue in (
        Queue(
            "duplicates",
            "Duplicate groups",
            "Groups of copies, the weakest evidence first; groups of identical pixels are not listed.",
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
            "Suspected errors",
            "Labels that the label audit doubts, camera settings that a model finds implausible, and "
            "pictures that many others copy, the most severe first.",
            _ISSUES,
            "issue",
        ),
        Queue(
            SAMPLE,
            "Precision of the groups",
            "Groups drawn at random: judge each, and the interval says how many of all groups are right.",
            _GROUPS + _CHANCE,
            "group",
        ),
    )
}


def version_of(members: Iterable[str]) -> str:
    """Return the version of a group, as the SQL of the queues computes it.

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
    """Return the id of the current curation run; None before the first."""
    rows = catalog.records(CURRENT_RUN)
    return str(rows[0]["run_id"]) if rows else None


def list_entries(
    catalog: Catalog, queue: Queue, run_id: str, *, only: str = "", seed: int = 0, size: int = 0
) -> list[Entry]:
    """List the items of a queue in their order.

    `only` takes the items with one reason and orders by its score; `seed` and `size` apply to the sample.
    """
    values = {"run": run_id, "only": only, "seed": str(seed), "size": size}
    parameters = {name: value for name, value in values.items() if f"${name}" in queue.sql}
    rows = catalog.records(queue.sql, parameters)
    return [
        Entry(str(row["item"]), _texts(row["reasons"]), str(row["version"]))
        for row in rows
        if not only or only in _texts(row["reasons"])
    ]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, Sequence) else ()
