"""The connections of Scrapy's downloader: Twisted resolves every host with the reactor's resolver, IP literals, too.

Twisted connects only to addresses that the resolver returns, and the resolver returns no private address.
Other schemes (`file:`, `ftp:`, `s3:`) have no handler: a link on a page must not read this machine's files.
"""

import logging
from collections.abc import Sequence
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.resolver import CachingHostnameResolver
from scrapy.settings import default_settings
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from zope.interface import implementer, provider

from catalog import (
    Network,
    PrivateAddressError,
    parse_networks,
    require_allowed_address,
)
from crawler.settings import CrawlSettings

log = logging.getLogger(__name__)

_NETWORKS = "SAFELIGHT_ALLOW_NETWORKS"
_HANDLER = "scrapy.core.downloader.handlers.http11.HTTP11DownloadHandler"
refused_hosts: set[str] = set()  # of this process, for `refusal_text`


def connection_settings(settings: CrawlSettings) -> dict[str, object]:
    """Return the settings of Scrapy that limit its connections."""
    handlers = {"http": _HANDLER, "https": _HANDLER, "file": None, "ftp": None, "s3": None}
    scrapy_settings: dict[str, object] = {"DOWNLOAD_HANDLERS": handlers, "HTTPPROXY_ENABLED": False}
    if hasattr(default_settings, "TWISTED_REACTOR_ENABLED"):
        scrapy_settings["TWISTED_REACTOR_ENABLED"] = (
            True  # without it Scrapy would use another client
        )
    if not settings.allow_private:
        newer = hasattr(default_settings, "TWISTED_DNS_RESOLVER")
        name = "TWISTED_DNS_RESOLVER" if newer else "DNS_RESOLVER"
        scrapy_settings |= {
            name: f"{__name__}.PublicNameResolver",
            _NETWORKS: settings.allow_networks,
        }
    return scrapy_settings


@implementer(IHostnameResolver)
class PublicNameResolver(CachingHostnameResolver):
    """Resolve names and literals; give no address of a host when any of its addresses is not allowed."""

    def __init__(self, reactor: Any, cache_size: int, networks: Sequence[Network] = ()) -> None:
        super().__init__(reactor, cache_size)
        self._networks = networks

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: Any) -> Self:
        """Read the allowed networks from the settings that `connection_settings` made."""
        networks = parse_networks(crawler.settings[_NETWORKS] or "")
        return cls(reactor, crawler.settings.getint("DNSCACHE_SIZE"), networks)

    def resolveHostName(  # noqa: N802 - the interface is Twisted's
        self,
        resolutionReceiver: Any,  # noqa: N803 - Twisted's
        hostName: str,  # noqa: N803 - Twisted's
        *about: Any,
        **more: Any,
    ) -> IHostResolution:
        """Resolve a host; the receiver gets allowed addresses only."""
        receiver: Any = _AllowedAddresses(resolutionReceiver, hostName, self._networks)
        return super().resolveHostName(receiver, hostName, *about, **more)


@provider(IResolutionReceiver)
class _AllowedAddresses:
    """Pass on the addresses of one host when all of them are allowed."""

    def __init__(self, receiver: Any, host: str, networks: Sequence[Network]) -> None:
        self._receiver, self._host, self._networks = receiver, host, networks
        self._addresses: list[IAddress] = []

    def resolutionBegan(self, resolution: IHostResolution) -> None:  # noqa: N802 - Twisted's
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802 - Twisted's
        self._addresses.append(address)

    def resolutionComplete(self) -> None:  # noqa: N802 - Twisted's
        try:
            for address in self._addresses:
                require_allowed_address(str(getattr(address, "host", "")), self._networks)
        except PrivateAddressError:
            log.warning("%s is at a private address and is not asked", self._host)
            refused_hosts.add(self._host)
        else:
            for address in self._addresses:
                self._receiver.addressResolved(address)
        self._receiver.resolutionComplete()


def refusal_text() -> str:
    """Describe the refused hosts of this process and what to do; empty without any."""
    if not refused_hosts:
        return ""
    more = f" and {len(refused_hosts) - 3} more" if len(refused_hosts) > 3 else ""
    hosts = ", ".join(sorted(refused_hosts)[:3])
    return (
        f"not asked, for it is at a private address: {hosts}{more} (--allow-private allows all, allow_networks in "
        "[crawl] of safelight.toml some)"
    )
