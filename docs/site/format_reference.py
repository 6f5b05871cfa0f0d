"""The page about file formats, made from the docstrings beside the code that writes the bytes."""

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]

FORMATS = (
    ("Workspace", "catalog.workspace.workspace", "storage.md"),
    ("Packs and shards", "catalog.packs.shards", "storage.md"),
    ("Segments in the spool", "catalog.packs.spool", "crawling.md"),
    ("Tables as plain Parquet", "catalog.stores.parquet.store", "storage.md"),
    ("Releases: `manifest.json` and `SHA256SUMS`", "catalog.releases.manifest", "releases.md"),
    ("Releases: `index.json` of a server or folder", "catalog.releases.index", "releases.md"),
    ("Releases: signatures", "catalog.releases.signing", "releases.md"),
    ("Releases: `safelight.lock`", "catalog.pull.lockfile", "releases.md"),
    ("Models", "training.runs.model_folder", "training.md"),
    ("Settings: `safelight.toml`", "catalog.workspace.settings", "reference/settings.md"),
)
INTRO = """# File formats

What lies on the disk, from the docstrings of the modules that write it. Pictures and tables are Parquet, settings
and locks are TOML, manifests are JSON, models are safetensors and ONNX: every format has readers elsewhere.

Columns of the tables: [tables](../tables.md). The index of a release, `_index.parquet`, has a row for each picture;
its columns are in the manifest under `schema`, and a picture is the bytes `offset` to `offset + length` of its
`shard`:

```python
import polars as pl

index = pl.read_parquet("_index.parquet")
shard, offset, length = index.select("shard", "offset", "length").row(0)
with open(shard, "rb") as file:
    file.seek(offset)
    picture = file.read(length)
```
"""


def page() -> str:
    """Write the page: one section a format."""
    return "\n".join([INTRO, *(line for each in FORMATS for line in _section(*each))]) + "\n"


def _section(title: str, module: str, more: str) -> Iterator[str]:
    yield f"## {title}\n"
    source = ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text("utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        is_listing = any(line.startswith("  ") for line in lines) or lines[0].startswith("[[")
        yield f"```text\n{dedent(paragraph)}\n```\n" if is_listing else f"{_sentences(paragraph)}\n"
    path = more.removeprefix("reference/") if more.startswith("reference/") else f"../{more}"
    yield f"Written by `{module}`. More: [{more.rsplit('/', maxsplit=1)[-1].removesuffix('.md')}]({path}).\n"


def _sentences(paragraph: str) -> str:
    return paragraph.replace("<", "&lt;").replace("*", "\\*")
