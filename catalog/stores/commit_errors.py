"""Which errors of a commit pass by themselves, and which do not."""

import re

import duckdb
import pyarrow as pa

from catalog.errors import (
    BusyError,
    CatalogError,
    CommitError,
    LayoutError,
    MissingPartError,
    NetworkDiskError,
    NewerWorkspaceError,
    SafelightError,
    SegmentError,
    UsageError,
)
from catalog.workspace.error_lines import first_paragraph

EXPECTED = (SafelightError, OSError, duckdb.Error, pa.ArrowException, ValueError, KeyError)
"""What a commit may raise for reasons outside of the program. `ValueError` and `KeyError`: of a damaged segment."""

# Rows, files or settings are wrong, and stay so. Everything else is about locks, connections, disks and buckets.
_LASTING = (
    *(SegmentError, LayoutError, NewerWorkspaceError, NetworkDiskError, MissingPartError),
    *(UsageError, ValueError, KeyError, pa.ArrowException),
    *(duckdb.BinderException, duckdb.CatalogException, duckdb.ConstraintException),
    *(duckdb.ConversionException, duckdb.DataError, duckdb.InvalidTypeException),
    *(duckdb.NotImplementedException, duckdb.ParserException, duckdb.SyntaxException),
    *(duckdb.TypeMismatchException, duckdb.OutOfRangeException, duckdb.PermissionException),
)


# DuckDB hands on what PostgreSQL says in errors of many kinds, "Binder Error" among them.
_LOST = re.compile(
    r"server closed|terminating connection|connect|Failed to (prepare|execute|query)"
)


def is_transient(error: BaseException) -> bool:
    """Say whether the same commit may succeed later.

    >>> is_transient(BusyError("the catalog", 120)), is_transient(SegmentError("damaged"))
    (True, False)
    """
    if isinstance(error, CommitError):
        return error.is_transient
    if isinstance(error, duckdb.Error) and _LOST.search(str(error)):
        return True
    # Arrow's own I/O errors are of Python's kind: an Arrow error that is left is about the bytes.
    return isinstance(error, (OSError, BusyError)) or not isinstance(error, _LASTING)


def commit_error(error: Exception, waiting: int) -> CommitError:
    """Say in one line why a commit failed."""
    if isinstance(error, CommitError):
        return error
    message = str(error) if isinstance(error, CatalogError) else first_paragraph(error)
    if isinstance(error, KeyError):
        message = f"a damaged segment lacks {error}"
    return CommitError(message or type(error).__name__, waiting, is_transient=is_transient(error))
