"""The connections of the crawler's HTTP client: to public addresses, and to private ones that the settings allow.

A literal IP address is not resolved, and a name may resolve to one address now and to another later. So each address is
checked when its socket is created, after all resolving. The resolver only refuses earlier.
"""

import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from catalog import Network, guarded_sockets, parse_networks, require_allowed_address
from crawler.settings import CrawlSettings


class PublicResolver(AbstractResolver):
    """Resolve names; refuse a name when any of its addresses is not allowed."""

    def __init__(self, networks: list[Network]) -> None:
        self._inner = aiohttp.ThreadedResolver()
        self._networks = networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve `host`; raises `PrivateAddressError`."""
        results = await self._inner.resolve(host, port, family)
        for result in results:
            require_allowed_address(result["host"], self._networks)
        return results

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()


def open_connector(settings: CrawlSettings, limit: int = 100) -> aiohttp.TCPConnector:
    """Make a connection pool that connects to public addresses only, and to those that `settings` allow."""
    if settings.allow_private:
        return aiohttp.TCPConnector(limit=limit)
    networks = parse_networks(settings.allow_networks)
    return aiohttp.TCPConnector(
        limit=limit, resolver=PublicResolver(networks), socket_factory=guarded_sockets(networks)
    )
