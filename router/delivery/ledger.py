"""What rides in a committed offset's metadata: cumulative counts, and which events beyond the offset are final.

JSON of at most 4 KiB, the broker's default limit: `{"n": [delivered, dead], "done": BASE64}`. Bit i of `done`, least
significant first, stands for the committed offset plus i. What does not fit is left out and would be sent again.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from router.kafka.offsets import SEAL

LIMIT = 4096  # bytes of metadata that a broker takes by default
SPAN = 16_384  # offsets past the first unfinished one, after which a partition waits
_BITMAP_BYTES = 2_880  # 3,840 characters; the counts take at most 100

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Ledger:
    """Of one partition, since the destination's first event."""

    delivered: int = 0
    dead: int = 0

    def encode(self, low: int, finished: Iterable[int]) -> str:
        """Metadata for a commit at `low` with these final offsets beyond it."""
        data: dict[str, object] = {"n": [self.delivered, self.dead]}
        bitmap = _bitmap(low, finished)
        if bitmap:
            data["done"] = base64.b64encode(bitmap).decode()
        return orjson.dumps(data).decode() + SEAL


def decode(metadata: str | None, low: int) -> tuple[Ledger, list[int]]:
    """Counts and final offsets from the metadata of a commit at `low`.

    Metadata that is not ours (an operator has moved the group) counts from zero, with a warning.
    """
    if not metadata:
        return Ledger(), []
    try:
        data = orjson.loads(metadata)
        delivered, dead = map(int, data["n"])
        bitmap = base64.b64decode(data.get("done", ""), validate=True)
        return Ledger(delivered, dead), [low + bit for bit in _bits(bitmap)]
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error):
        log.warning("a committed offset carries metadata that is not the router's: its counts begin again")
        return Ledger(), []


def _bitmap(low: int, finished: Iterable[int]) -> bytes:
    bits = [offset - low for offset in finished if 0 <= offset - low < _BITMAP_BYTES * 8]
    if not bits:
        return b""
    bitmap = bytearray(max(bits) // 8 + 1)
    for bit in bits:
        bitmap[bit >> 3] |= 1 << (bit & 7)
    return bytes(bitmap)


def _bits(bitmap: bytes) -> list[int]:
    return [8 * at + bit for at, byte in enumerate(bitmap) if byte for bit in range(8) if byte >> bit & 1]
