"""Tell a response of an API from one that is none: an error page, a truncated text, JSON of another shape.

Proxies, load balancers and login pages of a network answer in the API's place, often with status 200. Such a response
says nothing of the photo that was asked for, so it is as transient as a 503.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from scrapy.http import Response

from crawler.fetch.failures import TRANSIENT_STATUSES, Failure, status_failure

T = TypeVar("T")
BAD_RESPONSE = "api_bad_answer"
_SHOWN = 60  # characters of a response that a message shows


class WrongShapeError(ValueError):
    """A response is JSON, but not what the API answers with."""


def read_response(response: Response, read: Callable[[Any], T]) -> T | Failure:
    """Return what `read` makes of the JSON of a response, or why it is no answer.

    `read` may raise what wrong types make it raise.
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
        return bad_response(response, f"not JSON: {response.body[:_SHOWN]!r}")


def status_of(response: Response) -> Failure | None:
    """Return the failure that a status means; null for 200."""
    status, detail = response.status, f"API: {response.url}"
    if status == 200:
        return None
    if status < 400:  # a redirect to a login page, an empty success
        return bad_response(response, f"status {status}")
    if status >= 500 or status in TRANSIENT_STATUSES:
        return Failure("transient", f"http_{status}", detail, status)
    return status_failure(status, detail)


def bad_response(response: Response, why: str) -> Failure:
    """Return the failure of a response that is no answer of the API."""
    return Failure("transient", BAD_RESPONSE, f"API: {response.url}: {why}", response.status)


def unreachable(failure: Any) -> Failure:
    """Return the failure of a call without a whole response."""
    about = failure.getErrorMessage() or failure.type.__name__
    return Failure("transient", "api_unreachable", f"API: {failure.request.url}: {about}"[:300])


def require(holds_photo: object, why: str) -> None:
    """Raise `WrongShapeError` unless something holds."""
    if not holds_photo:
        raise WrongShapeError(why)
