"""The curation report: one HTML file without scripts, for people who decide.

Everything is read from the catalog, so a report can be made again for any run. Pictures are small data: URIs; all text
from sources is escaped. The only links lead into the console, at the address where `safelight serve` listens.
"""

from collections.abc import Mapping
from pathlib import Path

from catalog import (
    FEW_GROUPS,
    TOO_FEW,
    AssetReader,
    Catalog,
    ConsoleLinks,
    Workspace,
    open_catalog,
    render_report,
)
from curation.reading import find_run
from curation.report import (
    charts,
    dropped,
    duplicates,
    exif,
    implausible,
    labels,
    run_header,
    splits,
)
from curation.report.console_queries import GROUPS
from curation.report.tiles import Tiles, asset_names
from curation.run.summary import CurationSummary, summarize


def write_report(workspace: Workspace, run_id: str = "") -> Path:
    """Write `reports/curation/<run_id>/index.html` for a run (newest by default) and return its path.

    Pictures that cannot be decoded are replaced by what is wrong with them. Raises `RunNotFoundError`.
    """
    with open_catalog(workspace) as catalog, AssetReader(workspace) as reader:
        summary = summarize(catalog, find_run(catalog, run_id))
        folder = workspace.reports / "curation" / summary.run_id
        values = report_values(catalog, reader, summary, folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(render_report("curation.report", "report.html", values), "utf-8")
    return path


def report_values(
    catalog: Catalog, reader: AssetReader, summary: CurationSummary, folder: Path
) -> dict[str, object]:
    """Gather everything that the template shows."""
    links = ConsoleLinks.of_workspace(catalog.workspace)
    return {
        "summary": summary,
        "console": links.address,
        "facts": run_header.run_facts(catalog, summary.run_id),
        "funnel": run_header.funnel(summary),
        "plan": run_header.plan_entries(summary.plan),
        "all_groups": links.query(GROUPS, [summary.run_id]),
        "quality": charts.quality_charts(catalog, summary.run_id, links),
        "train": charts.train_balance(summary.classes),
        "slices": charts.evaluation_slices(summary.classes),
        "effects": charts.effects(folder),
        "shared_keys": list(splits.KEYS.values()),
        "few_groups": FEW_GROUPS,
        "too_few": TOO_FEW,
        **_pictures(catalog, reader, summary, links),
    }


def _pictures(
    catalog: Catalog, reader: AssetReader, summary: CurationSummary, links: ConsoleLinks
) -> Mapping[str, object]:
    """Gather the sections with pictures; each picture is decoded once."""
    run_id = summary.run_id
    samples = dropped.dropped_samples(catalog, run_id)
    members = duplicates.riskiest_members(catalog, run_id)
    examples = exif.exif_examples(catalog, run_id)
    issues = labels.label_issues(catalog, run_id)
    unlikely = implausible.least_plausible(catalog, run_id)
    tables = (samples, members, examples, issues, unlikely)
    shas = [sha for table in tables for sha in asset_names(table)]
    tiles = Tiles(catalog, reader, [*shas, *splits.pictures_of(summary)], links)
    return {
        "dropped": dropped.dropped_groups(summary, samples, tiles, links),
        "exif": exif.exif_rules(summary, examples, tiles, links),
        "implausible": implausible.implausible_group(run_id, unlikely, tiles, links),
        "labels": labels.label_groups(run_id, issues, tiles, links),
        "audits": splits.split_audits(summary, tiles),
        "groups": duplicates.duplicate_groups(run_id, members, tiles, links),
    }
