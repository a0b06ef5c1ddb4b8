"""Inflates compressed request bodies up to a cap: a gzip bomb costs no more memory than the cap."""

from __future__ import annotations

import zlib
from typing import Literal

_GZIP = 16 + zlib.MAX_WBITS
_PLAIN = frozenset(("", "identity"))
_COMPRESSED = frozenset(("gzip", "x-gzip"))

Coding = Literal["plain", "gzip"]


class InflateError(ValueError):
    """`code` is `bad_gzip` or `inflated_too_large`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def coding(header: str) -> Coding | None:
    """The coding that a `Content-Encoding` header names, or None for an unsupported one."""
    name = header.strip().lower()
    if name in _PLAIN:
        return "plain"
    return "gzip" if name in _COMPRESSED else None


def gunzip(data: bytes, cap: int) -> bytes:
    """The content of one whole gzip stream. Raises InflateError when it is damaged, cut short, or over `cap` bytes.

    One stream only: several joined ones are legal gzip, but disproportionately slow, and no SDK sends them.
    """
    stream = zlib.decompressobj(_GZIP)
    try:
        content = stream.decompress(data, cap + 1)
    except zlib.error as error:
        raise InflateError("bad_gzip") from error
    if len(content) > cap:
        raise InflateError("inflated_too_large")
    if not stream.eof or stream.unused_data:
        raise InflateError("bad_gzip")
    return content
