"""The client of a request: its address, unless trusted proxies say otherwise, and its browser; never a server's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from router.gateway.address import Client, client_of, from_end_user

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"


def client(headers: dict[str, str], peer: str = "10.0.0.1", trusted: int = 1, *, browser: bool = False) -> Client:
    return client_of(peer, CIMultiDictProxy(CIMultiDict(headers)), trusted, browser=browser)


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("198.51.100.7", "", 0, "198.51.100.7"),
        ("198.51.100.7", "1.1.1.1", 0, "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9", 1, "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", 1, "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9", 3, "203.0.113.9"),
        ("::ffff:203.0.113.9", "", 0, "203.0.113.9"),
        ("2001:db8::1", "", 0, "2001:db8::1"),
        ("", "", 0, ""),
    ],
)
def test_the_address_is_the_one_our_outermost_proxy_saw(peer: str, forwarded: str, trusted: int, expected: str) -> None:
    """What a client writes into X-Forwarded-For itself is never used."""
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert client(headers, peer, trusted).ip == expected


@pytest.mark.parametrize(
    ("hop", "expected"),
    [
        ("203.0.113.9:51234", "203.0.113.9"),
        ("[::1]:80", "::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ('"203.0.113.9"', "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
        ("203.0.113.9:", "203.0.113.9"),
        ("203.0.113.9:x", ""),
        ("[203.0.113.9", ""),
        ("::1]:80", ""),
        ("unknown", ""),
        ("_hidden", ""),
        ("<script>", ""),
        ("203.0.113.256", ""),
    ],
)
def test_ports_and_brackets_are_read_and_an_unreadable_entry_gives_no_address(hop: str, expected: str) -> None:
    """The proxy's own address would be every user's."""
    assert client({"X-Forwarded-For": hop}).ip == expected
    assert client({"X-Forwarded-For": f"6.6.6.6, {hop}"}).ip == expected


@pytest.mark.parametrize(
    ("forwarded", "trusted", "expected"),
    [
        ("for=203.0.113.9", 1, "203.0.113.9"),
        ('For="203.0.113.9:4711";proto=https;by=10.0.0.1', 1, "203.0.113.9"),
        ('proto=https; for="[2001:db8::1]:4711"', 1, "2001:db8::1"),
        ("for=6.6.6.6, for=203.0.113.9", 1, "203.0.113.9"),
        ("for=203.0.113.9, for=10.0.0.2", 2, "203.0.113.9"),
        ("for=203.0.113.9, proto=http", 1, ""),
        ("for=unknown", 1, ""),
        ("proto=https", 1, "10.0.0.1"),
        ("for=203.0.113.9", 0, "10.0.0.1"),
    ],
)
def test_the_forwarded_header_means_the_same(forwarded: str, trusted: int, expected: str) -> None:
    assert client({"Forwarded": forwarded}, trusted=trusted).ip == expected
    assert client({"Forwarded": forwarded, "X-Forwarded-For": "192.0.2.7"}).ip == "192.0.2.7"


@given(st.text(max_size=60), st.integers(1, 3))
def test_a_forged_header_gives_an_address_or_none(forwarded: str, trusted: int) -> None:
    found = client({"X-Forwarded-For": forwarded}, trusted=trusted).ip
    assert found.replace(".", "").replace(":", "").isalnum() or not found or "%" in found


@pytest.mark.parametrize(
    ("browser", "headers", "expected"),
    [
        (False, {"User-Agent": BROWSER}, BROWSER),
        (False, {"User-Agent": "Embedded WebView", "Origin": "https://shop.example"}, "Embedded WebView"),
        (False, {"User-Agent": "analytics-python/2.3"}, ""),
        (False, {"User-Agent": "okhttp/4.9"}, ""),
        (True, {"User-Agent": "Microsoft Office/16.0"}, "Microsoft Office/16.0"),
        (True, {"User-Agent": f"{BROWSER} \udcff"}, ""),
        (True, {}, ""),
    ],
)
def test_the_user_agent_is_that_of_a_browser_or_a_mail_client(
    browser: bool, headers: dict[str, str], expected: str
) -> None:
    """An SDK's HTTP library says nothing about the user's device; bytes that no event could carry are left out."""
    assert client(headers, browser=browser).user_agent == expected


@pytest.mark.parametrize(
    ("context", "channel", "expected"),
    [
        ({}, None, True),
        ({"library": {"name": "analytics.js"}}, None, True),
        ({"library": {"name": "analytics-python"}}, None, False),
        ({"library": "analytics-python"}, None, True),
        ({"channel": "server"}, None, False),
        ({}, "server", False),
    ],
)
def test_calls_of_servers_are_told_from_those_of_browsers_and_phones(
    context: dict[str, Any], channel: str | None, expected: bool
) -> None:
    """A server's own address would be taken for the user's."""
    assert from_end_user(context, channel) is expected
