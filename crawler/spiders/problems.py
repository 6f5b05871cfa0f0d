"""Errors of a user's spider: Scrapy only logs them, so a broken spider would end like a correct one.

Callbacks, errbacks, `start`, `closed`, pipelines and items may raise; page requests may fail. All are counted, and the
first of each kind is reported with its page.
"""

import logging
import re
from pathlib import Path
from typing import Any

from scrapy import signals
from scrapy.crawler import Crawler

from catalog import first_line

_UNREAD = (
    "Error downloading",
    "Gave up retrying",
)  # how Scrapy's messages about failed page requests begin
_PAGE = re.compile(r"<[A-Z]+ ([^>]+)>")
_SIGNALLED = (
    "Spider error processing",
    "Error processing item",
)  # messages of errors that signals report, too


class SpiderProblems(logging.Handler):
    """Count the exceptions of a spider and its failed page requests."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.raised: list[str] = []
        self.unread: dict[str, str] = {}  # page -> why
        self._errors: list[object] = []

    def attach(self, crawler: Crawler) -> None:
        """Connect to Scrapy's error signals and to its log."""
        crawler.signals.connect(self.callback_raised, signals.spider_error)
        crawler.signals.connect(self.item_raised, signals.item_error)
        logging.getLogger().addHandler(self)

    def callback_raised(self, failure: Any, response: Any) -> None:
        """Record an exception of a callback."""
        self.note(f"{_where(response)}: {_text(failure.type, failure.value)}", failure.value)

    def item_raised(self, failure: Any, response: Any) -> None:
        """Record an exception of an item pipeline."""
        problem = f"an item of {_where(response)}: {_text(failure.type, failure.value)}"
        self.note(problem, failure.value)

    def note(self, problem: str, error: object = None) -> None:
        """Record an exception of a spider, once: Scrapy reports some in a signal and in the log."""
        if error is not None and any(error is earlier for earlier in self._errors):
            return
        self._errors.append(error)
        self.raised.append(problem)

    def emit(self, record: logging.LogRecord) -> None:
        """Record errors that only the log reports: `start`, signal handlers, failed page requests."""
        message = record.getMessage()
        if message.startswith(_SIGNALLED):
            return
        kind, error, _ = record.exc_info or (None, None, None)
        first = message.partition("\n")[0]
        text = _with_cause(first, kind, error) if kind and error else first
        if not message.startswith(_UNREAD):
            self.note(text, error)
        elif (page := _PAGE.search(message)) and not page[1].endswith("/robots.txt"):
            self.unread.setdefault(page[1], text)

    def texts(self, log: Path) -> list[str]:
        """Describe the problems, one line for each kind."""
        texts = []
        if self.raised:
            times = f" ({len(self.raised)} times in all)" if len(self.raised) > 1 else ""
            texts.append(f"the spider raised: {self.raised[0]}{times}; see {log}")
        if self.unread:
            first = next(iter(self.unread.values()))
            texts.append(f"pages that did not come: {len(self.unread)}, first {first}; see {log}")
        return texts


def _where(response: Any) -> str:
    return str(getattr(response, "url", None) or "a request without a response")


def _with_cause(message: str, kind: Any, error: Any) -> str:
    """Add an error to a message; where the message ends with the error's text, that is replaced."""
    start = message.rstrip(".").removesuffix(first_line(error).rstrip("."))
    return f"{start.rstrip(': ')}: {_text(kind, error).rstrip('.')}"


def _text(kind: Any, error: Any) -> str:
    line = first_line(error)
    return line if line == kind.__name__ else f"{kind.__name__}: {line}"
