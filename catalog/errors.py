"""The errors of Safelight, drawn as a tree.

SafelightError                  what a person can act on: the command prints one line and exits 1
UsageError                    a setting or an argument is wrong
MissingPartError              an optional part is not installed; names the pip command
CatalogError
BusyError                   another process holds the writer lock for too long
SegmentError                rows do not fit the contract of their table
QueryError                  the SQL is not one reading statement, or DuckDB refused it
SnapshotNotFoundError
AssetNotFoundError
LayoutError                 a Parquet file is not byte-addressable as it should be
ReleaseNotFoundError
ReleaseError                a release cannot be published as asked
NoSuchCrawlError            no crawl with this id has ended a session
"""

from collections.abc import Sequence


class SafelightError(Exception):
    """Something a person can act on; the message says what, what exists and what to do next."""


class UsageError(SafelightError):
    """A setting or an argument is wrong."""


class MissingPartError(SafelightError):
    """An optional part of Safelight is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"this command needs {module}, which is not installed. "
            f"Add it with: pip install 'safelight[{extra}]'"
        )
        self.extra = extra


class CatalogError(SafelightError):
    """The catalog cannot do what was asked."""


class BusyError(CatalogError):
    """Another process holds a lock for too long."""

    def __init__(self, what: str, waited_s: float) -> None:
        super().__init__(
            f"{what} is in use by another process (waited {waited_s:.0f} s). "
            "Wait for it to end, or stop it, and try again."
        )


class SegmentError(CatalogError):
    """Rows do not fit the contract of their table."""


class QueryError(CatalogError):
    """The SQL is not one reading statement, or DuckDB refused it."""


class SnapshotNotFoundError(CatalogError):
    """No snapshot has this id."""

    def __init__(self, wanted: int, known: Sequence[int]) -> None:
        newest = ", ".join(map(str, known[:3])) or "none yet"
        super().__init__(
            f"snapshot {wanted} does not exist; newest: {newest}. "
            "List them with: safelight catalog snapshots"
        )
        self.wanted = wanted


class AssetNotFoundError(CatalogError):
    """No picture has this SHA-256, or its pack is gone."""


class LayoutError(CatalogError):
    """A Parquet file is not byte-addressable as it should be."""


class ReleaseNotFoundError(CatalogError):
    """No release has this name or version."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        listed = ", ".join(known[:5]) or "none yet"
        super().__init__(
            f"release {wanted!r} does not exist; known: {listed}. "
            "List them with: safelight dataset list"
        )
        self.wanted = wanted


class ReleaseError(CatalogError):
    """A release cannot be published as asked."""


class NoSuchCrawlError(CatalogError):
    """No crawl with this id has ended a session."""

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"no crawl {wanted[:64]!r} has ended a session here. List them with: safelight crawl status"
        )
        self.wanted = wanted
