"""Names of this machine, and of the console itself, as browsers send them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_LOCAL_NAMES = ("localhost",)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_this_machine(host: str) -> bool:
    """Whether a browser that sends this `Host` asks its own machine: nothing travels over a network."""
    return is_loopback(urlsplit(f"//{host}").hostname or "")


def origin_is_ours(host: str, origin: str) -> bool:
    """Whether a page of this very console made the request."""
    return bool(host) and origin in (f"http://{host}", f"https://{host}")
