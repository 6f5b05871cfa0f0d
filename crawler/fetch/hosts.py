"""The host of an address, parsed by the library that sends the requests.

Whether an address may be requested, which robots.txt applies and which rate limit is kept are decided for the result of
`client_url`, because that is what the client requests. `connector.py` checks the IP address of the connection.
"""

from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Address

from yarl import URL

from catalog import is_allowed_address, parse_ip_literal, parse_networks
from crawler.settings import CrawlSettings

_LOOPBACK = ("127.0.0.0/8", "::1/128")


@lru_cache(4096)
def client_url(address: str) -> URL:
    """Parse an HTTP address as the client does; raises `ValueError` for one that cannot be requested.

    >>> client_url("http://①②⑦。0.0.1/a/../b")
    URL('http://127.0.0.1/b')
    """
    url = URL(address)
    host = url.raw_host or ""
    if url.scheme not in ("http", "https") or not host.strip("."):
        raise ValueError(f"not an HTTP address: {address}")
    # A percent sign is an IPv6 zone or an escape: clients disagree about the host.
    if "%" in host and ":" not in host:
        raise ValueError(f"percent sign in the host: {address}")
    return url


def host_of(address: str) -> str:
    """Name the host of an address for rate limits: lower case, with the port unless it is the scheme's default.

    All spellings of a host have one name. Empty for an address that is not HTTP.

    >>> host_of("https://me:pw@Example.org.:443/a"), host_of("http://127.1:8080/"), host_of("http://bücher.example")
    ('example.org', '127.0.0.1:8080', 'xn--bcher-kva.example')
    """
    try:
        url = client_url(address)
    except ValueError:
        return ""
    host = (url.raw_host or "").rstrip(".")
    name = str(parse_ip_literal(host) or host)
    name = f"[{name}]" if ":" in name else name
    return name if url.is_default_port() else f"{name}:{url.port}"


def is_loopback(host: str) -> bool:
    """Say whether a host name or address can only mean this machine.

    >>> is_loopback("localhost"), is_loopback("[::ffff:127.0.0.1]"), is_loopback("example.org")
    (True, True, False)
    """
    address = parse_ip_literal(host)
    if address is None:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback


def is_refused(host: str, settings: CrawlSettings) -> bool:
    """Say whether a host is an IP address that must not be requested; false for names, which are resolved first."""
    address = parse_ip_literal(host) or (IPv4Address("127.0.0.1") if is_loopback(host) else None)
    if settings.allow_private or address is None:
        return False
    return not is_allowed_address(address, parse_networks(settings.allow_networks))


def allow_host(settings: CrawlSettings, address: str) -> CrawlSettings:
    """Allow the private network of an address that the user gave: loopback, or that one IP address."""
    try:
        host = client_url(address).raw_host or ""
    except ValueError:
        return settings
    if not (is_loopback(host) or is_refused(host, CrawlSettings())):
        return settings
    allowed = _LOOPBACK if is_loopback(host) else (str(parse_ip_literal(host)),)
    networks = filter(None, (settings.allow_networks, *allowed))
    return replace(settings, allow_networks=", ".join(networks))
