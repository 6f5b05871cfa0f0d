"""Validate responses of an API: error pages, truncated text and JSON of another shape are failures.

Proxies, load balancers and login pages of a network respond in the API's place, often with status 200. Such a response
is not about the requested photo, so it is a transient failure like a 503.
"""

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from scrapy.http import Response

from crawler.fetch.failures import TRANSIENT_STATUSES, Failure, status_failure
from crawler.listing.call_failure import CallFailure

T = TypeVar("T")
BAD_RESPONSE, UNREACHABLE = "api_bad_answer", "api_unreachable"
_EXCERPT = 60  # characters of a response in a message
_CAUSE = 300  # characters of an exception in a message
_CALL = "API call: "
# The class in Scrapy since it has its own, and in Twisted, which raises through an older Scrapy.
_UNRESOLVED = ("CannotResolveHostError", "DNSLookupError")


class WrongShapeError(ValueError):
    """A response is JSON, but does not have the shape of the API's responses."""


def read_response(response: Response, read: Callable[[Any], T]) -> T | Failure:
    """Return the result of `read` for the JSON of a response, or a failure.

    `read` may raise the errors that wrong types and missing keys cause.
    """
    if failure := status_of(response):
        return failure
    try:
        return read(json.loads(response.body))
    except WrongShapeError as error:
        return bad_response(response, str(error))
    except (AttributeError, LookupError, TypeError) as error:
        return bad_response(response, f"JSON of another shape ({type(error).__name__})")
    except (ValueError, RecursionError):  # not JSON, another encoding, nested without end
        return bad_response(response, f"not JSON: {response.body[:_EXCERPT]!r}")


def status_of(response: Response) -> Failure | None:
    """Return the failure of a status; null for 200."""
    status, detail = response.status, _detail("", response.url)
    if status == 200:
        return None
    if status < 400:  # a redirect to a login page, an empty success
        return bad_response(response, f"status {status}")
    if status >= 500 or status in TRANSIENT_STATUSES:
        return Failure("transient", f"http_{status}", detail, status)
    return status_failure(status, detail)


def bad_response(response: Response, why: str) -> Failure:
    """Return the failure of a response that does not come from the API."""
    return Failure("transient", BAD_RESPONSE, _detail(why, response.url), response.status)


def unreachable(failure: Any) -> Failure:
    """Return the failure of a call without a complete response."""
    about = failure.getErrorMessage().rstrip(".") or failure.type.__name__
    return Failure("transient", UNREACHABLE, _detail(about[:_CAUSE], failure.request.url))


def is_unresolved(failure: Any) -> bool:
    """Say whether a call failed because the name of its host has no address."""
    return failure.type.__name__ in _UNRESOLVED


def call_failure(failure: Failure, wait_s: float) -> CallFailure:
    """Describe a failed call that is made again after `wait_s`."""
    is_silent = failure.error == UNREACHABLE
    problem = "the API does not answer" if is_silent else f"the API fails ({failure.error})"
    cause = failure.detail.partition(_CALL)[0].removesuffix("; ")
    return CallFailure(problem, cause, time.time() + wait_s)


def _detail(cause: str, url: str) -> str:
    return "; ".join(filter(None, (cause, f"{_CALL}{url}")))


def require(condition: object, why: str) -> None:
    """Raise `WrongShapeError` unless a condition is true."""
    if not condition:
        raise WrongShapeError(why)
