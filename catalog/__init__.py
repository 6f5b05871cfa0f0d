"""The catalog: schemas, storage, tables, releases. Every other room imports from here, it imports none."""

from catalog.errors import (
    AssetNotFoundError,
    BusyError,
    CatalogError,
    CommitError,
    DecisionError,
    LayoutError,
    MissingPartError,
    NetworkDiskError,
    QueryError,
    QuestionNotFoundError,
    ReleaseError,
    ReleaseNotFoundError,
    RightsError,
    SafelightError,
    SegmentError,
    SnapshotNotFoundError,
    StorageError,
    TableNotFoundError,
    UsageError,
)
from catalog.evidence import FEW_GROUPS, KNOWN_SHARE, TOO_FEW, known_text
from catalog.lake.describe import Column, Described, describe
from catalog.lake.lake import Catalog, Snapshot, open_catalog
from catalog.lake.manual import ManualDecision, decide, undo
from catalog.lake.permission import (
    Permission,
    basis_command,
    crawled,
    curated,
    of_crawl,
    of_index,
    of_run,
    released,
)
from catalog.lake.rights import (
    Rights,
    Statement,
    record_rights,
    rights_history,
    undo_rights,
    write_rights,
)
from catalog.lake.tombstones import read_blocked, tombstone
from catalog.maintenance.maintain import orphan_packs
from catalog.maintenance.verify import repeated_keys
from catalog.packs.assets import AssetReader, packs
from catalog.packs.spool import Segment, count_waiting, write_segment
from catalog.packs.spool import ready as waiting_segments
from catalog.releases.loading import Pictures, load
from catalog.releases.manifest import GROUP_KEYS, given_up
from catalog.releases.publish import label_columns, publish
from catalog.releases.release import Release, find_release, releases
from catalog.stores.commit_errors import is_transient
from catalog.tables.contract import TABLES, Table
from catalog.tables.questions import QUESTIONS, Parameter, Question
from catalog.tables.rows import rows
from catalog.version import __version__
from catalog.workspace.logs import logs_json, redacted, start_logging
from catalog.workspace.options import (
    existing_workspace_option,
    home_words,
    settings_option,
    workspace_option,
)
from catalog.workspace.settings import load_settings
from catalog.workspace.workspace import Workspace

__all__ = [
    "FEW_GROUPS",
    "GROUP_KEYS",
    "KNOWN_SHARE",
    "QUESTIONS",
    "TABLES",
    "TOO_FEW",
    "AssetNotFoundError",
    "AssetReader",
    "BusyError",
    "Catalog",
    "CatalogError",
    "Column",
    "CommitError",
    "DecisionError",
    "Described",
    "LayoutError",
    "ManualDecision",
    "MissingPartError",
    "NetworkDiskError",
    "Parameter",
    "Permission",
    "Pictures",
    "QueryError",
    "Question",
    "QuestionNotFoundError",
    "Release",
    "ReleaseError",
    "ReleaseNotFoundError",
    "Rights",
    "RightsError",
    "SafelightError",
    "Segment",
    "SegmentError",
    "Snapshot",
    "SnapshotNotFoundError",
    "Statement",
    "StorageError",
    "Table",
    "TableNotFoundError",
    "UsageError",
    "Workspace",
    "__version__",
    "basis_command",
    "count_waiting",
    "crawled",
    "curated",
    "decide",
    "describe",
    "existing_workspace_option",
    "find_release",
    "given_up",
    "home_words",
    "is_transient",
    "known_text",
    "label_columns",
    "load",
    "load_settings",
    "logs_json",
    "of_crawl",
    "of_index",
    "of_run",
    "open_catalog",
    "orphan_packs",
    "packs",
    "publish",
    "read_blocked",
    "record_rights",
    "redacted",
    "released",
    "releases",
    "repeated_keys",
    "rights_history",
    "rows",
    "settings_option",
    "start_logging",
    "tombstone",
    "undo",
    "undo_rights",
    "waiting_segments",
    "workspace_option",
    "write_rights",
    "write_segment",
]
