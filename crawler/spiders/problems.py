"""What goes wrong in a user's spider: Scrapy logs it and goes on, so that a broken spider ends like a sound one.

Callbacks, errbacks, `start`, `closed`, pipelines and items may raise; pages may not come. Each is counted, and the
first of each kind is named with its page.
"""

import logging
import re
from typing import Any

from scrapy import signals
from scrapy.crawler import Crawler

from catalog import first_line

_UNREAD = (
    "Error downloading",
    "Gave up retrying",
)  # how Scrapy's log begins about a page that did not come
_PAGE = re.compile(r"<[A-Z]+ ([^>]+)>")
_TOLD = ("Spider error processing", "Error processing item")  # those that signals tell of, too


class SpiderProblems(logging.Handler):
    """Count what a spider raised and the pages that did not come."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.raised: list[str] = []
        self.unread: dict[str, str] = {}  # page -> why

    def attach(self, crawler: Crawler) -> None:
        """Hear of the exceptions of a spider, by Scrapy's signals and its log."""
        crawler.signals.connect(self.callback_raised, signals.spider_error)
        crawler.signals.connect(self.item_raised, signals.item_error)
        logging.getLogger().addHandler(self)

    def callback_raised(self, failure: Any, response: Any) -> None:
        """Note an exception of a callback."""
        self.note(f"{_where(response)}: {_text(failure.type, failure.value)}")

    def item_raised(self, failure: Any, response: Any) -> None:
        """Note an exception of an item pipeline."""
        self.note(f"an item of {_where(response)}: {_text(failure.type, failure.value)}")

    def note(self, problem: str) -> None:
        """Note what a spider raised."""
        self.raised.append(problem)

    def emit(self, record: logging.LogRecord) -> None:
        """Note what only the log tells of: `start`, signal handlers, pages that did not come."""
        message = record.getMessage()
        if message.startswith(_TOLD):
            return
        kind, error, _ = record.exc_info or (None, None, None)
        first = message.partition("\n")[0]
        about = f"{first}: {_text(kind, error)}" if kind and error else first
        if not message.startswith(_UNREAD):
            self.note(about)
        elif (page := _PAGE.search(message)) and not page[1].endswith("/robots.txt"):
            self.unread.setdefault(page[1], about)

    def texts(self, log_name: str) -> list[str]:
        """Say what went wrong, in one line for each kind."""
        texts = []
        if self.raised:
            times = f" ({len(self.raised)} times in all)" if len(self.raised) > 1 else ""
            texts.append(f"the spider raised: {self.raised[0]}{times}; see logs/{log_name}")
        if self.unread:
            first = next(iter(self.unread.values()))
            texts.append(
                f"pages that did not come: {len(self.unread)}, first {first}; see logs/{log_name}"
            )
        return texts


def _where(response: Any) -> str:
    return str(getattr(response, "url", None) or "a request without a response")


def _text(kind: Any, error: Any) -> str:
    line = first_line(error)
    return line if line == kind.__name__ else f"{kind.__name__}: {line}"
