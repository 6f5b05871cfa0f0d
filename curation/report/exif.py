"""The report's section on EXIF: each rule that spoke, with its evidence and some of the pictures that it is about."""

import json
from collections.abc import Callable

import polars as pl

from catalog import Catalog
from curation.reading import frame
from curation.report.pages import figure, section, table, text
from curation.run.summary import CurationSummary

EXAMPLES = 4  # pictures a rule
_SAID = 70  # characters of a caption

_EXAMPLES = """
    SELECT decision, reason, setting, asset_sha256, evidence FROM decisions
    WHERE run_id = ? AND decision IN ('void', 'flag') AND NOT starts_with(reason, 'quality_')
    QUALIFY row_number() OVER (PARTITION BY decision, reason ORDER BY asset_sha256) <= ?
    ORDER BY decision, reason, asset_sha256
"""


def exif_examples(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read up to `EXAMPLES` pictures of each rule that voided or flagged something, with the evidence."""
    return frame(catalog, _EXAMPLES, (run_id, EXAMPLES))


def exif_section(
    summary: CurationSummary, examples: pl.DataFrame, uri: Callable[[str], str | None]
) -> str:
    """Count the rules in a table, then show pictures of each; `uri` gives the small picture of a SHA-256."""
    shown = examples.partition_by("decision", "reason", as_dict=True)
    rows, parts = [], []
    for kind, counts in (("void", summary.voided), ("flag", summary.flagged)):
        for reason, n in counts.items():
            found = shown.get((kind, reason))
            if found is None:  # flags of quality have a section of their own
                continue
            scope = found["setting"][0] or ("all three" if kind == "void" else "")
            rows.append([text(kind), text(reason), text(n), text(scope)])
            figures = [
                figure(
                    uri(row["asset_sha256"]), f"{row['asset_sha256'][:8]} {said(row['evidence'])}"
                )
                for row in found.iter_rows(named=True)
            ]
            title = f"<h3>{text(reason)} <small>{text(kind)}, {n}</small></h3>"
            parts.append(f"{title}<div class='row'>{''.join(figures)}</div>")
    about = "<p>A void makes a setting unusable, a flag only notes. Pictures fall when no setting is left.</p>"
    if not rows:
        return section("EXIF", f"{about}<p>No rule spoke.</p>")
    counted = table(["", "rule", "pictures", "setting"], rows)
    return section("EXIF", about + counted + "".join(parts))


def said(evidence: object) -> str:
    """Put evidence into a few words: the entries of a JSON object, or the text itself.

    >>> said('{"iso": "inf", "iso_raw": null}')
    'iso inf'
    """
    words = str(evidence or "")
    try:
        found = json.loads(words)
    except ValueError:
        return words[:_SAID]
    if not isinstance(found, dict):
        return words[:_SAID]
    entries = (f"{name} {_short(value)}" for name, value in found.items() if value is not None)
    return ", ".join(entries)[:_SAID]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
