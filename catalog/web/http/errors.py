"""Answers that say what is wrong: `{"error": "sentence", "kind": "snake_case"}`."""

import logging

from aiohttp import web

from catalog.errors import (
    AssetNotFoundError,
    BusyError,
    DecisionError,
    QueryError,
    QuestionNotFoundError,
    ReleaseNotFoundError,
    ReviewError,
    SafelightError,
    SandboxError,
    ShippedQuestionError,
    SnapshotNotFoundError,
    TooManyWaitError,
)
from catalog.web.http.handlers import Handler
from catalog.web.statements.query_registry import GoneError, NotDoneError, kind_of

log = logging.getLogger(__name__)

_STATUS: dict[type[SafelightError], int] = {
    SnapshotNotFoundError: 404,
    AssetNotFoundError: 404,
    ReleaseNotFoundError: 404,
    QuestionNotFoundError: 404,
    ReviewError: 404,
    GoneError: 404,
    NotDoneError: 409,
    ShippedQuestionError: 409,
    QueryError: 422,
    DecisionError: 422,
    TooManyWaitError: 429,
    BusyError: 503,
    SandboxError: 503,
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
        status = next((_STATUS[t] for t in type(error).__mro__ if t in _STATUS), 400)
        answer = problem(status, kind_of(error), str(error))
        if status in (429, 503):
            answer.headers["Retry-After"] = "5"
        return answer
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
