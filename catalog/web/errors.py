"""Answers that say what is wrong: `{"error": "sentence", "kind": "snake_case"}`."""

import logging

from aiohttp import web

from catalog.errors import (
    AssetNotFoundError,
    BusyError,
    ReleaseNotFoundError,
    SafelightError,
    SnapshotNotFoundError,
)
from catalog.web.handlers import Handler

log = logging.getLogger(__name__)

_STATUS: dict[type[SafelightError], tuple[int, str]] = {
    SnapshotNotFoundError: (404, "snapshot_not_found"),
    AssetNotFoundError: (404, "asset_not_found"),
    ReleaseNotFoundError: (404, "release_not_found"),
    BusyError: (503, "busy"),
}


def problem(status: int, kind: str, sentence: str) -> web.Response:
    """Answer with an error that people and programs can read."""
    return web.json_response({"error": sentence, "kind": kind}, status=status)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into answers; a bug is logged with its traceback and told without it."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or error.content_type == "application/json":
            raise
        return _plain(error)
    except SafelightError as error:
        status, kind = next(
            (_STATUS[t] for t in type(error).__mro__ if t in _STATUS), (400, "refused")
        )
        return problem(status, kind, str(error))
    except Exception:  # the last line of defence: told to nobody but the log
        log.exception("%s %s failed", request.method, request.path)
        return problem(500, "bug", "the server failed on this request; its log says why")


def _plain(error: web.HTTPException) -> web.Response:
    """Say what aiohttp found wrong in our form, with its headers (such as Allow)."""
    answer = problem(
        error.status, error.reason.lower().replace(" ", "_"), error.text or error.reason
    )
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer
