"""The catalog: schemas, storage, tables, releases. Every other room imports from here, it imports none."""

from catalog.assets import AssetReader, packs
from catalog.describe import Column, Described, describe
from catalog.errors import (
    AssetNotFoundError,
    BusyError,
    CatalogError,
    DecisionError,
    LayoutError,
    MissingPartError,
    NetworkDiskError,
    QueryError,
    QuestionNotFoundError,
    ReleaseError,
    ReleaseNotFoundError,
    SafelightError,
    SegmentError,
    SnapshotNotFoundError,
    StorageError,
    TableNotFoundError,
    UsageError,
)
from catalog.lake import Catalog, Snapshot, open_catalog
from catalog.loading import Pictures, load
from catalog.logs import logs_json, redacted, start_logging
from catalog.manual import ManualDecision, decide, undo
from catalog.options import workspace_option
from catalog.questions import QUESTIONS, Parameter, Question
from catalog.releases import Release, find_release, publish, releases
from catalog.rows import rows
from catalog.schemas import TABLES, Table
from catalog.settings import load_settings
from catalog.spool import write_segment
from catalog.version import __version__
from catalog.workspace import Workspace

__all__ = [
    "QUESTIONS",
    "TABLES",
    "AssetNotFoundError",
    "AssetReader",
    "BusyError",
    "Catalog",
    "CatalogError",
    "Column",
    "DecisionError",
    "Described",
    "LayoutError",
    "ManualDecision",
    "MissingPartError",
    "NetworkDiskError",
    "Parameter",
    "Pictures",
    "QueryError",
    "Question",
    "QuestionNotFoundError",
    "Release",
    "ReleaseError",
    "ReleaseNotFoundError",
    "SafelightError",
    "SegmentError",
    "Snapshot",
    "SnapshotNotFoundError",
    "StorageError",
    "Table",
    "TableNotFoundError",
    "UsageError",
    "Workspace",
    "__version__",
    "decide",
    "describe",
    "find_release",
    "load",
    "load_settings",
    "logs_json",
    "open_catalog",
    "packs",
    "publish",
    "redacted",
    "releases",
    "rows",
    "start_logging",
    "undo",
    "workspace_option",
    "write_segment",
]
