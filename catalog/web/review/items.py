"""What people see of an item of the review: its pictures, what is known of each, and the evidence between them.

An item is a plain dictionary, ready for JSON: `pictures` come in the order in which they are shown, the one that all
others are held against first. Facts are pairs of a name and a text.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from catalog.lake.lake import Catalog
from catalog.web.review.evidence import (
    Fact,
    Item,
    by_sha,
    edge_facts,
    finding,
    pictures,
    read_json,
)
from catalog.web.review.queues import Entry, Queue
from catalog.web.sections.formatting import cell, words
from catalog.web.sections.sections import Row

MOST_PICTURES = 120
"""Pictures of a group that are shown; the keeper and the weakest ties come first."""
MOST_NEIGHBOURS = 6
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
_FOUND = """\
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


def details(catalog: Catalog, queue: Queue, run_id: str, entries: Sequence[Entry]) -> list[Item]:
    """Describe the items of some entries, in their order; an item whose rows are gone by now is left out."""
    show: Mapping[str, Callable[[Catalog, str, list[str]], dict[str, Item]]] = {
        "group": _groups,
        "bridge": _bridges,
        "finding": _findings,
        "issue": _issues,
    }
    found = show[queue.shows](catalog, run_id, [entry.item for entry in entries])
    return [
        {"item": entry.item, "version": entry.version, "reasons": list(entry.reasons)}
        | found[entry.item]
        for entry in entries
        if entry.item in found
    ]


def _groups(catalog: Catalog, run_id: str, names: list[str]) -> dict[str, Item]:
    members: dict[str, list[Row]] = defaultdict(list)
    for row in catalog.records(_MEMBERS, [run_id, names]):
        members[str(row["group_id"])].append(row)
    inside = {str(row["asset_sha256"]): name for name, rows in members.items() for row in rows}
    edges = catalog.records(_EDGES, {"run": run_id, "names": list(inside)})
    beside = _neighbours(edges, inside)
    others = sorted({sha for found in beside.values() for sha, _ in found})
    group_of = by_sha(catalog.records(_GROUP_OF, [run_id, others]))
    known = pictures(catalog, [*inside, *others])
    made: dict[str, Item] = {}
    for name, rows in members.items():
        shown = _members(rows, edges, known)
        near = [
            known[sha]
            | {"role": "neighbour", "group": group_of.get(sha, {}).get("group_id")}
            | {"tie": edge_facts(edge), "tied_to": _other(edge, sha)}
            for sha, edge in beside[name]
            if sha in known
        ]
        if shown:
            made[name] = {
                "title": f"{len(rows)} pictures",
                "pictures": [*shown, *near],
                "members": [str(row["asset_sha256"]) for row in rows],
            }
    return made


def _members(rows: list[Row], edges: Iterable[Row], known: Mapping[str, Item]) -> list[Item]:
    """Describe the members of a group with what ties them; one that was taken down since is left out."""
    keeper, names = str(rows[0]["asset_sha256"]), [str(row["asset_sha256"]) for row in rows]
    ties = _ties(edges, set(names), keeper)
    return [
        known[sha] | _role(row, ties.get(sha), keeper)
        for sha, row in list(zip(names, rows, strict=True))[:MOST_PICTURES]
        if sha in known
    ]


def _role(row: Row, edge: Row | None, keeper: str) -> Item:
    sha = str(row["asset_sha256"])
    role = "keeper" if row["is_keeper"] else "copy"
    if edge is None or sha == keeper:
        return {"role": role, "tie": [], "tied_to": None}
    return {"role": role, "tie": edge_facts(edge), "tied_to": _other(edge, sha)}


def _ties(edges: Iterable[Row], members: set[str], keeper: str) -> dict[str, Row]:
    """Give the pair that ties each member to its group: that with the keeper, else the strongest."""
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
    edges: Iterable[Row], inside: Mapping[str, str]
) -> dict[str, list[tuple[str, Row]]]:
    """List pictures outside of each group that show its scene, or would be copies of a member, closest first."""
    found: dict[str, dict[str, Row]] = defaultdict(dict)
    for edge in edges:
        a, b = _pair(edge)
        for member, other in ((a, b), (b, a)):
            group = inside.get(member)
            if group is not None and inside.get(other) != group:
                found[group].setdefault(other, edge)
    return defaultdict(
        list, {name: list(of.items())[:MOST_NEIGHBOURS] for name, of in found.items()}
    )


def _bridges(catalog: Catalog, run_id: str, names: list[str]) -> dict[str, Item]:
    rows = catalog.records(_ISSUES, [names])
    pieces = {str(row["issue_id"]): _shas(read_json(row["detail"]).get("pieces")) for row in rows}
    asked = [*(str(row["asset_sha256"]) for row in rows), *chain(*pieces.values())]
    group_of = {
        sha: str(row["group_id"])
        for sha, row in by_sha(catalog.records(_GROUP_OF, [run_id, asked])).items()
    }
    members: dict[str, list[str]] = defaultdict(list)
    for row in catalog.records(_MEMBERS, [run_id, sorted(set(group_of.values()))]):
        members[str(row["group_id"])].append(str(row["asset_sha256"]))
    known = pictures(catalog, [*asked, *chain(*members.values())])
    made: dict[str, Item] = {}
    for row in rows:
        issue, bridge = str(row["issue_id"]), str(row["asset_sha256"])
        shown = {bridge: known[bridge] | {"role": "bridge"}} if bridge in known else {}
        for number, hub in enumerate(pieces[issue], 1):
            for sha in members.get(group_of.get(hub, ""), [hub]):
                if sha in known:
                    shown.setdefault(sha, known[sha] | {"role": f"group {number}"})
        if shown:
            made[issue] = {"title": f"{len(pieces[issue])} groups", "members": list(shown)} | {
                "pictures": list(shown.values())[:MOST_PICTURES],
                "pieces": [hub for hub in pieces[issue] if hub in known],
            }
    return made


def _findings(catalog: Catalog, run_id: str, names: list[str]) -> dict[str, Item]:
    known = pictures(catalog, names)
    told: dict[str, list[Item]] = defaultdict(list)
    for row in catalog.records(_FOUND, [run_id, names]):
        told[str(row["asset_sha256"])].append(finding(row))
    return {sha: _one_picture(about, told[sha]) for sha, about in known.items()}


def _one_picture(about: Item, told: list[Item]) -> Item:
    shown = [about | {"role": "picture"}]
    return {
        "title": about["title"],
        "pictures": shown,
        "members": [about["sha256"]],
        "findings": told,
    }


def _issues(catalog: Catalog, run_id: str, names: list[str]) -> dict[str, Item]:
    rows = catalog.records(_ISSUES, [names])
    details_of = {str(row["issue_id"]): read_json(row["detail"]) for row in rows}
    beside = {name: _shas(_all_texts(said)) for name, said in details_of.items()}
    shas = list(dict.fromkeys(chain((str(row["asset_sha256"]) for row in rows), *beside.values())))
    known = pictures(catalog, shas)
    found = _findings(catalog, run_id, shas)
    labels: dict[str, list[Fact]] = defaultdict(list)
    for row in catalog.records(_LABELS, [shas]):
        labels[str(row["asset_sha256"])].append(
            (f"label {row['task']}", f"{cell(row['value'])} ({row['label_source']})")
        )
    for row in catalog.records(_FACES, [shas]):
        labels[str(row["asset_sha256"])].append(("faces", str(row["n"])))
    made: dict[str, Item] = {}
    for row in rows:
        name, sha = str(row["issue_id"]), str(row["asset_sha256"])
        others = [each for each in dict.fromkeys(beside[name]) if each in known and each != sha]
        if sha not in known:
            continue
        shown = [known[sha] | {"role": "picture"}]
        shown += [known[each] | {"role": "beside"} for each in others[: MOST_PICTURES - 1]]
        for each in shown:
            each["facts"] = [*_facts(each), *labels[str(each["sha256"])]]
        made[name] = {
            "title": words(row["kind"]),
            "pictures": shown,
            "members": [sha],
            "findings": [_issue_finding(row, details_of[name]), *_told(found[sha])],
        }
    return made


def _issue_finding(row: Row, said: Mapping[str, object]) -> Item:
    return {
        "decision": "issue",
        "reason": words(row["kind"]),
        "setting": None,
        "said": [
            ("severity", cell(row["severity"])),
            *((words(k), cell(v)) for k, v in said.items()),
            ("found by", str(row["detector"] or "")),
        ],
    }


def _told(item: Item) -> list[Item]:
    found = item["findings"]
    assert isinstance(found, list)
    return found


def _facts(picture: Item) -> list[Fact]:
    found = picture["facts"]
    assert isinstance(found, list)
    return found


def _pair(edge: Row) -> tuple[str, str]:
    return str(edge["asset_a"]), str(edge["asset_b"])


def _other(edge: Row, sha: str) -> str:
    a, b = _pair(edge)
    return b if sha == a else a


def _all_texts(said: Mapping[str, object]) -> list[object]:
    """List the texts of an object, those in its lists too."""
    return [
        each for value in said.values() for each in (value if isinstance(value, list) else [value])
    ]


def _shas(given: object) -> list[str]:
    """Take the SHA-256s out of a list; what is none is left out."""
    listed = given if isinstance(given, list) else []
    return [each for each in listed if isinstance(each, str) and len(each) == 64]
