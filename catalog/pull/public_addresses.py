"""Which IP addresses belong to the public internet, judged where a connection is made.

A host name can be spelled in many ways, and a client library has its own rules for reading it. So the judgement is of
the address that a socket is about to be connected to. IPv4 addresses are public unless IANA reserves them, IPv6
addresses only inside 2000::/3, which is all that IANA has given out for the public internet. An IPv6 address that
carries an IPv4 address to a gateway (NAT64, 6to4, Teredo) is not public, because the gateway decides where it leads.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# https://www.iana.org/assignments/iana-ipv4-special-registry and the multicast and reserved blocks.
_RESERVED_4 = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
# Parts of 2000::/3: protocol assignments with Teredo and benchmarking, documentation, 6to4.
_RESERVED_6 = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
# Prefixes behind which the last 32 bits are an IPv4 address: NAT64, NAT64 of a local network, IPv4-compatible.
_CARRIES_4 = tuple(IPv6Network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))
_ISATAP = (0x5EFE, 0x0200_5EFE)  # upper half of the interface identifier
_LOW = 0xFFFF_FFFF


class PrivateAddressError(OSError):
    """A connection would lead to an address that is not of the public internet; the message holds no address."""


def is_public(address: Address) -> bool:
    """Say whether an address is of the public internet, and so is each IPv4 address that it carries.

    >>> [is_public(ip_address(text)) for text in ("8.8.8.8", "100.64.0.1", "64:ff9b::8.8.8.8", "2606:4700::1")]
    [True, False, False, True]
    """
    return all(map(_is_public, meanings(address)))


def meanings(address: Address) -> Iterator[Address]:
    """Give the address that a connection leads to, and the IPv4 addresses that gateways may read in it.

    >>> [str(one) for one in meanings(ip_address("64:ff9b::127.0.0.1"))]
    ['64:ff9b::7f00:1', '127.0.0.1']
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        yield address.ipv4_mapped  # the kernel speaks IPv4 to it
        return
    yield address
    if isinstance(address, IPv6Address):
        yield from _carried(address)


def _carried(address: IPv6Address) -> Iterator[IPv4Address]:
    last = IPv4Address(int(address) & _LOW)
    if any(address in network for network in _CARRIES_4) and int(address) > 1:
        yield last
    if int(address) >> 32 & _LOW in _ISATAP:
        yield last
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _RESERVED_4)
    reserved = any(address in network for network in _RESERVED_6)
    return address in _PUBLIC_6 and not reserved


def parse_networks(text: str) -> list[Network]:
    """Read a comma list of networks; raises `ValueError` on what is none.

    >>> parse_networks("127.0.0.0/8, ::1")
    [IPv4Network('127.0.0.0/8'), IPv6Network('::1/128')]
    """
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


def is_allowed_address(address: Address, networks: Sequence[Network] = ()) -> bool:
    """Say whether an address may be connected to: it and what it carries are public, or in one of `networks`."""
    return all(
        _is_public(one) or any(one in network for network in networks) for one in meanings(address)
    )


def parse_ip_literal(host: str) -> Address | None:
    """Read a host as the IP address that it spells in any notation which the C library knows; null for a name.

    >>> [parse_ip_literal(text) for text in ("0x7f.1", "[::1%lo]", "2130706433.", "photos.example")]
    [IPv4Address('127.0.0.1'), IPv6Address('::1'), IPv4Address('127.0.0.1'), None]
    """
    text = host.strip("[]").partition("%")[0].rstrip(".").lower()
    try:
        return ip_address(text)
    except ValueError:
        pass
    if not text or set(text) - set("0123456789abcdefx."):
        return None
    try:
        return IPv4Address(socket.inet_aton(text))
    except OSError:
        return None


SocketFactory = Callable[[Any], socket.socket]


def guarded_sockets(networks: Sequence[Network] = ()) -> SocketFactory:
    """Return what makes the sockets of a client's connections (`socket_factory` of aiohttp).

    It raises `PrivateAddressError` instead when the address is neither public nor in one of `networks`, or is none.
    """

    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, place = info
        require_allowed_address(str(place[0]), networks)
        return socket.socket(family, kind, protocol)

    return make


def sockets_of_a_source() -> SocketFactory:
    """Return what makes the sockets to a place that the user named, and to where it redirects.

    The place may be private. When it is public, it leads to public addresses only.
    """
    public: list[bool] = []  # whether the first address, which is the place itself, was

    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, place = info
        if public and public[0]:
            require_allowed_address(str(place[0]))
        if not public:
            public.append(is_public(ip_address(str(place[0]))))
        return socket.socket(family, kind, protocol)

    return make


def require_allowed_address(text: str, networks: Sequence[Network] = ()) -> None:
    """Raise `PrivateAddressError` unless a text is an IP address that may be connected to."""
    try:
        allowed = is_allowed_address(ip_address(text), networks)
    except ValueError:  # a name would be resolved later, to who knows what
        allowed = False
    if not allowed:
        raise PrivateAddressError("the host is at a private address")
