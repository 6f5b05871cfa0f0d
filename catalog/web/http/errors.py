"""Error responses: `{"error": "sentence", "kind": "snake_case"}`."""

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from catalog.errors import (
    AssetNotFoundError,
    BusyError,
    DecisionError,
    LabelError,
    MissingPartError,
    ModelsNotComparableError,
    NoSuchModelError,
    NoVectorError,
    PictureRefusedError,
    QueryError,
    QuestionNotFoundError,
    ReleaseNotFoundError,
    ReviewError,
    SafelightError,
    SandboxError,
    ShippedQuestionError,
    SnapshotNotFoundError,
    TooManyPredictionsError,
    TooManySearchesError,
    TooManyWaitError,
)
from catalog.web.statements.query_registry import GoneError, NotDoneError, kind_of

log = logging.getLogger(__name__)

_STATUS: dict[type[SafelightError], int] = {
    SnapshotNotFoundError: 404,
    AssetNotFoundError: 404,
    ReleaseNotFoundError: 404,
    QuestionNotFoundError: 404,
    ReviewError: 404,
    NoSuchModelError: 404,
    GoneError: 404,
    NotDoneError: 409,
    ModelsNotComparableError: 409,
    NoVectorError: 409,
    ShippedQuestionError: 409,
    QueryError: 422,
    DecisionError: 422,
    LabelError: 422,
    TooManyWaitError: 429,
    BusyError: 503,
    TooManyPredictionsError: 503,
    TooManySearchesError: 503,
    MissingPartError: 501,
    SandboxError: 503,
}


def problem(status: int, kind: str, sentence: str) -> web.Response:
    """Make an error response that people and programs can read."""
    return web.json_response({"error": sentence, "kind": kind}, status=status)


def status_of(error: SafelightError) -> int:
    """Return the status of the response about an error."""
    if isinstance(error, PictureRefusedError):
        return error.http_status
    return next((_STATUS[t] for t in type(error).__mro__ if t in _STATUS), 400)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into responses; the traceback of a bug goes to the log and not into the response."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or error.content_type == "application/json":
            raise
        return _http_problem(error)
    except SafelightError as error:
        status = status_of(error)
        response = problem(status, kind_of(error), str(error))
        if status in (429, 503):
            response.headers["Retry-After"] = "5"
        return response
    except Exception:  # any bug: the log gets the traceback, the caller does not
        log.exception("%s %s failed", request.method, request.path)
        return problem(500, "bug", "the server failed on this request; its log says why")


def _http_problem(error: web.HTTPException) -> web.Response:
    """Rewrite an error response of aiohttp in our form; the header Allow is kept."""
    response = problem(
        error.status, error.reason.lower().replace(" ", "_"), error.text or error.reason
    )
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
