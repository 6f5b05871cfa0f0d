"""Why a picture was not fetched: an error class that decides about retries, an error, a detail."""

from dataclasses import dataclass
from typing import Literal

ErrorClass = Literal["transient", "final", "suspicious"]

TOMBSTONED = "tombstoned"
OPT_OUTS = ("robots_disallowed", "opted_out", TOMBSTONED)
"""Errors of pictures that a site or a person has excluded from crawling: they are not faults."""

# Statuses that a later attempt may not get; every other status of 400 and above is final.
TRANSIENT_STATUSES = frozenset(
    {408, 421, 423, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
)


@dataclass(frozen=True)
class Failure:
    """One failed attempt: `error` is a snake_case name, `detail` the message."""

    error_class: ErrorClass
    error: str
    detail: str = ""
    http_status: int | None = None
    retry_after_s: float = 0.0


def status_failure(status: int, detail: str = "", retry_after_s: float = 0.0) -> Failure:
    """Turn an HTTP status that is not a success into a failure.

    >>> status_failure(404).error_class, status_failure(503).error
    ('final', 'http_503')
    """
    kind: ErrorClass = "transient" if status in TRANSIENT_STATUSES else "final"
    return Failure(kind, f"http_{status}", detail, status, retry_after_s)
