"""The report's section on EXIF: each rule that applied, with its evidence and some of its pictures."""

import json
from collections.abc import Callable

import polars as pl

from catalog import Catalog, format_exposure
from curation.reading import frame
from curation.report.pages import figure, section, table, text
from curation.run.summary import CurationSummary

EXAMPLES = 4  # pictures a rule
_CAPTION_CHARS = 70  # characters of a caption

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
    examples_of = examples.partition_by("decision", "reason", as_dict=True)
    rows, parts = [], []
    for kind, counts in (("void", summary.voided), ("flag", summary.flagged)):
        for reason, n in counts.items():
            of_rule = examples_of.get((kind, reason))
            if of_rule is None:  # flags of quality have a section of their own
                continue
            scope = of_rule["setting"][0] or ("all three" if kind == "void" else "")
            rows.append([text(kind), text(reason), text(n), text(scope)])
            figures = [
                figure(
                    uri(row["asset_sha256"]),
                    f"{row['asset_sha256'][:8]} {evidence_text(row['evidence'])}",
                )
                for row in of_rule.iter_rows(named=True)
            ]
            title = f"<h3>{text(reason)} <small>{text(kind)}, {n}</small></h3>"
            parts.append(f"{title}<div class='row'>{''.join(figures)}</div>")
    about = "<p>A void makes a setting unusable, a flag only notes. Pictures fall when no setting is left.</p>"
    if not rows:
        return section("EXIF", f"{about}<p>No rule spoke.</p>")
    counted = table(["", "rule", "pictures", "setting"], rows)
    return section("EXIF", about + counted + "".join(parts))


def evidence_text(evidence: object) -> str:
    """Write evidence as a short text: the entries of a JSON object, or the text itself.

    >>> evidence_text('{"iso": "inf", "iso_raw": null}')
    'iso inf'
    >>> evidence_text('{"exposure_time": 0.000625}')
    'exposure_time 1/1600 s'
    """
    words = str(evidence or "")
    try:
        fields = json.loads(words)
    except ValueError:
        return words[:_CAPTION_CHARS]
    if not isinstance(fields, dict):
        return words[:_CAPTION_CHARS]
    entries = (
        f"{name} {_short(name, value)}" for name, value in fields.items() if value is not None
    )
    return ", ".join(entries)[:_CAPTION_CHARS]


def _short(name: str, value: object) -> str:
    if name == "exposure_time" and isinstance(value, float) and (written := format_exposure(value)):
        return written
    return f"{value:.4g}" if isinstance(value, float) else str(value)
