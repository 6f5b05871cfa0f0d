"""What mkdocs calls while it builds the site: pages made from the code, and pages from outside `docs/`.

Nothing of these pages is kept in the repository, so none can differ from the code that it describes.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # mkdocs loads this file by its path
    sys.path.insert(0, str(ROOT))

from docs.site import (  # noqa: E402 - after the path is set
    cli_reference,
    error_reference,
    format_reference,
    http_reference,
    python_reference,
    settings_reference,
)

RESULTS = ROOT / "benchmarks" / "results"


def _from_root(name: str) -> str:
    """Read a page of the repository's top folder; its links into `docs/` lose that folder."""
    return (ROOT / name).read_text("utf-8").replace("](docs/", "](")


def _results() -> str:
    lines = [
        "# Measurements\n",
        "Every figure of this site and of the README comes from one of these tables. Each names its command,",
        "its commit, the versions and its caveats.\n",
    ]
    for path in sorted(RESULTS.glob("*.md")):
        title = path.read_text("utf-8").splitlines()[0].lstrip("# ")
        lines.append(f"- [{title}](results/{path.name})")
    return "\n".join(lines) + "\n"


GENERATED: dict[str, Callable[[], str]] = {
    "reference/errors.md": error_reference.page,
    "reference/file-formats.md": format_reference.page,
    "reference/http.md": http_reference.page,
    "reference/python.md": python_reference.page,
    "reference/settings.md": settings_reference.page,
    "contributing.md": lambda: _from_root("CONTRIBUTING.md"),
    "changes.md": lambda: _from_root("CHANGELOG.md"),
    "benchmarks/index.md": _results,
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and the tables of measurements."""
    pages = GENERATED | {
        f"reference/cli/{name}.md": lambda name=name: cli_reference.page(name)
        for name in cli_reference.GROUPS
    }
    for uri, make in pages.items():
        files.append(File.generated(config, uri, content=make()))
    for path in sorted(RESULTS.iterdir()):
        uri = f"benchmarks/results/{path.name}"
        if path.suffix == ".md":
            files.append(File.generated(config, uri, content=path.read_text("utf-8")))
        elif path.suffix == ".png":
            files.append(File.generated(config, uri, content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to the tables of measurements lead to their pages of the site, which lie one folder lower."""
    return re.sub(r"\]\(\.\./((?:\.\./)*benchmarks/results/)", r"](\1", markdown)
