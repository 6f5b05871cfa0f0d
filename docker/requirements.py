"""Print the requirements of Safelight's base and of some extras, one a line, from pyproject.toml.

    python requirements.py serve,predict [--without faiss-cpu]

A layer with the libraries alone stays as it is while the code changes. Needs Python 3.11+ and nothing else.
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def requirements(project: dict[str, Any], extras: Sequence[str]) -> list[str]:
    """List what the base and these extras need; an extra that names others is followed."""
    listed = [*project["dependencies"], *_of_extras(project, extras)]
    return sorted(set(listed), key=str.lower)


def _of_extras(project: dict[str, Any], extras: Sequence[str]) -> Iterator[str]:
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            if own := re.fullmatch(r"safelight\[([\w,-]+)\]", line):
                yield from _of_extras(project, own[1].split(","))
            else:
                yield line


def main(arguments: Sequence[str]) -> None:
    """Print the lines for the command line's extras."""
    path = Path(__file__).resolve().parent
    folder = next(each for each in (path, *path.parents) if (each / "pyproject.toml").exists())
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    left_out = (
        arguments[arguments.index("--without") + 1].split(",") if "--without" in arguments else []
    )
    for line in requirements(project, arguments[0].split(",")):
        if re.split(r"[<>=!~\[; ]", line)[0] not in left_out:
            print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
