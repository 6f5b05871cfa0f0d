"""Logs: text for people or one JSON object a line for machines, each with the id of the run, never with a secret.

The run id and the format travel to child processes through the environment, so that all processes of one command
can be found by one id.
"""

import json
import logging
import os
import re
import secrets
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Literal

RUN_ID, LOG_FORMAT = "SAFELIGHT_RUN_ID", "SAFELIGHT_LOG_FORMAT"
Format = Literal["text", "json"]

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_SHORTEST_SECRET = 6  # a shorter one, such as "demo", would blank out common words
_SECRET_VARIABLE = re.compile(r"SAFELIGHT_\w*(KEY|TOKEN|SECRET|PASSWORD)")
# What a secret looks like in an address, a header or its repr -> what stays of it.
_SECRETS = (
    (
        re.compile(
            r"\b(client_id|client_secret|access_token|api_?key|key|token|sig|signature|password|secret)"
            r"=[^&\s\"'<>\\]+",
            re.IGNORECASE,
        ),
        r"\1=***",
    ),
    (re.compile(r"\b(Client-ID|Bearer|Basic)\s+[^\s\"',\]\\]{4,}"), r"\1 ***"),
    (
        re.compile(
            r"(\bauthorization['\"]?\s*[:=]\s*['\"]?)(?!\w[\w-]* \*)[^\s\"',\]\\\[]+", re.IGNORECASE
        ),
        r"\1***",
    ),
    (re.compile(r"(\b[a-z][a-z+]*://)[^/\s@\"']+@"), r"\1"),
)


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Take secrets out of a text: keys in addresses, Authorization headers, passwords, and our own keys.

    >>> redacted("GET https://me:pw@a.org/?client_id=K3Y&page=2 Authorization: Client-ID K3Y-K3Y", {})
    'GET https://a.org/?client_id=***&page=2 Authorization: Client-ID ***'
    """
    for name, value in environment.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_VARIABLE.fullmatch(name):
            text = text.replace(value, "***")
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class TextLines(logging.Formatter):
    """Lines for people, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record, with the traceback below it."""
        return redacted(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, run_id, the `extra` fields, exception."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self._run = run

    def format(self, record: logging.LogRecord) -> str:
        """Write one record; an `extra` field that is no number, flag or null becomes text."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
            "run_id": self._run,
        }
        # Libraries leave private marks on records (Ray does); fields of ours have no underscore in front.
        extra = {
            name: value
            for name, value in vars(record).items()
            if name not in _USUAL and not name.startswith("_")
        }
        line |= {name: _plain(value) for name, value in extra.items() if name not in line}
        if record.exc_info:
            line["exception"] = redacted(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _plain(value: object) -> object:
    is_finite = not isinstance(value, float) or abs(value) < float("inf")
    if isinstance(value, bool | int | float | None) and is_finite:
        return value
    return redacted(str(value))


class _Lines(logging.StreamHandler):  # type: ignore[type-arg]  # not generic at run time
    """The handler of ours on the root logger; a second start replaces it and no other."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write to what is standard error now: beside a progress bar that is a stream that moves the bar down."""
        self.stream = sys.stderr
        super().emit(record)


def start_logging(
    style: Format | None = None,
    *,
    level: int = logging.WARNING,
    environment: MutableMapping[str, str] = os.environ,
) -> str:
    """Log to standard error in `style` (default: that of the parent process, else text); return the run id.

    JSON lines begin at INFO whatever the level. The run id is that of the parent process, else a new one.
    """
    chosen = style or ("json" if environment.get(LOG_FORMAT) == "json" else "text")
    run = environment.setdefault(RUN_ID, secrets.token_hex(8))
    environment[LOG_FORMAT] = chosen
    lines = _Lines(sys.stderr)
    lines.setFormatter(JsonLines(run) if chosen == "json" else TextLines(_TEXT))
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Lines)]:
        root.removeHandler(handler)
    root.addHandler(lines)
    root.setLevel(min(level, logging.INFO) if chosen == "json" else level)
    logging.captureWarnings(chosen == "json")
    return run


def logs_json(environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether standard error is to hold JSON lines only."""
    return environment.get(LOG_FORMAT) == "json"
