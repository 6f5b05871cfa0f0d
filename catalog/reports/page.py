"""Render reports: one HTML file without scripts, styles and pictures inside it, every text escaped."""

from base64 import b64encode
from collections.abc import Callable, Mapping

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from catalog.number_formats import TEMPLATE_FILTERS
from catalog.program_name import command_name
from catalog.workspace.logs import redacted


def render_report(
    package: str,
    template: str,
    values: Mapping[str, object],
    filters: Mapping[str, Callable[..., object]] | None = None,
) -> str:
    """Render a template of `templates/` in `package`; a missing value is an error.

    The template may include `report.css` and import the macros of `report_pieces.html`, both of `catalog/reports`.
    It may call `command_name`. Filters are the number formats, `words`, `redacted`, and those in `filters`.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("catalog.reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"command_name": command_name}
    environment.filters |= {**TEMPLATE_FILTERS, "redacted": redacted, **(filters or {})}
    return environment.get_template(template).render(values)


def data_uri(content: bytes, mime: str) -> str:
    """Encode bytes as a data URI.

    >>> data_uri(b"ok", "image/png")
    'data:image/png;base64,b2s='
    """
    return f"data:{mime};base64,{b64encode(content).decode('ascii')}"
