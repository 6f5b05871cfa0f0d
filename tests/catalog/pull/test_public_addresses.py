import socket
from typing import Any

import pytest

from catalog.pull.public_addresses import PrivateAddressError, guarded_sockets, sockets_of_a_source


def info(address: str) -> tuple[Any, ...]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 80)


def test_a_public_source_leads_to_no_private_address() -> None:
    make = sockets_of_a_source()
    make(info("8.8.8.8")).close()
    make(info("1.1.1.1")).close()
    for private in ("127.0.0.1", "169.254.169.254", "::1", "64:ff9b::7f00:1", "fe80::1%lo"):
        with pytest.raises(PrivateAddressError):
            make(info(private))


def test_a_source_in_ones_own_network_may_lead_anywhere() -> None:
    make = sockets_of_a_source()
    for address in ("10.0.0.1", "127.0.0.1", "8.8.8.8", "10.0.0.1"):
        make(info(address)).close()


def test_a_name_is_no_address_to_connect_to() -> None:
    with pytest.raises(PrivateAddressError):
        guarded_sockets()(info("photos.example"))
