"""Write docs/tables.md from the contracts of the tables: python -m docs.tables."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog import Described, Workspace, describe, open_catalog
from catalog.tables.questions import QUESTIONS

PAGE = Path(__file__).with_name("tables.md")
INTRO = """# Tables, views and questions

Facts are append-only tables; the current state is a view. `asset_sha256` names bytes everywhere, `source` and
`source_photo_id` name a photo at its source. Times are UTC without a zone. Made by `python -m docs.tables`; the
same text stands in the database as comments (`safelight catalog describe`, `information_schema.columns`).
"""


def page(described: Sequence[Described]) -> str:
    """Write the page: contents, tables, views with their SQL, saved questions."""
    return "\n".join([INTRO, *_contents(described), *_sections(described), *_questions()]) + "\n"


def _contents(described: Sequence[Described]) -> Iterator[str]:
    for each in described:
        yield f"- [`{each.name}`](#{each.name}): {each.meaning}"
    yield ""


def _sections(described: Sequence[Described]) -> Iterator[str]:
    for each in described:
        yield f"## {each.name}\n"
        yield f"{each.kind.capitalize()}: {each.meaning}." + (
            f" Unique by {', '.join(f'`{name}`' for name in each.key)}." if each.key else ""
        )
        yield "\n| column | type | unit | meaning |\n| --- | --- | --- | --- |"
        for c in each.columns:
            yield f"| `{c.name}` | {c.kind} | {c.unit} | {c.meaning.replace('|', '/')} |"
        yield ""


def _questions() -> Iterator[str]:
    yield "# Saved questions\n"
    yield "`safelight catalog sql --saved NAME [--parameter name=value]`; the console lists them too.\n"
    for question in QUESTIONS.values():
        yield f"## {question.name}\n\n{question.title} {question.answer}\n"
        yield from (f"- `${each.name}`: {each.about}" for each in question.parameters)
        yield f"\n```sql\n{question.sql}\n```\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as home, open_catalog(Workspace.at(home)) as catalog:
        PAGE.write_text(page(describe(catalog)), "utf-8")


if __name__ == "__main__":
    main()
