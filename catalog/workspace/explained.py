"""Say in one line what a person can do about an error of the machine: a full disk, a folder that cannot be written.

Such errors come from many libraries, each with a type of its own, and from any line of code that writes; so they are
recognised in one place, where the command ends.
"""

import errno
import sqlite3
from collections.abc import Iterator

from catalog.program_name import command_name

_FULL = "the disk is full: make room"
_QUOTA = "the disk quota is used up: make room or ask for more"
_READ_ONLY = (
    "the file system is read-only: mount it for writing, or name another folder with --home"
)
_RIGHTS = (
    "it may not be read or written by this user: change its rights (or its owner), or name another"
    " folder with --home"
)
_DATABASE = (
    "the database cannot be written, which SQLite needs for reading, too: the folder may be read-only or belong to "
    "somebody else. Mount it for writing, change its rights, or name another folder with --home"
)
_BY_NUMBER = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _QUOTA,
    errno.EFBIG: "a file became larger than allowed: raise the limit (ulimit -f), or use another file system",
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine: end other programs",
    errno.EIO: "the disk has an input/output error: look at the system's log, and at the disk",
    errno.ESTALE: "the network disk has lost the file: mount it again",
    errno.ENODEV: "the disk is gone: mount it again",
}
# What libraries say that hide the number (DuckDB, SQLite, torch, Arrow), in small letters.
_BY_WORDS = {
    "no space left on device": _FULL,
    "database or disk is full": _FULL,
    "disk quota exceeded": _QUOTA,
    "file too large": _BY_NUMBER[errno.EFBIG],
    "read-only file system": _READ_ONLY,
    "attempt to write a readonly database": _DATABASE,
    "unable to open database file": _DATABASE,
    "permission denied": _RIGHTS,
    "too many open files": _BY_NUMBER[errno.EMFILE],
    # SQLite says so of a full disk, too.
    "disk i/o error": "the disk is full, or broken: make room, or look at the system's log",
    "input/output error": _BY_NUMBER[errno.EIO],
}
# What readers of Parquet say of damaged files, in small letters.
_ENDS_EARLY = "a file ends before its data does"
_NOT_PARQUET = "a file holds bytes that are not valid Parquet"
_OF_DAMAGE = {
    "out of buffer": _ENDS_EARLY,
    "couldn't deserialize thrift": _NOT_PARQUET,
    "don't know what type": _NOT_PARQUET,
    "tprotocolexception": _NOT_PARQUET,
    "decompression fail": "a file holds data that cannot be decompressed",
    "likely corrupted": _NOT_PARQUET,
    "no magic bytes": _NOT_PARQUET,
    "parquet magic bytes not found": _NOT_PARQUET,
}
_RETRY = "What was finished before is kept; then run the command again"


def explained(error: BaseException) -> str | None:
    """Give one line about an error of the machine; None for all others, also for files that are not there."""
    for each in _inside(error):
        if line := _explained(each):
            return line
    return None


def advice_on(message: str) -> str:
    """Give advice on what a library said, as a sentence that follows it; empty when there is none."""
    matching = (advice for words, advice in _BY_WORDS.items() if words in message.lower())
    return next((f". {advice[0].upper()}{advice[1:]}" for advice in matching), "")


def in_plain_words(said: str) -> str:
    """Say in words that people know what a reader of Parquet said of damaged bytes; all else stays as it is.

    >>> in_plain_words("Out of buffer")
    'a file ends before its data does, so it is damaged (Out of buffer)'
    >>> in_plain_words("no column of this name")
    'no column of this name'
    """
    found = (plain for words, plain in _OF_DAMAGE.items() if words in said.lower())
    plain = next(found, None)
    return said if plain is None else f"{plain}, so it is damaged ({said})"


def is_broken_pipe(error: BaseException) -> bool:
    """Say whether the reader of the output has gone, as `head` does."""
    return any(isinstance(each, BrokenPipeError) for each in _inside(error))


def _inside(error: BaseException) -> Iterator[BaseException]:
    """List an error, those of a group, and what they were raised from."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _inside(each)
    if error.__cause__ is not None:
        yield from _inside(error.__cause__)


def _explained(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _BY_NUMBER:
        where = error.filename or error.filename2
        return _line(str(where) if where else "", _BY_NUMBER[error.errno], "")
    if isinstance(error, sqlite3.DatabaseError) and "malformed" in str(error):
        return (
            f"a database is damaged ({_said(error)}). Check with: {command_name()} catalog verify"
        )
    if isinstance(error, sqlite3.Error | RuntimeError | OSError) or _is_duckdb(error):
        message = str(error).lower()
        advice = next((advice for words, advice in _BY_WORDS.items() if words in message), None)
        if advice:
            return _line("", advice, _said(error))
    if _is_duckdb(error) and type(error).__name__ in {"IOException", "InternalException", "Error"}:
        return f"the tables cannot be read ({_said(error)}). Check with: {command_name()} catalog verify"
    return None


def _line(where: str, advice: str, detail: str) -> str:
    start = f"{where}: " if where else ""
    return f"{start}{advice}. {_RETRY}" + (f" ({detail})" if detail else "")


def _is_duckdb(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in {"duckdb", "_duckdb"}


def _said(error: BaseException) -> str:
    return in_plain_words(" ".join(str(error).split())[:300])
