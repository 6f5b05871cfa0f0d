"""The page about settings, made from the dataclasses that read them."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from catalog.lake.choose_store import CatalogSettings
from catalog.packs.buckets import StorageSettings
from catalog.pull.pull import DatasetSettings
from catalog.web.http.settings import ServeSettings
from crawler.settings import CrawlSettings
from curation.settings import CurateSettings
from training.settings import TrainSettings

SECTIONS: dict[str, tuple[type[Any], str]] = {
    "catalog": (CatalogSettings, "store.md"),
    "storage": (StorageSettings, "storage.md"),
    "crawl": (CrawlSettings, "crawling.md"),
    "curate": (CurateSettings, "curation.md"),
    "dataset": (DatasetSettings, "releases.md"),
    "train": (TrainSettings, "training.md"),
    "serve": (ServeSettings, "queries.md"),
}
INTRO = """# Settings

A workspace may hold a file `safelight.toml`; `safelight init` writes one. A section is a table of TOML, and each
setting is also a variable of the environment, which counts more: `[crawl] rate = 2.0` is
`SAFELIGHT_CRAWL_RATE=2.0`. A name that does not exist is an error with the nearest name that does. Options of a
command count more than both.

| variable | meaning |
| --- | --- |
| `SAFELIGHT_HOME` | the workspace, by default `./workspace` |
| `SAFELIGHT_CONTACT` | mail address or page in the User-Agent; no crawl over HTTP starts without it |
| `SAFELIGHT_UNSPLASH_KEY` | key of the Unsplash API; never stored or logged |
| `SAFELIGHT_SERVE_TOKEN` | token of `safelight serve`; never a setting of the file |
| `SAFELIGHT_PULL_TOKEN` | token that a pull sends to another server |
| `SAFELIGHT_LOG_FORMAT` | `json`: standard error is one JSON object a line |
| `SAFELIGHT_RUN_ID` | the id that stands in all log lines of a command |
| `SAFELIGHT_SQL_THREADS` | threads of DuckDB, by default one for each core, at most eight |
| `SAFELIGHT_CACHE` | folder of what releases stream, by default `cache/` of the workspace |
| `SAFELIGHT_LOCK_TIMEOUT_S` | how long a commit waits for another one, by default 120 s |
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | keys of a bucket; never settings of the file |
"""


def page() -> str:
    """Write the page: one table a section."""
    return "\n".join([INTRO, *(line for name in SECTIONS for line in _section(name))]) + "\n"


def _section(name: str) -> Iterator[str]:
    kind, more = SECTIONS[name]
    yield f"## [{name}]\n"
    yield f"{' '.join((kind.__doc__ or '').split())} More: [{more.removesuffix('.md')}](../{more}).\n"
    yield "| name | type | default | meaning |\n| --- | --- | --- | --- |"
    meanings = _meanings(kind)
    for field in dataclasses.fields(kind):
        about = meanings.get(field.name, "").replace("|", "\\|")
        plain = str(field.type if isinstance(field.type, str) else field.type.__name__)
        yield f"| `{field.name}` | {plain.replace('|', '/')} | `{field.default!r}` | {about} |"
    yield ""


def _meanings(kind: type[Any]) -> dict[str, str]:
    """Read the text below each field, or else the comment beside it."""
    source = textwrap.dedent(inspect.getsource(kind))
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    lines, meanings = source.splitlines(), {}
    for here, below in zip(body.body, [*body.body[1:], None], strict=True):
        if not (isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name)):
            continue
        comments = re.findall(r"#\s*(.+)", "\n".join(lines[here.lineno - 1 : here.end_lineno]))
        text = " ".join(comments)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            text = str(below.value.value)
        meanings[here.target.id] = " ".join(text.split())
    return meanings
