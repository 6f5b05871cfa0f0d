"""Ids in addresses: one encoded segment, so that an id may be a path."""

from urllib.parse import unquote

from aiohttp import web


def photo_id_of(request: web.Request) -> str:
    """Decode the id in `/photos/ID...` or `/images/ID` from the address as it was sent.

    The router's own decoding cannot tell an encoded slash from a real one, hence the raw path.
    """
    return unquote(request.rel_url.raw_path.split("/")[2])
