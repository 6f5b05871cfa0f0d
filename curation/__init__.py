"""Curation: from crawled pictures to labelled, split and weighted items, each decision with its reason."""

from curation.exif.bins import BIN_NAMES, BINS, SETTINGS
from curation.report.report import write_report
from curation.run.plan import CurationPlan
from curation.run.run import curate
from curation.run.summary import CurationSummary, summarize
from curation.settings import CurateSettings
from curation.stages.stage import Stage

__all__ = [
    "BINS",
    "BIN_NAMES",
    "SETTINGS",
    "CurateSettings",
    "CurationPlan",
    "CurationSummary",
    "Stage",
    "curate",
    "summarize",
    "write_report",
]
