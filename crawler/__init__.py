"""The crawler: pictures and their EXIF, from sites and folders into the catalog."""

from typing import TYPE_CHECKING

from catalog import lazy_attributes

if TYPE_CHECKING:
    from crawler.frontier.takedown import FrontierQueue
    from crawler.session.crawl import CrawlOptions, crawl, resume, retry
    from crawler.session.summary import CrawlSummary
    from crawler.settings import CrawlSettings
    from crawler.sources import SOURCES, FolderSource, UnsplashSource

__all__ = [
    "SOURCES",
    "CrawlOptions",
    "CrawlSettings",
    "CrawlSummary",
    "FolderSource",
    "FrontierQueue",
    "UnsplashSource",
    "crawl",
    "resume",
    "retry",
]

if not TYPE_CHECKING:  # mypy would take every name for one that `__getattr__` knows
    __getattr__, __dir__ = lazy_attributes(
        __name__,
        {
            "crawler.frontier.takedown": ("FrontierQueue",),
            "crawler.session.crawl": ("CrawlOptions", "crawl", "resume", "retry"),
            "crawler.session.summary": ("CrawlSummary",),
            "crawler.settings": ("CrawlSettings",),
            "crawler.sources": ("SOURCES", "FolderSource", "UnsplashSource"),
        },
    )
