"""Inflating: whole streams only, and never more memory than the cap."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.gateway.inflate import InflateError, coding, gunzip

CAP = 100_000


@given(st.binary(max_size=CAP))
def test_what_was_compressed_comes_back(data: bytes) -> None:
    assert gunzip(gzip.compress(data), CAP) == data


@pytest.mark.parametrize("size", [CAP, CAP + 1])
def test_the_cap_is_exact(size: int) -> None:
    body = gzip.compress(b"x" * size)
    if size <= CAP:
        assert len(gunzip(body, CAP)) == size
    else:
        with pytest.raises(InflateError) as caught:
            gunzip(body, CAP)
        assert caught.value.code == "inflated_too_large"


def test_a_bomb_costs_no_more_memory_than_a_few_caps() -> None:
    """50 MB of zeros in 50 KB."""
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(InflateError):
        gunzip(bomb, CAP)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * CAP


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not gzip at all",
        gzip.compress(b"hello")[:-1],
        gzip.compress(b"hello")[:-8] + b"\0" * 8,
        gzip.compress(b"hello") + b"trailing",
        gzip.compress(b"a") + gzip.compress(b"b"),
        zlib.compress(b"hello"),
    ],
    ids=["empty", "plain", "cut short", "wrong checksum", "trailing bytes", "two streams", "zlib"],
)
def test_damaged_streams_are_refused(body: bytes) -> None:
    with pytest.raises(InflateError) as caught:
        gunzip(body, CAP)
    assert caught.value.code == "bad_gzip"


@given(st.binary(max_size=2000) | st.binary(max_size=200).map(lambda tail: gzip.compress(b"hello")[:10] + tail))
def test_any_bytes_give_content_or_a_code(data: bytes) -> None:
    """Any other error would end the request with a 500."""
    with suppress(InflateError):
        assert len(gunzip(data, CAP)) <= CAP


@pytest.mark.parametrize(
    ("header", "expected"),
    [("", "plain"), ("identity", "plain"), ("gzip", "gzip"), (" GZIP ", "gzip"), ("x-gzip", "gzip")]
    + [(name, None) for name in ("br", "deflate", "zstd", "gzip, gzip", "gzip;q=1")],
)
def test_encodings(header: str, expected: str | None) -> None:
    assert coding(header) == expected
