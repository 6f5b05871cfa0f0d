"""Items of the review as people see them: pictures, facts about each picture, and the evidence between them.

An item is a plain dictionary, ready for JSON. `pictures` stand in the order of the page; the first one is the reference
that all others are compared with. A fact is a pair of a name and a text.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from catalog.lake.lake import Catalog
from catalog.plurals import counted
from catalog.web.review.evidence import (
    Fact,
    Item,
    describe_finding,
    describe_pictures,
    edge_facts,
    index_by_sha,
    read_json,
)
from catalog.web.review.queues import Entry, Queue
from catalog.web.sections.formatting import cell, words
from catalog.web.sections.section import Row

MAX_PICTURES = 120
"""Pictures of a group that are shown; the keeper and the weakest pairs come first."""
MAX_NEIGHBOURS = 6
_MEMBERS = """\
SELECT group_id, asset_sha256, is_keeper, method, similarity FROM duplicate_groups
WHERE run_id = ? AND group_id IN (SELECT unnest(?::VARCHAR[]))
ORDER BY group_id, NOT is_keeper, similarity NULLS FIRST, asset_sha256"""
_GROUP_OF = """\
SELECT asset_sha256, group_id FROM duplicate_groups
WHERE run_id = ? AND asset_sha256 IN (SELECT unnest(?::VARCHAR[]))"""
_EDGES = """\
SELECT * EXCLUDE (run_id) FROM duplicate_edges WHERE run_id = $run AND verdict IN ('duplicate', 'same_scene')
AND (asset_a IN (SELECT unnest($names::VARCHAR[])) OR asset_b IN (SELECT unnest($names::VARCHAR[])))
ORDER BY ncc DESC NULLS LAST, asset_a, asset_b"""
_DECISIONS = """\
SELECT asset_sha256, decision, rule, reason, setting, evidence FROM decisions
WHERE run_id = ? AND asset_sha256 IN (SELECT unnest(?::VARCHAR[])) ORDER BY decision DESC, reason"""
_ISSUES = "SELECT * FROM issues WHERE issue_id IN (SELECT unnest(?::VARCHAR[]))"
_LABELS = """\
SELECT p.asset_sha256, l.task, l.value, l.label_source, l.confidence FROM labels l
JOIN photos p ON l.subject_kind = 'photo' AND l.subject_id = p.photo_id
WHERE p.asset_sha256 IN (SELECT unnest($1::VARCHAR[]))
UNION SELECT subject_id, task, value, label_source, confidence FROM labels
WHERE subject_kind = 'asset' AND subject_id IN (SELECT unnest($1::VARCHAR[])) ORDER BY ALL"""
_FACES = """\
SELECT asset_sha256, max(n_faces) AS n FROM face_scans
WHERE asset_sha256 IN (SELECT unnest(?::VARCHAR[])) GROUP BY asset_sha256"""


def describe_items(
    catalog: Catalog, queue: Queue, run_id: str, entries: Sequence[Entry]
) -> list[Item]:
    """Describe the items of some entries, in their order; an item whose rows were deleted is left out."""
    readers: Mapping[str, Callable[[Catalog, str, list[str]], dict[str, Item]]] = {
        "group": _groups,
        "bridge": _bridges,
        "finding": _findings,
        "issue": _issues,
    }
    items = readers[queue.shows](catalog, run_id, [entry.item for entry in entries])
    return [
        {"item": entry.item, "version": entry.version, "reasons": list(entry.reasons)}
        | items[entry.item]
        for entry in entries
        if entry.item in items
    ]


def _groups(catalog: Catalog, run_id: str, names: list[str]) -> dict[str, Item]:
    members: dict[str, list[Row]] = defaultdict(list)
    for row in catalog.records(_MEMBERS, [run_id, names]):
        members[str(row["group_id"])].append(row)
    group_by_sha = {
        str(row["asset_sha256"]): name for name, rows in members.items() for row in rows
    }
    edges = catalog.records(_EDGES, {"run": run_id, "names": list(group_by_sha)})
    neighbours = _neighbours(edges, group_by_sha)
    others = sorted({sha for pairs in neighbours.values() for sha, _ in pairs})
    group_of = index_by_sha(catalog.records(_GROUP_OF, [run_id, others]))
    described = describe_pictures(catalog, [*group_by_sha, *others])
    items: dict[str, Item] = {}
    for name, rows in members.items():
        group = _members(rows, edges, described)
        outside = [
            described[sha]
            | {"role": "neighbour", "group": group_of.get(sha, {}).get("group_id")}
            | {"tie": edge_facts(edge), "tied_to": _other(edge, sha)}
            for sha, edge in neighbours[name]
            if sha in described
        ]
        if group:
            items[name] = {
                "title": counted(len(rows), "picture"),
                "pictures": [*group, *outside],
                "members": [str(row["asset_sha256"]) for row in rows],
            }
    return items


def _members(rows: list[Row], edges: Iterable[Row], described: Mapping[str, Item]) -> list[Item]:
    """Describe the members of a group with their best pairs; a picture that was taken down is left out."""
    keeper, names = str(rows[0]["asset_sha256"]), [str(row["asset_sha256"]) for row in rows]
    ties = _ties(edges, set(names), keeper)
    return [
        described[sha] | _role(row, ties.get(sha), keeper)
        for sha, row in list(zip(names, rows, strict=True))[:MAX_PICTURES]
        if sha in described
    ]


def _role(row: Row, edge: Row | None, keeper: str) -> Item:
    sha = str(row["asset_sha256"])
    role = "keeper" if row["is_keeper"] else "copy"
    if edge is None or sha == keeper:
        return {"role": role, "tie": [], "tied_to": None}
    return {"role": role, "tie": edge_facts(edge), "tied_to": _other(edge, sha)}


def _ties(edges: Iterable[Row], members: set[str], keeper: str) -> dict[str, Row]:
    """Choose the pair that connects each member to its group: the one with the keeper, else the strongest."""
    best: dict[str, Row] = {}
    for edge in edges:
        pair = str(edge["asset_a"]), str(edge["asset_b"])
        if edge["verdict"] != "duplicate" or not members.issuperset(pair):
            continue
        for sha in pair:
            if sha not in best or (keeper in pair and keeper not in _pair(best[sha])):
                best[sha] = edge
    return best


def _neighbours(
    edges: Iterable[Row], group_by_sha: Mapping[str, str]
) -> dict[str, list[tuple[str, Row]]]:
    """List pictures outside of each group with a pair (same scene or duplicate) into it, closest first."""
    neighbours: dict[str, dict[str, Row]] = defaultdict(dict)
    for edge in edges:
        a, b = _pair(edge)
        for member, other in ((a, b), (b, a)):
            group = group_by_sha.get(member)
            if group is not None and group_by_sha.get(other) != group:
                neighbours[group].setdefault(other, edge)
    return defaultdict(
        list, {name: list(of.items())[:MAX_NEIGHBOURS] for name, of in neighbours.items()}
    )


def _bridges(catalog: Catalog, run_id: str, names: list[str]) -> dict[str, Item]:
    rows = catalog.records(_ISSUES, [names])
    pieces = {str(row["issue_id"]): _shas(read_json(row["detail"]).get("pieces")) for row in rows}
    shas = [*(str(row["asset_sha256"]) for row in rows), *chain(*pieces.values())]
    group_of = {
        sha: str(row["group_id"])
        for sha, row in index_by_sha(catalog.records(_GROUP_OF, [run_id, shas])).items()
    }
    members: dict[str, list[str]] = defaultdict(list)
    for row in catalog.records(_MEMBERS, [run_id, sorted(set(group_of.values()))]):
        members[str(row["group_id"])].append(str(row["asset_sha256"]))
    described = describe_pictures(catalog, [*shas, *chain(*members.values())])
    items: dict[str, Item] = {}
    for row in rows:
        issue, bridge = str(row["issue_id"]), str(row["asset_sha256"])
        item = {bridge: described[bridge] | {"role": "bridge"}} if bridge in described else {}
        for number, hub in enumerate(pieces[issue], 1):
            for sha in members.get(group_of.get(hub, ""), [hub]):
                if sha in described:
                    item.setdefault(sha, described[sha] | {"role": f"group {number}"})
        if item:
            items[issue] = {
                "title": counted(len(pieces[issue]), "group"),
                "members": list(item),
            } | {
                "pictures": list(item.values())[:MAX_PICTURES],
                "pieces": [hub for hub in pieces[issue] if hub in described],
            }
    return items


def _findings(catalog: Catalog, run_id: str, names: list[str]) -> dict[str, Item]:
    described = describe_pictures(catalog, names)
    findings: dict[str, list[Item]] = defaultdict(list)
    for row in catalog.records(_DECISIONS, [run_id, names]):
        findings[str(row["asset_sha256"])].append(describe_finding(row))
    return {sha: _one_picture(picture, findings[sha]) for sha, picture in described.items()}


def _one_picture(picture: Item, findings: list[Item]) -> Item:
    return {
        "title": picture["title"],
        "pictures": [picture | {"role": "picture"}],
        "members": [picture["sha256"]],
        "findings": findings,
    }


def _issues(catalog: Catalog, run_id: str, names: list[str]) -> dict[str, Item]:
    rows = catalog.records(_ISSUES, [names])
    details_of = {str(row["issue_id"]): read_json(row["detail"]) for row in rows}
    related = {name: _shas(_all_texts(detail)) for name, detail in details_of.items()}
    shas = list(dict.fromkeys(chain((str(row["asset_sha256"]) for row in rows), *related.values())))
    described = describe_pictures(catalog, shas)
    findings = _findings(catalog, run_id, shas)
    labels: dict[str, list[Fact]] = defaultdict(list)
    for row in catalog.records(_LABELS, [shas]):
        labels[str(row["asset_sha256"])].append(
            (f"label {row['task']}", f"{cell(row['value'])} ({row['label_source']})")
        )
    for row in catalog.records(_FACES, [shas]):
        labels[str(row["asset_sha256"])].append(("faces", str(row["n"])))
    items: dict[str, Item] = {}
    for row in rows:
        name, sha = str(row["issue_id"]), str(row["asset_sha256"])
        others = [o for o in dict.fromkeys(related[name]) if o in described and o != sha]
        if sha not in described:
            continue
        of_issue = [described[sha] | {"role": "picture"}]
        of_issue += [described[other] | {"role": "beside"} for other in others[: MAX_PICTURES - 1]]
        for picture in of_issue:
            picture["facts"] = [*_facts(picture), *labels[str(picture["sha256"])]]
        items[name] = {
            "title": words(row["kind"]),
            "pictures": of_issue,
            "members": [sha],
            "findings": [_issue_finding(row, details_of[name]), *_findings_of(findings[sha])],
        }
    return items


def _issue_finding(row: Row, detail: Mapping[str, object]) -> Item:
    return {
        "decision": "issue",
        "reason": words(row["kind"]),
        "setting": None,
        "said": [
            ("severity", cell(row["severity"])),
            *((words(k), cell(v)) for k, v in detail.items()),
            ("found by", str(row["detector"] or "")),
        ],
    }


def _findings_of(item: Item) -> list[Item]:
    findings = item["findings"]
    assert isinstance(findings, list)
    return findings


def _facts(picture: Item) -> list[Fact]:
    facts = picture["facts"]
    assert isinstance(facts, list)
    return facts


def _pair(edge: Row) -> tuple[str, str]:
    return str(edge["asset_a"]), str(edge["asset_b"])


def _other(edge: Row, sha: str) -> str:
    a, b = _pair(edge)
    return b if sha == a else a


def _all_texts(detail: Mapping[str, object]) -> list[object]:
    """List the values of an object, and those inside its lists."""
    return [
        each
        for value in detail.values()
        for each in (value if isinstance(value, list) else [value])
    ]


def _shas(value: object) -> list[str]:
    """List the SHA-256s of a list; other values are left out."""
    values = value if isinstance(value, list) else []
    return [each for each in values if isinstance(each, str) and len(each) == 64]
