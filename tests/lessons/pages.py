"""The pages of the course: their Python blocks, run in one namespace from the first to the last, exercises included."""

import re
from pathlib import Path
from typing import Any

import pytest

LESSONS = Path(__file__).resolve().parents[2] / "docs" / "lessons"
PAGES = sorted(LESSONS.glob("[0-9][0-9]-*.md"))


def page(number: int) -> Path:
    """Return the page of a lesson."""
    [path] = LESSONS.glob(f"{number:02}-*.md")
    return path


def blocks(path: Path) -> list[str]:
    """Cut the Python blocks out; each begins at its own line, so that a traceback names that of the page."""
    text = path.read_text("utf-8")
    return [
        "\n" * text.count("\n", 0, match.start(1)) + match[1]
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    ]


def run_lesson(
    number: int, folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str
) -> dict[str, Any]:
    """Run a page in `folder` as a reader would; return its names."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    path = page(number)
    names: dict[str, Any] = {"__name__": "lesson"}
    for block in blocks(path):
        exec(compile(block, str(path), "exec"), names)
    return names
