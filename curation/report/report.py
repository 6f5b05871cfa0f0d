"""The curation report: one HTML file without scripts or links to elsewhere, for people who decide.

Everything is read from the catalog, so a report can be made again for any run. Pictures are small data: URIs; all text
from sources is escaped.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import polars as pl

from catalog import AssetReader, Catalog, Workspace, open_catalog
from curation.decoding.decoding import decode_small
from curation.reading import find_run, frame
from curation.report.charts import balance_section, effects_section, quality_section
from curation.report.exif import exif_examples, exif_section
from curation.report.labels import label_issues, label_section
from curation.report.pages import ReportPage, bar, count_table, figure, section, table, text
from curation.report.splits import pictures_of, split_section
from curation.run.summary import CurationSummary, summarize

THUMBNAIL_HEIGHT_PX = 110
SAMPLES_PER_REASON = 6
MAX_GROUPS = 40
MAX_MEMBERS = 8
MAX_IMPLAUSIBLE = 24


def write_report(workspace: Workspace, run_id: str = "") -> Path:
    """Write `reports/curation/<run_id>/index.html` for a run (newest by default) and return its path.

    Raises `RunNotFoundError`. Pictures that cannot be decoded show as an empty frame.
    """
    with open_catalog(workspace) as catalog, AssetReader(workspace) as reader:
        summary = summarize(catalog, find_run(catalog, run_id))
        run = summary.run_id
        folder = workspace.reports / "curation" / run
        samples = frame(catalog, _SAMPLES, (run, SAMPLES_PER_REASON))
        members = frame(catalog, _RISKIEST, (run, MAX_GROUPS, run))
        needed = [*samples["asset_sha256"], *members["asset_sha256"]]
        ties = frame(catalog, _TIES, (run, members["asset_sha256"].to_list()))
        implausible = frame(catalog, _IMPLAUSIBLE, (run, MAX_IMPLAUSIBLE))
        labels = label_issues(catalog, run)
        examples = exif_examples(catalog, run)
        needed += [*labels["asset_sha256"], *pictures_of(summary)]
        needed += [*implausible["asset_sha256"], *examples["asset_sha256"]]
        pictures = Thumbnails(catalog, reader, needed)
        sections = [
            _funnel_section(summary),
            _dropped_section(summary, samples, pictures),
            exif_section(summary, examples, pictures.uri),
            _implausible_section(implausible, pictures),
            label_section(labels, pictures.uri),
            quality_section(frame(catalog, _SCORES, (run,))),
            balance_section(summary),
            split_section(summary, pictures.uri),
            _duplicates_section(summary, members, ties, pictures),
            effects_section(folder),
            _plan_section(summary),
        ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(ReportPage(f"Curation run {summary.run_id}", sections).html(), "utf-8")
    return path


class Thumbnails:
    """Small data: URIs of pictures by SHA-256; `shas` are all pictures that may be requested."""

    def __init__(self, catalog: Catalog, reader: AssetReader, shas: Sequence[str]) -> None:
        table = frame(catalog, _PLACES, (sorted(set(shas)),))
        self._reader = reader
        self._uris: dict[str, str | None] = {}
        self._places = {sha: (pack, start, size) for sha, pack, start, size in table.iter_rows()}

    def uri(self, sha: str) -> str | None:
        """Give a JPEG data: URI about 110 px high; None when the file gives no picture."""
        if sha not in self._uris:
            self._uris[sha] = self._data_uri(sha)
        return self._uris[sha]

    def _data_uri(self, sha: str) -> str | None:
        try:
            body = self._reader.read(*self._places[sha])
            small = decode_small(body, height_px=THUMBNAIL_HEIGHT_PX)
        except Exception:  # noqa: BLE001 - dropped pictures are often broken; the frame stays empty
            return None
        _, encoded = cv2.imencode(
            ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 70]
        )
        return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


_PLACES = """
    SELECT sha256, pack, pack_offset, pack_length FROM assets WHERE sha256 IN (SELECT unnest(?))
"""


def _funnel_section(summary: CurationSummary) -> str:
    steps = [("pictures in", summary.n_input)]
    left = summary.n_input
    for reason, n in summary.dropped.items():
        left -= n
        steps.append((f"after {reason}", left))
    steps.append(("kept", summary.n_kept))
    rows = [[text(name), text(n), bar([(n / max(summary.n_input, 1), "ink")])] for name, n in steps]
    notes = "".join(f"<li>{text(note)}</li>" for note in summary.notes)
    warning = f"<div class='note'><b>Noticed</b><ul>{notes}</ul></div>" if notes else ""
    return section("From pictures to items", table(["step", "pictures", ""], rows) + warning)


def _dropped_section(summary: CurationSummary, samples: pl.DataFrame, pictures: Thumbnails) -> str:
    if not summary.dropped:
        return section("Dropped pictures", "<p>Nothing was dropped.</p>")
    parts = []
    for reason, n in summary.dropped.items():
        some = samples.filter(pl.col("reason") == reason).iter_rows(named=True)
        figures = "".join(figure(pictures.uri(row["asset_sha256"]), _caption(row)) for row in some)
        title = f"<h3>{text(reason)} <small>{n}</small></h3>"
        parts.append(f"{title}<div class='row'>{figures}</div>")
    return section("Dropped pictures", "".join(parts))


_SAMPLES = """
    SELECT reason, asset_sha256, evidence FROM decisions WHERE run_id = ? AND decision = 'drop'
    QUALIFY row_number() OVER (PARTITION BY reason ORDER BY asset_sha256) <= ?
    ORDER BY reason, asset_sha256
"""


def _caption(row: dict[str, Any]) -> str:
    evidence = str(row["evidence"] or "")
    is_sha = len(evidence) == 64 and evidence.isalnum()
    text_of_evidence = f"kept: {evidence[:8]}" if is_sha else evidence[:60]
    return f"{str(row['asset_sha256'])[:8]} {text_of_evidence}"


def _implausible_section(implausible: pl.DataFrame, pictures: Thumbnails) -> str:
    """Show the settings with the lowest probability by a model; empty without predictions."""
    if implausible.is_empty():
        return ""
    about = (
        "<p>Settings that a model which did not learn from the picture finds hardest to believe. "
        "Each is a wrong label or a rare picture: look before you decide.</p>"
    )
    figures = []
    for row in implausible.iter_rows(named=True):
        detail = json.loads(row["detail"])
        caption = f"{row['asset_sha256'][:8]} {detail['setting']} {detail['value']:.4g}, p {detail['probability']:.3f}"
        figures.append(figure(pictures.uri(row["asset_sha256"]), caption))
    return section("Implausible settings", f"{about}<div class='row'>{''.join(figures)}</div>")


_IMPLAUSIBLE = """
    SELECT asset_sha256, detail FROM issues JOIN curated_items i USING (asset_sha256)
    WHERE i.run_id = ? AND kind = 'implausible_settings'
    QUALIFY row_number() OVER (PARTITION BY asset_sha256, detail ORDER BY created_at) = 1
    ORDER BY severity DESC, asset_sha256 LIMIT ?
"""


_SCORES = """
    SELECT q.* FROM quality q JOIN curated_items i USING (asset_sha256) WHERE i.run_id = ?
    QUALIFY row_number() OVER (PARTITION BY q.asset_sha256 ORDER BY q.stage DESC) = 1
"""


def _duplicates_section(
    summary: CurationSummary, members: pl.DataFrame, ties: pl.DataFrame, pictures: Thumbnails
) -> str:
    head = count_table("verdict", summary.edges)
    groups = members.partition_by("group_id", maintain_order=True)
    evidence = {row["asset_sha256"]: _evidence(row) for row in ties.iter_rows(named=True)}
    parts = [_group_html(group, evidence, pictures) for group in groups]
    about = (
        f"<p>{summary.n_duplicate_groups} groups with {summary.n_duplicate_members} pictures; "
        f"the {len(groups)} riskiest are shown, weakest correlation first. The keeper has a frame.</p>"
    )
    return section("Duplicates", about + head + "".join(parts))


# The members of the riskiest groups: those whose weakest accepted edge correlates least.
_RISKIEST = """
    WITH ties AS (
        SELECT run_id, asset_a AS asset_sha256, ncc, cosine FROM duplicate_edges WHERE verdict = 'duplicate'
        UNION ALL
        SELECT run_id, asset_b, ncc, cosine FROM duplicate_edges WHERE verdict = 'duplicate'
    ), ranked AS (
        SELECT g.group_id, min(t.ncc) AS ncc, min(t.cosine) AS cosine
        FROM duplicate_groups g LEFT JOIN ties t USING (run_id, asset_sha256)
        WHERE g.run_id = ? GROUP BY g.group_id
        ORDER BY ncc NULLS LAST, cosine NULLS LAST, g.group_id LIMIT ?
    )
    SELECT g.group_id, g.asset_sha256, g.is_keeper, g.method
    FROM duplicate_groups g JOIN ranked r USING (group_id) WHERE g.run_id = ?
    ORDER BY r.ncc NULLS LAST, r.cosine NULLS LAST, g.group_id, NOT g.is_keeper, g.similarity, g.asset_sha256
"""
# The best accepted edge of each of these pictures, which connects it with its group.
_TIES = """
    SELECT sha AS asset_sha256, found_by, pdq_distance, cosine, inliers, ncc
    FROM (SELECT *, unnest([asset_a, asset_b]) AS sha FROM duplicate_edges
          WHERE run_id = ? AND verdict = 'duplicate')
    WHERE sha IN (SELECT unnest(?))
    QUALIFY row_number() OVER (PARTITION BY sha ORDER BY ncc DESC NULLS LAST, asset_a, asset_b) = 1
"""


def _group_html(members: pl.DataFrame, evidence: dict[str, str], pictures: Thumbnails) -> str:
    figures = []
    for row in members.head(MAX_MEMBERS).iter_rows(named=True):
        sha, is_keeper = row["asset_sha256"], row["is_keeper"]
        text_of_member = "keeper" if is_keeper else evidence.get(sha, str(row["method"]))
        figures.append(
            figure(pictures.uri(sha), f"{sha[:8]} {text_of_member}", is_marked=is_keeper)
        )
    n_more = members.height - MAX_MEMBERS
    more = f"<p>and {n_more} more</p>" if n_more > 0 else ""
    name = text(members["group_id"][0][:8])
    title = f"<h3>{name} <small>{members.height} pictures</small></h3>"
    return f"{title}<div class='row'>{''.join(figures)}</div>{more}"


def _evidence(edge: dict[str, Any]) -> str:
    """Write the evidence of one edge as text."""
    written = {
        "ncc": "NCC {:.2f}",
        "cosine": "cos {:.2f}",
        "pdq_distance": "PDQ {}",
        "inliers": "{} points",
    }
    parts = [form.format(edge[name]) for name, form in written.items() if edge[name] is not None]
    return ", ".join([str(edge["found_by"]), *parts])


def _plan_section(summary: CurationSummary) -> str:
    rows: Sequence[Sequence[str]] = [
        [text(name), text(json.dumps(value))] for name, value in sorted(summary.plan.items())
    ]
    return section("Plan", table(["entry", "value"], rows))
