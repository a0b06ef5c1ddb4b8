"""The client's address: the peer's, unless trusted proxies say otherwise; kept out of server calls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.gateway.address import client_address, wants_address


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("198.51.100.7", "", 0, "198.51.100.7"),
        ("198.51.100.7", "1.1.1.1", 0, "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9", 1, "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", 1, "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9", 3, "203.0.113.9"),
        ("10.0.0.1", "not an address", 1, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9:4711", 1, "10.0.0.1"),
        ("10.0.0.1", "<script>", 1, "10.0.0.1"),
        ("::ffff:203.0.113.9", "", 0, "203.0.113.9"),
        ("2001:db8::1", "", 0, "2001:db8::1"),
        ("", "", 0, ""),
    ],
)
def test_the_address_is_the_one_our_outermost_proxy_saw(peer: str, forwarded: str, trusted: int, expected: str) -> None:
    """What a client writes into X-Forwarded-For itself is never used."""
    assert client_address(peer, forwarded, trusted) == expected


@given(st.text(max_size=60), st.integers(0, 3))
def test_a_forged_header_gives_an_address_or_the_peer(forwarded: str, trusted: int) -> None:
    found = client_address("10.0.0.1", forwarded, trusted)
    assert found
    assert found.replace(".", "").replace(":", "").isalnum()


@pytest.mark.parametrize(
    ("context", "channel", "expected"),
    [
        ({}, None, True),
        ({"library": {"name": "analytics.js"}}, None, True),
        ({"library": {"name": "analytics-python"}}, None, False),
        ({"library": "analytics-python"}, None, True),
        ({"channel": "server"}, None, False),
        ({}, "server", False),
        ({"ip": "0.0.0.0"}, None, False),
        ({"ip": None}, None, False),
    ],
)
def test_only_calls_of_browsers_and_phones_get_the_address(
    context: dict[str, Any], channel: str | None, expected: bool
) -> None:
    """A server's own address would be taken for the user's; an address that was given stays."""
    assert wants_address(context, channel) is expected
