"""Plain HTML pieces: escaped text, tables, bars and figures, one style sheet, no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
:root { --ink: #24303c; --soft: #66727f; --line: #dde2e7; --accent: #2c7fb8; --paper: #fff; --wash: #f5f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #9aa6b2; --line: #36414c; --accent: #5ab0e6; --paper: #161b20; --wash: #1e252c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 70rem; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem;
  border-bottom: 1px solid var(--line); padding-bottom: .3rem; } h3 { font-size: .95rem; margin: 1.2rem 0 .4rem; }
small, figcaption, p { color: var(--soft); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .25rem 1rem .25rem 0; vertical-align: middle;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--soft); }
.bar { width: 14rem; height: .55rem; background: var(--wash); margin: .15rem 0; }
.bar i { display: block; height: 100%; } .ink { background: var(--soft); } .accent { background: var(--accent); }
.row { display: flex; flex-wrap: wrap; gap: .6rem; } figure { margin: 0; max-width: 13rem; }
figure img, .empty { display: block; height: 110px; max-width: 13rem; object-fit: cover;
  border: 3px solid transparent; }
.empty { width: 110px; background: var(--wash); } .marked img, .marked .empty { border-color: var(--accent); }
figcaption { font-size: .72rem; overflow-wrap: anywhere; }
.charts figure { max-width: 17rem; } svg { display: block; } .under { fill: var(--soft); } .over { fill: #d9822b; }
.limit { stroke: #d9822b; stroke-dasharray: 3 2; } .floor { stroke: var(--line); }
.note { background: var(--wash); border-left: 3px solid #d9822b; padding: .6rem 1rem; margin: 1rem 0; }
.note ul { margin: .3rem 0 0; }
"""


@dataclass(frozen=True)
class ReportPage:
    """A page with a title and sections of HTML."""

    title: str
    sections: Sequence[str]

    def html(self) -> str:
        """Give the whole document."""
        body = "".join(self.sections)
        return (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width, initial-scale=1'>"
            f"<title>{text(self.title)}</title><style>{_STYLE}</style></head>"
            f"<body><h1>{text(self.title)}</h1>{body}</body></html>"
        )


def text(value: object) -> str:
    """Escape anything for HTML."""
    return escape(str(value), quote=True)


def section(title: str, body: str) -> str:
    """Write a section of HTML with a title."""
    return f"<section><h2>{text(title)}</h2>{body}</section>"


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a table; `names` are plain text, the cells of `rows` are HTML."""
    head = "".join(f"<th>{text(name)}</th>" for name in names)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"


def count_table(name: str, counts: Mapping[str, int]) -> str:
    """Make a table of counts."""
    return table([name, "n"], [[text(key), text(n)] for key, n in counts.items()])


def bar(parts: Sequence[tuple[float, str]]) -> str:
    """Draw a horizontal bar of (share, class) parts; shares are cut to [0, 1]."""
    inner = "".join(
        f"<i class='{text(kind)}' style='width:{100 * min(max(share, 0.0), 1.0):.1f}%'></i>"
        for share, kind in parts
    )
    return f"<div class='bar'>{inner}</div>"


def figure(uri: str | None, caption: str, *, is_marked: bool = False) -> str:
    """Show a picture (or an empty frame) over its caption."""
    picture = (
        f"<img src='{text(uri)}' alt='{text(caption)}'>" if uri else "<span class='empty'></span>"
    )
    mark = " class='marked'" if is_marked else ""
    return f"<figure{mark}>{picture}<figcaption>{text(caption)}</figcaption></figure>"
