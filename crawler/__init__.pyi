"""Names that other rooms import from `crawler`: the one list, which type checkers and `__init__.py` read."""

from .frontier.takedown import FrontierQueue as FrontierQueue
from .session.crawl import (
    CrawlOptions as CrawlOptions,
    crawl as crawl,
    resume as resume,
    retry as retry,
)
from .session.summary import CrawlSummary as CrawlSummary
from .settings import CrawlSettings as CrawlSettings
from .sources import (
    SOURCES as SOURCES,
    FolderSource as FolderSource,
    UnsplashSource as UnsplashSource,
)
