"""The guard lets a destination reach public addresses only, however an address is written or reached."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.guard import Forbidden, GuardedResolver, guarded_connector, permitted
from tests.sockets import talking

PUBLIC = ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2606:4700:4700::1111"]
PRIVATE = ["127.0.0.1", "127.9.9.9", "10.0.0.1", "172.31.255.1", "192.168.1.1", "100.64.0.1", "::1", "fd12::1",
           "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:a00:1::1"]  # fmt: skip
NEVER = ["169.254.169.254", "169.254.1.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::",
         "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
         "0.0.0.0", "::", "224.0.0.1", "224.0.1.1", "239.1.1.1", "ff02::1", "ff0e::1", "255.255.255.255", "240.0.0.1",
         "192.0.2.1", "198.18.0.1", "2001:db8::1", "2001:0:1234::1", "fec0::1", "::127.0.0.1", "::8.8.8.8",
         "64:ff9b:1::1", "192.88.99.1", "", "localhost", "127.1", "0x7f000001", "2130706433",
         "8.8.8.8.", " 8.8.8.8"]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_permitted(address: str) -> None:
    """…also in the IPv6 forms that only carry it."""
    assert permitted(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_permitted_only_when_asked_for(address: str) -> None:
    """`allow_private` is for the operator's own networks."""
    assert not permitted(address)
    assert permitted(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_link_local_metadata_and_what_is_no_address_are_never_permitted(address: str) -> None:
    """`allow_private` does not open these; what cannot be read is refused."""
    assert not permitted(address)
    assert not permitted(address, allow_private=True)


@given(st.text(max_size=40))
def test_any_text_gives_an_answer(text: str) -> None:
    """The guard never raises: a raise in the wrong place could be taken for a yes."""
    assert permitted(text) in (True, False)


@given(st.ip_addresses(v=4))
def test_carrying_an_address_in_ipv6_changes_nothing(address: Any) -> None:
    """Mapped, NAT64 and 6to4 forms are judged as the address they carry."""
    number = int(address)
    mapped, nat64 = f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"
    sixtofour = f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1"

    assert {permitted(form) for form in (mapped, nat64, sixtofour)} == {permitted(str(address))}


class Names:
    """A resolver that tells a different address at every call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.calls = 0
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.lookup)

    async def lookup(self, host: str, port: int, **_: Any) -> list[Any]:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        kinds = {False: socket.AF_INET, True: socket.AF_INET6}
        return [(kinds[":" in one], socket.SOCK_STREAM, 6, "", (one, port)) for one in answer]


async def test_one_private_address_among_many_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the client could fall back to it."""
    Names(monkeypatch, ["8.8.8.8", "10.0.0.1"])

    with pytest.raises(Forbidden):
        await GuardedResolver().resolve("partner.example", 443)


async def test_a_resolver_that_fails_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is no permission."""
    Names(monkeypatch, [])

    with pytest.raises(OSError, match="no such name"):
        await GuardedResolver().resolve("partner.example", 443)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[object]]]:
    """A loopback port and the connections it got."""
    seen: list[object] = []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peername"))

    async with talking(hang_up) as port:
        yield port, seen


async def fetch(url: str, **options: Any) -> None:
    async with aiohttp.ClientSession(connector=guarded_connector(**options)) as session, session.get(url):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0"])
async def test_no_connection_is_made_to_a_private_host(host: str) -> None:
    """Names and literals alike: the port behind sees nothing."""
    async with listening() as (port, seen):
        with pytest.raises(Forbidden):
            await fetch(f"http://{host}:{port}/")

        assert seen == []


async def test_a_name_that_changes_its_address_is_connected_to_the_checked_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what was resolved once is what is used, and the socket is checked again."""
    async with listening() as (port, seen):
        names = Names(monkeypatch, ["192.0.2.1"], ["127.0.0.1"])

        with pytest.raises(Forbidden):
            await fetch(f"http://partner.example:{port}/")

        assert (names.calls, seen) == (1, [])


async def test_the_socket_itself_refuses_what_a_resolver_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last gate does not rely on the first."""
    async with listening() as (port, seen):
        monkeypatch.setattr(GuardedResolver, "resolve", _resolves_to_loopback)

        with pytest.raises(Forbidden):
            await fetch(f"http://partner.example:{port}/")

        assert seen == []


async def _resolves_to_loopback(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
    return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]


async def test_allow_private_reaches_the_operators_own_hosts() -> None:
    """The port behind sees the connection."""
    async with listening() as (port, seen):
        with pytest.raises(aiohttp.ClientConnectionError):
            await fetch(f"http://127.0.0.1:{port}/", allow_private=True)

        assert seen
