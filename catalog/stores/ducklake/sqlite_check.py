"""Ask SQLite whether one of its files is whole.

In a process of its own: DuckDB brings its own SQLite, and two of them on one file in one process drop each other's
locks (https://www.sqlite.org/howtocorrupt.html, 2.2.1).
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from catalog.workspace.error_lines import last_line
from catalog.workspace.explained import advice_on

_ASK = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], uri=True, timeout=20)
for (line,) in database.execute(sys.argv[2]):
    print(" ".join(str(line).split()))
"""


def sqlite_problems(file: Path) -> Iterator[str]:
    """Say what `PRAGMA integrity_check` says of a SQLite file, one line each; nothing of a whole one.

    It checks structure and indexes; values that changed inside of rows it cannot see.
    """
    if not file.exists():
        return
    lines, error = ask_sqlite(file, "PRAGMA integrity_check(10)")
    yield from (f"{file.name} is damaged: {line}" for line in lines if line != "ok")
    if advice := advice_on(error):  # it cannot be read, whatever is in it
        yield f"{file.name} cannot be checked: {error}{advice}"
    elif error:
        yield f"{file.name} is damaged: {error}"


def ask_sqlite(file: Path, sql: str) -> tuple[list[str], str]:
    """Run a statement that gives one column; return its rows as text, and what went wrong (nothing: all is well)."""
    how = "mode=ro" if os.access(file.parent, os.W_OK) else "mode=ro&immutable=1"  # nobody writes
    command = [sys.executable, "-I", "-S", "-c", _ASK, f"{file.as_uri()}?{how}", sql]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")  # noqa: S603 - our own program
    error = last_line(done.stderr) if done.returncode else ""
    return done.stdout.splitlines(), error
