"""Make self-contained HTML pages: styles inside, pictures as data URIs, all text escaped."""

from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image


def data_uri(content: bytes, mime: str) -> str:
    """Encode bytes as a data URI."""
    return f"data:{mime};base64,{b64encode(content).decode('ascii')}"


def picture_uri(picture: Image.Image, quality: int = 84) -> str:
    """Encode a picture as a data URI, as JPEG without metadata."""
    out = BytesIO()
    picture.save(out, "JPEG", quality=quality, optimize=True)
    return data_uri(out.getvalue(), "image/jpeg")


def figure_uri(figure: Figure) -> str:
    """Encode a figure as a data URI, as SVG; the same figure gives the same text."""
    out = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "safelight"}):
        # Figure.savefig would draw everything twice.
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]  # matplotlib types only a part
            out, metadata={"Date": None}
        )
    return data_uri(out.getvalue(), "image/svg+xml")


def render(template: str, context: Mapping[str, object]) -> str:
    """Render a template of `training/report/templates`; a missing value is an error."""
    environment = Environment(
        loader=PackageLoader("training.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(context)
