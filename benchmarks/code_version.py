"""What a table says about how it was made: the version of the code, and the command."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PLACES = {
    "--home": "HOME", "--data": "DATA", "--photos": "PHOTOS", "--work": "WORK", "--output": "FILE",
    "--manifest": "MANIFEST",
}  # fmt: skip
"""Options whose value is a path of one machine, and what a table writes for it."""


def commit() -> str:
    """Return the short hash of the current commit, with a plus when files differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        where = Path(__file__).parent
        process = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
        return process.stdout.strip()

    name = git("rev-parse", "--short", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no")
    return (name + "+" if changed else name) or "unknown"


def command_line(words: Sequence[str] | None = None) -> str:
    """Return the line of a table that names its command: this one, with words in capitals for paths.

    >>> command_line(["benchmarks/bench_faces.py", "--home", "/some/where", "--gap", "30", "--output=a.md"])
    'Command: `python -m benchmarks.bench_faces --home HOME --gap 30 --output=FILE`'
    """
    script, *given = sys.argv if words is None else words
    shown = []
    for n, word in enumerate(given):
        name, equals, _ = word.partition("=")
        if equals and name in PLACES:
            shown.append(f"{name}={PLACES[name]}")
        else:
            shown.append(PLACES.get(given[n - 1], word) if n else word)
    return f"Command: `{shlex.join(['python', '-m', f'benchmarks.{Path(script).stem}', *shown])}`"
