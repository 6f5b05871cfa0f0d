"""The catalog: schemas, storage, tables, releases. Every other room imports from here, it imports none."""

from typing import TYPE_CHECKING

from catalog.lazy_face import lazy_attributes
from catalog.version import __version__

if TYPE_CHECKING:
    from catalog.errors import (
        AssetNotFoundError,
        BusyError,
        CatalogError,
        ClusterError,
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
    from catalog.lake.manual import (
        ManualDecision,
        choose_run,
        decide,
        decisions_in_force,
        resolve_sha256,
        undo,
        undone_by,
    )
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
    from catalog.packs.assets import AssetReader, list_packs
    from catalog.packs.spool import Segment, count_waiting, waiting_segments, write_segment
    from catalog.plurals import counted
    from catalog.pull.backoff import retry_after
    from catalog.pull.public_addresses import (
        Network,
        PrivateAddressError,
        guarded_sockets,
        is_allowed_address,
        parse_ip_literal,
        parse_networks,
        require_allowed_address,
    )
    from catalog.releases.loading import Pictures, load
    from catalog.releases.manifest import GROUP_KEYS, given_up
    from catalog.releases.publish import label_columns, publish
    from catalog.releases.release import Release, find_release, list_releases
    from catalog.sandbox import Decoded, DecoderError, DecoderLimits, DecoderPool
    from catalog.stores.commit_errors import is_transient
    from catalog.tables.contract import TABLES, Table
    from catalog.tables.questions import QUESTIONS, Parameter, Question
    from catalog.tables.rows import rows
    from catalog.takedown.crawl_queue import queue_opener
    from catalog.takedown.purge import purge
    from catalog.web.review.backlog import count_review_items, list_review_items
    from catalog.workspace.logs import logs_json, redacted, start_logging
    from catalog.workspace.options import (
        existing_workspace_option,
        home_words,
        workspace_option,
    )
    from catalog.workspace.ray_cluster import join_ray
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
    "ClusterError",
    "Column",
    "CommitError",
    "DecisionError",
    "Decoded",
    "DecoderError",
    "DecoderLimits",
    "DecoderPool",
    "Described",
    "LayoutError",
    "ManualDecision",
    "MissingPartError",
    "Network",
    "NetworkDiskError",
    "Parameter",
    "Permission",
    "Pictures",
    "PrivateAddressError",
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
    "choose_run",
    "count_review_items",
    "count_waiting",
    "counted",
    "crawled",
    "curated",
    "decide",
    "decisions_in_force",
    "describe",
    "existing_workspace_option",
    "find_release",
    "given_up",
    "guarded_sockets",
    "home_words",
    "is_allowed_address",
    "is_transient",
    "join_ray",
    "known_text",
    "label_columns",
    "lazy_attributes",
    "list_packs",
    "list_releases",
    "list_review_items",
    "load",
    "load_settings",
    "logs_json",
    "of_crawl",
    "of_index",
    "of_run",
    "open_catalog",
    "orphan_packs",
    "parse_ip_literal",
    "parse_networks",
    "publish",
    "purge",
    "queue_opener",
    "read_blocked",
    "record_rights",
    "redacted",
    "released",
    "repeated_keys",
    "require_allowed_address",
    "resolve_sha256",
    "retry_after",
    "rights_history",
    "rows",
    "start_logging",
    "tombstone",
    "undo",
    "undo_rights",
    "undone_by",
    "waiting_segments",
    "workspace_option",
    "write_rights",
    "write_segment",
]

if not TYPE_CHECKING:  # mypy would take every name for one that `__getattr__` knows
    __getattr__, __dir__ = lazy_attributes(
        __name__,
        {
            "catalog.errors": (
                "AssetNotFoundError",
                "BusyError",
                "CatalogError",
                "ClusterError",
                "CommitError",
                "DecisionError",
                "LayoutError",
                "MissingPartError",
                "NetworkDiskError",
                "QueryError",
                "QuestionNotFoundError",
                "ReleaseError",
                "ReleaseNotFoundError",
                "RightsError",
                "SafelightError",
                "SegmentError",
                "SnapshotNotFoundError",
                "StorageError",
                "TableNotFoundError",
                "UsageError",
            ),
            "catalog.evidence": ("FEW_GROUPS", "KNOWN_SHARE", "TOO_FEW", "known_text"),
            "catalog.lake.describe": ("Column", "Described", "describe"),
            "catalog.lake.lake": ("Catalog", "Snapshot", "open_catalog"),
            "catalog.lake.manual": (
                "ManualDecision",
                "choose_run",
                "decide",
                "decisions_in_force",
                "resolve_sha256",
                "undo",
                "undone_by",
            ),
            "catalog.lake.permission": (
                "Permission",
                "basis_command",
                "crawled",
                "curated",
                "of_crawl",
                "of_index",
                "of_run",
                "released",
            ),
            "catalog.lake.rights": (
                "Rights",
                "Statement",
                "record_rights",
                "rights_history",
                "undo_rights",
                "write_rights",
            ),
            "catalog.lake.tombstones": ("read_blocked", "tombstone"),
            "catalog.maintenance.maintain": ("orphan_packs",),
            "catalog.maintenance.verify": ("repeated_keys",),
            "catalog.packs.assets": ("AssetReader", "list_packs"),
            "catalog.packs.spool": (
                "Segment",
                "count_waiting",
                "waiting_segments",
                "write_segment",
            ),
            "catalog.plurals": ("counted",),
            "catalog.pull.backoff": ("retry_after",),
            "catalog.pull.public_addresses": (
                "Network",
                "PrivateAddressError",
                "guarded_sockets",
                "is_allowed_address",
                "parse_ip_literal",
                "parse_networks",
                "require_allowed_address",
            ),
            "catalog.releases.loading": ("Pictures", "load"),
            "catalog.releases.manifest": ("GROUP_KEYS", "given_up"),
            "catalog.releases.publish": ("label_columns", "publish"),
            "catalog.releases.release": ("Release", "find_release", "list_releases"),
            "catalog.sandbox": ("Decoded", "DecoderError", "DecoderLimits", "DecoderPool"),
            "catalog.stores.commit_errors": ("is_transient",),
            "catalog.tables.contract": ("TABLES", "Table"),
            "catalog.tables.questions": ("QUESTIONS", "Parameter", "Question"),
            "catalog.tables.rows": ("rows",),
            "catalog.takedown.crawl_queue": ("queue_opener",),
            "catalog.takedown.purge": ("purge",),
            "catalog.web.review.backlog": ("count_review_items", "list_review_items"),
            "catalog.workspace.logs": ("logs_json", "redacted", "start_logging"),
            "catalog.workspace.options": (
                "existing_workspace_option",
                "home_words",
                "workspace_option",
            ),
            "catalog.workspace.ray_cluster": ("join_ray",),
            "catalog.workspace.settings": ("load_settings",),
            "catalog.workspace.workspace": ("Workspace",),
        },
    )
