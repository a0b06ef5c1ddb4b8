"""The client behind a request: its address and its browser, and whether an event should carry them."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple

from aiohttp import hdrs
from multidict import CIMultiDictProxy

# Calls of these libraries come from the customer's own servers: their address says nothing about the user.
_SERVER_LIBRARIES = frozenset(
    (
        "@segment/analytics-node",
        "Analytics.NET",
        "analytics-go",
        "analytics-java",
        "analytics-node",
        "analytics-php",
        "analytics-python",
        "analytics-ruby",
    )
)
_HOP = re.compile(r'"?(?:\[([^\]]+)\]|([^:"]+))(?::[0-9]*)?"?')  # with a port, an IPv6 address stands in brackets
_FORWARDED_FOR = re.compile(r'(?:^|;)\s*for=("[^"]*"|[^;]*)', re.IGNORECASE)
_BROWSER = "Mozilla/"  # how the User-Agent of every browser begins


class Client(NamedTuple):
    """`ip` and `user_agent` are what events lack and may get; empty where they are unknown or not the user's own.

    `origin` is that of the page that makes the call; empty where none does.
    """

    ip: str = ""
    user_agent: str = ""
    origin: str = ""


def client_of(peer: str, headers: CIMultiDictProxy[str], trusted_proxies: int, *, browser: bool) -> Client:
    """The client of a request. `browser`: calls of this endpoint always come from a browser or a mail client."""
    user_agent = headers.get(hdrs.USER_AGENT, "")
    if not browser and not user_agent.startswith(_BROWSER) and hdrs.ORIGIN not in headers:
        user_agent = ""
    hops = _forwarded(headers) if trusted_proxies else []
    address = client_address(peer, hops, trusted_proxies)
    return Client(address, user_agent if user_agent.isprintable() else "", headers.get(hdrs.ORIGIN, ""))


def client_address(peer: str, hops: list[str], trusted_proxies: int) -> str:
    """The client's address: the peer's own, or what the outermost of our `trusted_proxies` saw.

    `hops` are the entries of X-Forwarded-For. Those left of the trusted ones are the client's claim and not used. Empty
    where the entry cannot be read: the address of a proxy is nobody's.
    """
    if not hops:
        return _address(peer)
    hops = [*hops, peer]
    return _address(hops[max(0, len(hops) - 1 - trusted_proxies)])


def _forwarded(headers: CIMultiDictProxy[str]) -> list[str]:
    """The hops that proxies wrote down, in X-Forwarded-For or else in Forwarded (RFC 7239)."""
    values = headers.getall("X-Forwarded-For", ())
    if values:
        return [hop.strip() for hop in ",".join(values).split(",")]
    found = [_FORWARDED_FOR.search(hop) for hop in ",".join(headers.getall(hdrs.FORWARDED, ())).split(",")]
    return [hop[1].strip() if hop else "" for hop in found] if any(found) else []


@lru_cache(4096)
def _address(text: str) -> str:
    """The address of a hop: `1.2.3.4`, `1.2.3.4:567`, `::1`, `[::1]:80`, quoted or not; else empty."""
    hop = _HOP.fullmatch(text)
    try:
        address = ip_address((hop[1] or hop[2]) if hop else text)
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def from_end_user(context: dict[str, Any], channel: Any) -> bool:
    """Whether a browser or a phone made the call, not a server of the customer's."""
    if channel == "server" or context.get("channel") == "server":
        return False
    library = context.get("library")
    return not (type(library) is dict and library.get("name") in _SERVER_LIBRARIES)
