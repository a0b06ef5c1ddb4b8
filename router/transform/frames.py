"""What a router and the process of a function say to each other: numbers of four bytes, and texts with their length.

A request is the number of its events, then each; a reply is a status and a text, one for each event in order.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO

RETURNED, FAILED, TIMEOUT, READY = range(4)
_NUMBER = struct.Struct("<I")
HEAD = struct.Struct("<BI")  # of a reply


def request(bodies: Sequence[bytes]) -> bytes:
    parts = [_NUMBER.pack(len(bodies))]
    for body in bodies:
        parts += (_NUMBER.pack(len(body)), body)
    return b"".join(parts)


def read_frames(stream: IO[bytes]) -> list[bytes] | None:
    """The events of the next request; None at the end."""
    head = stream.read(_NUMBER.size)
    if len(head) < _NUMBER.size:
        return None
    (count,) = _NUMBER.unpack(head)
    return [stream.read(_NUMBER.unpack(stream.read(_NUMBER.size))[0]) for _ in range(count)]


def write_reply(stream: IO[bytes], status: int, text: bytes) -> None:
    stream.write(HEAD.pack(status, len(text)))
    stream.write(text)
