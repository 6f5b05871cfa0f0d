"""The crawler: pictures and their EXIF, from sites and folders into the catalog."""

from crawler.crawling import CrawlOptions, CrawlSummary, crawl, resume, retry
from crawler.removal import FrontierQueue
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
