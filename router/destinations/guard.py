"""Which addresses a destination may connect to, decided at connect time and closed by default.

A host name is resolved once, every address it has must pass, and the connection goes to one of those very addresses;
an address literal passes the same test. So neither a name that points inside, nor one that changes between check and
use, nor an address written in another notation reaches the operator's own network.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from router.errors import RouterError

Address = IPv4Address | IPv6Address

# Credentials for the asking: clouds' metadata services, also where their address looks public or merely private.
_METADATA = frozenset(map(ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
_NAT64 = IPv6Network("64:ff9b::/96")
# Not for the public Internet, although the standard library calls some of them global: embedded IPv4 (compatible, local
# NAT64, Teredo, the old 6to4 relays), site-local, documentation, segment routing.
_NEVER: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("192.88.99.0/24"),
    *map(IPv6Network, ("::/96", "64:ff9b:1::/48", "2001::/32", "fec0::/10", "3fff::/20", "5f00::/16")),
)
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")))
_PRIVATE_V6 = (IPv6Network("fc00::/7"), IPv6Network("::1/128"))


class Forbidden(RouterError):
    """An address that this destination may not connect to. The text names no address: answers could map a network."""


def permitted(address: str, *, allow_private: bool = False) -> bool:
    """Whether a connection to this numeric address is allowed; what cannot be read is not."""
    try:
        numeric = _unwrapped(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if numeric in _METADATA or numeric.is_multicast or numeric.is_unspecified or numeric.is_link_local:
        return False
    if _is_private(numeric):
        return allow_private
    return numeric.is_global and not any(numeric in network for network in _NEVER)


def _is_private(address: Address) -> bool:
    networks = _PRIVATE if isinstance(address, IPv4Address) else _PRIVATE_V6
    return any(address in network for network in networks)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one only carries (mapped, 6to4, NAT64), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


class GuardedResolver(AbstractResolver):
    """Resolves with the system's resolver and refuses a name as soon as one of its addresses is not permitted."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of the host. Raises Forbidden, or OSError when there is none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [(kind, str(place[0])) for kind, _, _, _, place in found]
        if not all(permitted(address, allow_private=self._allow_private) for _, address in addresses):
            raise Forbidden("the host has an address that is not public")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def guarded_connector(*, allow_private: bool = False, **options: Any) -> TCPConnector:
    """An aiohttp connector that can only reach permitted addresses, whatever the host was written as."""

    def make_socket(target: Any) -> socket.socket:
        # The last gate: it sees the address that is about to be used, literals included.
        family, kind, protocol, _, place = target
        if not permitted(str(place[0]), allow_private=allow_private):
            raise Forbidden("the address is not public")
        return socket.socket(family, kind, protocol)

    resolver = GuardedResolver(allow_private=allow_private)
    return TCPConnector(resolver=resolver, socket_factory=make_socket, **options)
