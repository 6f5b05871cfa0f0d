"""The crawler: pictures and their EXIF, from sites and folders into the catalog."""

from crawler.frontier.removal import FrontierQueue
from crawler.session.crawl import CrawlOptions, CrawlSummary, crawl, resume, retry
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
