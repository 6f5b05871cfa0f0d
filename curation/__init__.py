"""Curation: from crawled pictures to labelled, split and weighted items, each decision with its reason."""

from curation.bins import BIN_NAMES, BINS, SETTINGS
from curation.plan import CurationPlan
from curation.report import write_report
from curation.run import curate
from curation.settings import CurateSettings
from curation.stage import Stage
from curation.summary import CurationSummary, summarize

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
