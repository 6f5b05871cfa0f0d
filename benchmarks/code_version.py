"""The version of the code that a table was measured on."""

import subprocess
from pathlib import Path


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
