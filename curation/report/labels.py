"""The section of the report about labels that are likely wrong, with pictures."""

import json
from collections.abc import Callable
from typing import Final

import polars as pl

from catalog import Catalog
from curation.reading import frame
from curation.report.pages import figure, section, text
from curation.review.label_audit import KINDS

MAX_PICTURES: Final = 24  # pictures of each kind
_ABOUT: Final = {
    "label_conflict": "Copies of one picture, or sources of one label, contradict each other.",
    "label_doubtful": "Similar pictures, and a model that did not learn from this one, say otherwise.",
    "face_count": "A set of faces should show one face in each picture.",
}
_ISSUES: Final = """
    SELECT kind, asset_sha256, severity, detail, count(*) OVER (PARTITION BY kind) AS n FROM issues
    WHERE run_id = ? AND kind IN (SELECT unnest(?::VARCHAR[]))
    QUALIFY row_number() OVER (PARTITION BY kind ORDER BY severity DESC, asset_sha256, issue_id) <= ?
    ORDER BY kind, severity DESC, asset_sha256, issue_id
"""


def label_issues(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read the worst label issues of each kind: kind, asset_sha256, severity, detail (JSON) and n (of that kind)."""
    return frame(catalog, _ISSUES, (run_id, list(KINDS), MAX_PICTURES))


def label_section(issues: pl.DataFrame, uri: Callable[[str], str | None]) -> str:
    """Write the section, empty without issues; `uri` gives a small picture as a data: URI, or None."""
    parts = []
    for kind in KINDS:
        of_kind = issues.filter(pl.col("kind") == kind)
        if of_kind.is_empty():
            continue
        figures = [
            figure(
                uri(row["asset_sha256"]), caption(row["asset_sha256"], json.loads(row["detail"]))
            )
            for row in of_kind.iter_rows(named=True)
        ]
        title = f"<h3>{text(kind)} <small>{of_kind['n'][0]}</small></h3>"
        parts.append(f"{title}<p>{text(_ABOUT[kind])}</p><div class='row'>{''.join(figures)}</div>")
    return section("Doubtful labels", "".join(parts)) if parts else ""


def caption(sha: str, detail: dict[str, object]) -> str:
    """Write the evidence of one label issue as a caption."""
    name = sha[:8]
    if "n_faces" in detail:
        return f"{name} {detail['n_faces']} faces"
    if "values" in detail:
        values = detail["values"]
        assert isinstance(values, list), "the audit writes a list"
        return f"{name} {detail['task']}: {' or '.join(map(str, values))}"
    return (
        f"{name} {detail['task']}: {_short(detail['label'])}, rather {_short(detail['suggested'])}"
    )


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
