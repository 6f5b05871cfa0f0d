"""What a user's own address allows: a crawl of a site on a private address may fetch from private addresses."""

from dataclasses import replace
from urllib.parse import urlsplit

from crawler.limits import is_loopback, is_private
from crawler.settings import CrawlSettings


def allow_site(settings: CrawlSettings, address: str) -> CrawlSettings:
    """Allow private addresses when `address`, which the user named, is one itself.

    >>> allow_site(CrawlSettings(), "http://10.1.2.3/api").allow_private
    True
    """
    host = urlsplit(address).hostname or ""
    private = is_private(host) or is_loopback(host)
    return allow_private(settings) if private else settings


def allow_private(settings: CrawlSettings) -> CrawlSettings:
    """Allow every private address, because the user asked for it."""
    return replace(settings, allow_private=True)
