"""The report's section on EXIF: each rule that applied, with its evidence and some of its pictures."""

import json
from dataclasses import dataclass
from typing import Final

import polars as pl

from catalog import Catalog, ConsoleLinks, format_exposure
from curation.reading import frame
from curation.report.console_queries import DECISIONS
from curation.report.tiles import TileGroup, Tiles
from curation.run.summary import CurationSummary

EXAMPLES: Final = 4  # pictures a rule
_CAPTION_CHARS: Final = 70  # characters of a caption

_EXAMPLES: Final = """
    SELECT decision, reason, setting, asset_sha256, evidence FROM decisions
    WHERE run_id = ? AND decision IN ('void', 'flag') AND NOT starts_with(reason, 'quality_')
    QUALIFY row_number() OVER (PARTITION BY decision, reason ORDER BY asset_sha256) <= ?
    ORDER BY decision, reason, asset_sha256
"""


@dataclass(frozen=True)
class ExifRule:
    """One rule that voided or flagged (`decision`) something; `setting` is what it concerns, or empty."""

    decision: str
    setting: str
    pictures: TileGroup


def exif_examples(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read up to `EXAMPLES` pictures of each rule that voided or flagged something, with the evidence."""
    return frame(catalog, _EXAMPLES, (run_id, EXAMPLES))


def exif_rules(
    summary: CurationSummary, examples: pl.DataFrame, tiles: Tiles, links: ConsoleLinks
) -> list[ExifRule]:
    """List the rules that applied, voids first; flags of quality are left out, they have a section of their own."""
    examples_of_rule = examples.partition_by("decision", "reason", as_dict=True)
    rules = []
    for decision, counts in (("void", summary.voided), ("flag", summary.flagged)):
        for reason, n in counts.items():
            of_rule = examples_of_rule.get((decision, reason))
            if of_rule is None:
                continue
            setting = of_rule["setting"][0] or ("all three" if decision == "void" else "")
            rest = links.query(DECISIONS, [summary.run_id, decision, reason])
            shown = [
                tiles.tile(sha, f"{sha[:8]} {evidence_text(evidence)}")
                for sha, evidence in of_rule.select("asset_sha256", "evidence").iter_rows()
            ]
            rules.append(ExifRule(decision, setting, TileGroup(reason, n, shown, rest)))
    return rules


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
