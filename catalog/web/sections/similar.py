"""What the catalog has about pictures of a list: source, licence, decision, and how each is tied to the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from catalog.lake.lake import Catalog
from catalog.web.sections.formatting import web_link
from catalog.web.sections.section import Row

Tie = Literal["equal", "copy", "same_scene", "part", "different", ""]
"""How the current curation run judged a pair; empty when it did not compare the two."""

_DETAILS = """
WITH listed AS (SELECT unnest(?::VARCHAR[]) AS sha256),
current AS (SELECT run_id FROM v_runs WHERE is_current),
photo AS (
    SELECT * FROM v_all_photos WHERE asset_sha256 IN (FROM listed)
    QUALIFY row_number() OVER (PARTITION BY asset_sha256 ORDER BY fetched_at DESC, photo_id) = 1),
dropped AS (
    SELECT asset_sha256, min(reason) AS reason FROM decisions
    WHERE run_id IN (FROM current) AND decision = 'drop' AND asset_sha256 IN (FROM listed) GROUP BY asset_sha256),
kept AS (
    SELECT asset_sha256, any_value(split) AS split FROM curated_items
    WHERE run_id IN (FROM current) AND asset_sha256 IN (FROM listed) GROUP BY asset_sha256),
by_hand AS (
    SELECT asset_sha256, arg_max(decision, decided_at) AS decision FROM v_manual_decisions
    WHERE decision IN ('keep', 'drop') AND asset_sha256 IN (FROM listed) GROUP BY asset_sha256)
SELECT a.sha256, a.width, a.height, a.bytes, p.title, p.source, p.page_url, p.licence, p.photographer,
       p.training_allowed, d.reason, k.split, k.asset_sha256 IS NOT NULL AS is_kept, h.decision AS by_hand
FROM assets a JOIN listed USING (sha256) LEFT JOIN photo p ON p.asset_sha256 = a.sha256
LEFT JOIN dropped d ON d.asset_sha256 = a.sha256 LEFT JOIN kept k ON k.asset_sha256 = a.sha256
LEFT JOIN by_hand h ON h.asset_sha256 = a.sha256
"""
_TIES = """
SELECT CASE asset_a WHEN $own THEN asset_b ELSE asset_a END AS sha256, verdict, edge_class FROM duplicate_edges
WHERE run_id IN (SELECT run_id FROM v_runs WHERE is_current) AND (asset_a = $own OR asset_b = $own)
UNION ALL
SELECT asset_sha256, 'duplicate', 'copy' FROM duplicate_groups
WHERE run_id IN (SELECT run_id FROM v_runs WHERE is_current) AND (run_id, group_id) IN
    (SELECT (run_id, group_id) FROM duplicate_groups WHERE asset_sha256 = $own)
"""
_RANK: tuple[Tie, ...] = ("equal", "copy", "same_scene", "part", "different", "")


_WORDS: dict[str, str] = {
    "equal": "same pixels",
    "copy": "copy",
    "same_scene": "same scene",
    "part": "shares a part",
    "different": "near, not a copy",
    "": "near",
}


@dataclass(frozen=True)
class ListedPicture:
    """A picture of the catalog; empty texts where the catalog has nothing.

    `decision` is that of the current curation run: kept (in `split`), dropped because of `reason`, or empty. `by_hand`
    is keep or drop where a person decided, which the next run applies.
    """

    sha256: str
    title: str
    width: int
    height: int
    source: str
    page_url: str
    licence: str
    photographer: str
    training_allowed: bool | None
    decision: Literal["kept", "dropped", ""]
    reason: str
    split: str
    by_hand: Literal["keep", "drop", ""]


def kind_of_pair(tie: Tie) -> str:
    """Say in words how two pictures are tied."""
    return _WORDS[tie]


def list_pictures(catalog: Catalog, shas: Sequence[str]) -> dict[str, ListedPicture]:
    """Describe these pictures by SHA-256; those that the catalog does not have are left out."""
    return {str(row["sha256"]): _listed(row) for row in catalog.records(_DETAILS, [list(shas)])}


def read_ties(catalog: Catalog, sha256: str) -> dict[str, Tie]:
    """Read how the current curation run judged the pairs of a picture; of several verdicts the closest."""
    ties: dict[str, Tie] = {}
    for row in catalog.records(_TIES, {"own": sha256}):
        name, tie = str(row["sha256"]), _tie(row)
        ties[name] = min(tie, ties.get(name, ""), key=_RANK.index)
    return ties


def _tie(row: Row) -> Tie:
    if row["edge_class"] == "identical":
        return "equal"
    if row["verdict"] == "duplicate":
        return "copy"
    if row["verdict"] == "same_scene":
        return "same_scene"
    return "part" if row["edge_class"] == "part" else "different"


def _listed(row: Row) -> ListedPicture:
    texts = {
        name: str(row[name] or "")
        for name in ("sha256", "title", "source", "licence", "photographer", "reason", "split")
    }
    allowed, by_hand = row["training_allowed"], row["by_hand"]
    decision: Literal["kept", "dropped", ""] = "kept" if row["is_kept"] else ""
    return ListedPicture(
        **texts,
        width=int(str(row["width"] or 0)),
        height=int(str(row["height"] or 0)),
        page_url=web_link(row["page_url"]) or "",
        training_allowed=allowed if isinstance(allowed, bool) else None,
        decision="dropped" if row["reason"] is not None else decision,
        by_hand="keep" if by_hand == "keep" else "drop" if by_hand == "drop" else "",
    )
