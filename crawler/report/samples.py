"""Examples of pictures and failures: a few of each, the same ones for the same crawl."""

import logging
from base64 import b64encode
from io import BytesIO

from PIL import Image

from catalog import AssetReader, DecoderError, SafelightError, Workspace
from crawler.examination.decoding import draw_crawled
from crawler.frontier.items import Row
from crawler.pictures.container import MAX_PIXELS
from crawler.report.scope import ReportScope

PICTURES = 24
LETTERS = 30
SIDE_PX = 220
_log = logging.getLogger(__name__)


def pictures(scope: ReportScope, workspace: Workspace) -> list[Row]:
    """Draw fetched pictures with their columns; `uri` is null when a picture cannot be decoded."""
    rows = scope.query(
        "SELECT p.source, p.source_photo_id, p.title, p.attribution, p.page_url, p.redistribution_allowed,"
        " f.width, f.height, f.format, f.duration_s, f.pack, f.pack_offset, f.pack_length,"
        " s.camera, s.f_number, s.iso, s.exposure_time"
        " FROM pictures p JOIN files f ON f.sha256 = p.asset_sha256 LEFT JOIN settings s USING (asset_sha256)"
        " QUALIFY row_number() OVER (PARTITION BY p.asset_sha256 ORDER BY p.photo_id) = 1"
        " ORDER BY md5(? || p.asset_sha256) LIMIT ?",
        scope.name,
        PICTURES,
    )
    with AssetReader(workspace) as reader:
        return [{**row, "uri": _thumbnail(reader, row)} for row in rows]


def _thumbnail(reader: AssetReader, row: Row) -> str | None:
    if int(str(row["width"] or 0)) * int(str(row["height"] or 0)) > MAX_PIXELS:
        return None
    try:
        place = (str(row["pack"]), int(str(row["pack_offset"])), int(str(row["pack_length"])))
        return thumbnail_uri(reader.read(*place))
    except (
        DecoderError,
        SafelightError,
        OSError,
        ValueError,
    ) as error:  # the report shows an empty frame
        _log.info("no thumbnail of %s: %s", row["source_photo_id"], error)
        return None


def thumbnail_uri(body: bytes) -> str:
    """Make a data: URI of a JPEG of at most `SIDE_PX`, upright and without metadata; raises `DecoderError`.

    A process without rights decodes the bytes; only its pixels are used.
    """
    size, pixels = draw_crawled(body, SIDE_PX)
    out = BytesIO()
    Image.frombytes("RGB", size, pixels).save(out, "JPEG", quality=72)
    return f"data:image/jpeg;base64,{b64encode(out.getvalue()).decode('ascii')}"


def dead_letters(scope: ReportScope) -> list[Row]:
    """Return failed pictures by their last attempt; every kind of error is represented."""
    return scope.query(
        "SELECT url, host, error_class, error, error_detail, http_status, attempt, fetched_at FROM ("
        " SELECT * FROM attempts WHERE photo_id NOT IN (SELECT photo_id FROM fetched_photos)"
        " QUALIFY row_number() OVER (PARTITION BY crawl_id, photo_id ORDER BY attempt DESC) = 1)"
        " ORDER BY row_number() OVER (PARTITION BY error_class, error ORDER BY md5(? || fetch_id)), error, url"
        " LIMIT ?",
        scope.name,
        LETTERS,
    )
