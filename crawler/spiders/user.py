"""The process of a user's own spider: run it, and add its items to the frontier.

Whatever the file's settings are, robots.txt is obeyed, the User-Agent names the contact, and no host gets more requests
a second than a crawl allows. A slower rate in the file is kept.
"""

import importlib.util
import inspect
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import scrapy
from itemadapter import ItemAdapter
from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.settings import Settings

from crawler.errors import CrawlError
from crawler.frontier.items import ListedPhoto
from crawler.listing.source_contract import CrawlContext, Discovery
from crawler.listing.spider_child import FLAG, spider_log
from crawler.settings import CrawlSettings
from crawler.sources.spider import KEYS, UserSpiderSource
from crawler.spiders.problems import SpiderProblems
from crawler.spiders.process import open_job, scrapy_settings, watch
from crawler.spiders.resolver import connection_settings, refusal_text

_ENDS = ("finished", "closespider_itemcount")  # reasons with which a listing is complete
_PAGE, _PAGE_S = 50, 2.0  # items, or seconds, after which items are added to the frontier


class ItemCollector:
    """Collect the items of one spider."""

    def __init__(self, source: UserSpiderSource, context: CrawlContext, spider: str) -> None:
        self._source, self._context, self._spider = source, context, spider
        self._page: list[ListedPhoto] = []
        self._since = time.monotonic()
        self._cursor = replace(context.frontier.cursor(context.crawl_id), seen=0, skipped=0)
        self._ignored: set[str] = set()
        self._reason = ""
        self.pages = 0
        self.problems = SpiderProblems()

    def attach(self, crawler: Crawler) -> None:
        """Connect the signal handlers: item scraped, response received, spider closed, errors."""
        crawler.signals.connect(self.item, signals.item_scraped)
        crawler.signals.connect(self.page, signals.response_received)
        crawler.signals.connect(self.closed, signals.spider_closed)
        self.problems.attach(crawler)

    def page(self) -> None:
        """Count a response."""
        self.pages += 1

    def item(self, item: Any) -> None:
        """Collect an item; an item without a picture's address is counted as skipped."""
        listed = self._to_listed_photo(item)
        if listed is None:
            self._cursor = replace(self._cursor, skipped=self._cursor.skipped + 1)
        else:
            self._page.append(listed)
        if len(self._page) >= _PAGE or time.monotonic() - self._since > _PAGE_S:
            self.flush()

    def _to_listed_photo(self, item: Any) -> ListedPhoto | None:
        try:
            values = ItemAdapter(item).asdict()
            self._ignored |= set(values) - KEYS
            return self._source.to_listed_photo(values, self._spider)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            self.problems.note(f"an item that cannot be read: {type(error).__name__}: {error}")
            return None

    def closed(self, reason: str) -> None:
        """Add the last items and record why the spider ended."""
        self._reason = reason
        self.flush()

    def flush(self, *, finished: bool = False) -> None:
        """Add the collected items to the frontier."""
        cursor = replace(self._cursor, seen=self._cursor.seen + len(self._page), finished=finished)
        self._context.frontier.add(self._context.crawl_id, self._page, cursor)
        self._cursor, self._page, self._since = cursor, [], time.monotonic()

    def discovery(self, *, stopped: bool) -> Discovery:
        """Return how the listing ended, with its problems.

        A listing in which the spider raised, or every page request failed, has not ended: items may be missing.
        """
        problems = self.problems.texts(spider_log(self._context))
        if refusal := refusal_text():
            problems.append(refusal)
        if self._ignored:
            problems.append(
                f"keys of items that mean nothing here: {', '.join(sorted(self._ignored))}"
            )
        if self.problems.raised or (self.problems.unread and not self._cursor.seen):
            return Discovery("failed", "; ".join(problems))
        if stopped:
            return Discovery("stopped", "; ".join(problems))
        if self._reason not in _ENDS:
            return Discovery("failed", "; ".join([*problems, f"the spider ended: {self._reason}"]))
        self.flush(finished=True)
        return Discovery("finished", "; ".join(problems))


def load_spider(file: Path, class_name: str = "") -> type[scrapy.Spider]:
    """Load the spider of a file, the only one unless `class_name` says which; raises `CrawlError`."""
    # A name of its own: a spider in catalog.py must not replace our package.
    spec = importlib.util.spec_from_file_location(f"spider_of_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise CrawlError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    if (beside := str(file.resolve().parent)) not in sys.path:
        sys.path.append(beside)  # modules beside the file can be imported, after all others
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise CrawlError(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error
    spiders = {
        name: cls
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, scrapy.Spider) and cls.__module__ == spec.name
    }
    names = [class_name] if class_name else list(spiders)
    if len(names) != 1 or names[0] not in spiders:
        raise CrawlError(
            f"name the spider as {file.name}:CLASS; there are: {', '.join(spiders) or 'none'}"
        )
    return spiders[names[0]]


def polite_settings(
    source: UserSpiderSource, settings: CrawlSettings, spider: type[scrapy.Spider]
) -> Settings:
    """Return Scrapy's settings; those of politeness have a priority that the file cannot override."""
    own: Mapping[str, Any] = spider.custom_settings or {}
    pause = max(1 / settings.rate, float(own.get("DOWNLOAD_DELAY") or 0))
    strict: dict[str, object] = {
        "ROBOTSTXT_OBEY": True,
        "USER_AGENT": scrapy_settings(source, settings)["USER_AGENT"],
        "DOWNLOAD_DELAY": pause,
        "CONCURRENT_REQUESTS_PER_DOMAIN": settings.per_host,
        "AUTOTHROTTLE_ENABLED": True,
        "AUTOTHROTTLE_START_DELAY": pause,
        "AUTOTHROTTLE_TARGET_CONCURRENCY": float(settings.per_host),
        "CLOSESPIDER_ITEMCOUNT": source.limit or 0,
        **connection_settings(settings),
    }
    retries: dict[str, object] = {
        "RETRY_ENABLED": True,
        "RETRY_TIMES": 3,
        "RETRY_HTTP_CODES": [500, 502, 503, 504, 522, 524, 408],
        "DOWNLOADER_MIDDLEWARES": {
            "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
            "crawler.spiders.middlewares.RetryAfterMiddleware": 550,
        },
    }
    usual = {**scrapy_settings(source, settings), **retries, "REDIRECT_ENABLED": True}
    scrapy_values = Settings(usual)
    for name, value in strict.items():
        scrapy_values.set(name, value, priority="cmdline")
    return scrapy_values


def main() -> None:
    """Run the user's spider in this process."""
    with open_job() as (source, context):
        assert isinstance(source, UserSpiderSource), "only this source starts the program"
        try:
            spider = load_spider(Path(source.file), source.class_name)
        except CrawlError as error:
            print(json.dumps(asdict(Discovery("failed", str(error)))))  # noqa: T201  # the result for the session
            return
        process = AsyncCrawlerProcess(polite_settings(source, context.settings, spider))
        crawler = process.create_crawler(spider)
        collector = ItemCollector(source, context, spider.name or spider.__name__)
        collector.attach(crawler)
        running = process.crawl(crawler, **source.arguments)
        stopped = watch(process)
        process.start(install_signal_handlers=False)
        if running.done() and (broken := running.exception()):
            collector.problems.note(f"it cannot be started: {type(broken).__name__}: {broken}")
        discovery = collector.discovery(stopped=stopped.is_set())
    print(json.dumps(asdict(discovery) | {"calls": {"page": collector.pages}}))  # noqa: T201  # the result for the session


if __name__ == "__main__" and sys.argv[1:] == [FLAG]:
    main()
