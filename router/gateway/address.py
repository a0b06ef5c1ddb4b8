"""Whose address a request came from, and whether an event should carry it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Any

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


def client_address(peer: str, forwarded: str, trusted_proxies: int) -> str:
    """The client's address: the peer's own, or what the outermost of our `trusted_proxies` saw.

    `forwarded` is the X-Forwarded-For header. Entries left of the trusted ones are the client's word and not used.
    """
    if not trusted_proxies or not forwarded:
        return _address(peer)
    hops = [hop.strip() for hop in forwarded.split(",")] + [peer]
    return _address(hops[max(0, len(hops) - 1 - trusted_proxies)]) or _address(peer)


@lru_cache(4096)
def _address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def wants_address(context: dict[str, Any], channel: Any) -> bool:
    """Whether `context.ip` is to be filled: it is missing, and a browser or a phone made the call."""
    if "ip" in context or channel == "server" or context.get("channel") == "server":
        return False
    library = context.get("library")
    return not (type(library) is dict and library.get("name") in _SERVER_LIBRARIES)
