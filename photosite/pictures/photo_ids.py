"""Photo ids in URLs: one encoded segment, so that an id may be a path."""

from urllib.parse import unquote

from aiohttp import web


def decode_photo_id(request: web.Request) -> str:
    """Decode the id in `/photos/ID...` or `/images/ID` from the raw path of the request.

    The router's decoding does not distinguish an encoded slash from a real one.
    """
    return unquote(request.rel_url.raw_path.split("/")[2])
