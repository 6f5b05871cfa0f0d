"""The jobs of a decoder child process for a crawl: examine a file, and draw its thumbnail.

Imports only modules for decoding: see `catalog/sandbox/decoding/decoder_start.py`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from PIL import AvifImagePlugin, Image, ImageOps

from crawler.examination.examine import examine
from crawler.exif.row import Cell
from crawler.pictures.container import sniff

JobResult = tuple[dict[str, Any], Sequence[bytes]]


def warm_up() -> None:
    """Load modules that Pillow and Python would load with the first file of a kind."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # no thread can be started
    Image.init()
    datetime.strptime("2020", "%Y")  # noqa: DTZ007 - called for its imports
    for name in (
        "latin-1",
        "utf-8",
        "ascii",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "cp932",
        "utf-32",
    ):
        b"".decode(name)


def examine_file(parts: Sequence[bytes], options: Mapping[str, Any]) -> JobResult:
    """Return the rows of a file as `examine` does, times as ISO text."""
    result = examine(
        parts[0],
        max_pixels=options["max_pixels"],
        media=options["media"],
        sha256=options["sha256"],
    )
    rows = {"asset": _plain(result.asset), "exif": _plain(result.exif)}
    return {"rejected": result.rejected, **rows}, ()


def _plain(row: Mapping[str, Cell]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}


def draw_thumbnail(parts: Sequence[bytes], options: Mapping[str, Any]) -> JobResult:
    """Return upright RGB pixels of at most `side_px` a side."""
    side_px = options["side_px"]
    kind = sniff(parts[0])
    if kind is None or kind.reader is None:
        raise ValueError("no picture of a kind that is read")
    with Image.open(BytesIO(parts[0]), formats=[kind.reader]) as picture:
        picture.draft("RGB", (2 * side_px, 2 * side_px))
        picture.thumbnail((side_px, side_px))
        small = ImageOps.exif_transpose(picture).convert("RGB")
    return {"width": small.width, "height": small.height}, (small.tobytes(),)


JOBS = {"examine": examine_file, "thumbnail": draw_thumbnail}
