"""Render pages from `training/report/templates`, and encode pictures for them."""

from collections.abc import Mapping
from io import BytesIO

from PIL import Image

from catalog import data_uri, render_report


def picture_uri(picture: Image.Image, quality: int = 84) -> str:
    """Encode a picture as a data URI, as JPEG without metadata."""
    out = BytesIO()
    picture.save(out, "JPEG", quality=quality, optimize=True)
    return data_uri(out.getvalue(), "image/jpeg")


def render(template: str, context: Mapping[str, object]) -> str:
    """Render a template of `training/report/templates`; a missing value is an error."""
    return render_report("training.report", template, context)
