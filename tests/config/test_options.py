"""Addresses as they are typed on a command line."""

from __future__ import annotations

import pytest

from router.config.options import parse_address
from router.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        (":80", ("0.0.0.0", 80)),
        ("[::1]:9464", ("::1", 9464)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "8080", "host:", "host:port", "host:65536", "host:-1", "host:²"])
def test_anything_else_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="expected HOST:PORT") as raised:
        parse_address(text)

    assert raised.value.status == 2
