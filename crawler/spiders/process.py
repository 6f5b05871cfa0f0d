"""Run a spider in a process of its own: Scrapy's reactor and the session's event loop cannot share a process.

The job is one JSON line on standard input (the API key is in the environment instead); the result is one JSON line on
standard output. The input stays open while the session runs. When it closes, because the session stops or was killed,
the spider ends the calls in flight and exits.
"""

import asyncio
import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

from filelock import FileLock

from catalog import Workspace, start_logging
from crawler.fetch.hosts import client_url, is_loopback
from crawler.frontier.frontier import Frontier
from crawler.listing.source_contract import CrawlContext, Discovery, user_agent
from crawler.listing.spider_child import END_WITHIN_S, FLAG, SpiderSource
from crawler.settings import CrawlSettings


def scrapy_settings(source: SpiderSource, settings: CrawlSettings) -> dict[str, object]:
    """Return Scrapy's settings: the limits of the crawl, without features that an API does not need."""
    from crawler.spiders.resolver import connection_settings

    is_local = is_loopback(_host(source.api_address))
    is_unlimited = is_local and not settings.limit_loopback
    at_once = settings.concurrency if is_unlimited else settings.api_concurrency
    return {
        "USER_AGENT": user_agent(),
        "ROBOTSTXT_OBEY": source.robots_policy == "obeyed_by_spider",  # not for a keyed API
        "CONCURRENT_REQUESTS": at_once,
        "CONCURRENT_REQUESTS_PER_DOMAIN": at_once,
        "CONCURRENT_ITEMS": 1,  # the default starts 100 tasks for every response: 3 ms of CPU
        "DOWNLOAD_DELAY": 0 if is_unlimited else settings.api_delay_s,
        "DOWNLOAD_TIMEOUT": 30,
        "DOWNLOAD_MAXSIZE": 16 << 20,
        "DOWNLOAD_WARNSIZE": 0,
        "RETRY_ENABLED": False,  # the spider retries: it knows the shape of a valid response
        "DOWNLOADER_MIDDLEWARES": {"crawler.spiders.middlewares.QuotaMiddleware": 540},
        "REDIRECT_ENABLED": False,
        "COOKIES_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,  # a port that runs Python code
        "LOG_LEVEL": "WARNING",
        "LOG_INSTALL_ROOT_HANDLER": False,  # our handler adds the run id and removes secrets
        **connection_settings(settings),
    }


def _host(address: str) -> str:
    """Return the host of an API; empty when the source has none."""
    return client_url(address).raw_host or "" if address else ""


@contextmanager
def open_job() -> Iterator[tuple[SpiderSource, CrawlContext]]:
    """Read the job from standard input, and open its source and context."""
    from crawler.sources import SOURCES

    start_logging()
    job = json.loads(sys.stdin.readline())
    name, config = job["source"]
    settings = CrawlSettings(**job["settings"])
    workspace = Workspace.at(job["home"])
    # A spider whose session was killed may still be ending its last calls: wait, so that no call is made twice.
    with (
        FileLock(f"{workspace.frontier}.spider.lock", timeout=2 * END_WITHIN_S),
        Frontier(workspace.frontier, durable=False) as frontier,
    ):
        yield (
            SOURCES[name](**config),
            CrawlContext(workspace, frontier, job["crawl_id"], settings, _never),
        )


def _never() -> bool:
    return False


def main() -> None:
    """Run the source's spider in this process."""
    from scrapy.crawler import AsyncCrawlerProcess

    from crawler.listing.spider_child import call_failure_line, spider_log
    from crawler.spiders.listing import ListingSpider
    from crawler.spiders.problems import SpiderProblems
    from crawler.spiders.resolver import refusal_text

    with open_job() as (source, context):
        process = AsyncCrawlerProcess(scrapy_settings(source, context.settings))
        module, _, spider = source.spider.partition(":")
        crawler = process.create_crawler(getattr(importlib.import_module(module), spider))
        arguments = {"source": source, "frontier": context.frontier, "crawl_id": context.crawl_id}
        arguments |= {"settings": context.settings, "write": context.write}
        arguments["report_call"] = lambda failure: print(call_failure_line(failure), flush=True)  # noqa: T201 - as below
        problems = SpiderProblems()
        problems.attach(crawler)
        process.crawl(crawler, **arguments, **source.secrets())
        stopped = watch(process)
        process.start(install_signal_handlers=False)
        assert isinstance(crawler.spider, ListingSpider), "the source names a ListingSpider"
        discovery = crawler.spider.discovery
        if stopped.is_set() and discovery.status == "failed":
            discovery = Discovery("stopped")
        else:
            problem_texts = (
                problems.texts(spider_log(context)) if discovery.status == "failed" else []
            )
            discovery = replace(
                discovery,
                problem="; ".join(
                    filter(None, (discovery.problem, *problem_texts, refusal_text()))
                ),
            )
    print(json.dumps(asdict(discovery) | {"calls": crawler.spider.calls}))  # noqa: T201  # the result for the session


def watch(process: object) -> threading.Event:
    """Stop the spider when standard input closes; exit after END_WITHIN_S at the latest."""
    stopped, stopping = threading.Event(), list[object]()

    def wait_for_end() -> None:
        from twisted.internet import reactor

        try:
            sys.stdin.read()
            stopped.set()
            reactor.callFromThread(lambda: stopping.append(asyncio.ensure_future(process.stop())))  # type: ignore[attr-defined]  # AsyncCrawlerProcess, untyped
            threading.Event().wait(END_WITHIN_S)
        finally:  # even when the orderly stop failed
            os._exit(3)

    threading.Thread(target=wait_for_end, daemon=True).start()
    return stopped


if __name__ == "__main__" and sys.argv[1:] == [FLAG]:
    main()
