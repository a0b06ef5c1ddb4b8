"""Drop repeats: an event whose (source, messageId) was first received less than the window ago.

Exact and sliding: the window runs from the first receive time, a repeat does not prolong it. First seen wins. Keys are
16 bytes of BLAKE2b; blocked events live in a key space of their own, so that a corrected resend still passes.
kill -9 loses and repeats nothing: fresh keys become durable with the outputs of their batch, in one transaction; with
at_least_once, outputs come first, so a known key implies a durable output and the batch in flight may repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from router.events.event import Event

Fresh = dict[bytes, tuple[int, int]]  # key to (receive time in ms, lane), in order


class Seen(Protocol):
    """The committed part of the window."""

    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[int | None]:
        """First receive times in ms; `now_ms_min` is the oldest receive time of the batch."""


def dedupe_key(prefix: bytes, message_id: str) -> bytes:
    """16 bytes for a source (see `key_prefix`) and a messageId."""
    return blake2b(prefix + message_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def key_prefix(source: str, *, blocked: bool = False) -> bytes:
    """The key space of a source, or of its blocked events."""
    return (b"b\0" if blocked else b"e\0") + source.encode() + b"\0"


class Dedupe:
    """`pending` holds the keys of the batch that is being committed: the store does not know them yet."""

    def __init__(self, seen: Seen, window_ms: int, sources: Sequence[str]) -> None:
        self.seen = seen
        self.window_ms = window_ms
        self.pending: Fresh = {}
        self._prefixes = {s: (key_prefix(s), key_prefix(s, blocked=True)) for s in sources}

    def prefix(self, source: str) -> bytes:
        """The key space of a source's events."""
        return self._prefixes[source][False]

    def digest(self, source: str, message_id: str, blocked: bool) -> bytes:
        """The key of an event."""
        return dedupe_key(self._prefixes[source][blocked], message_id)

    def __call__(self, events: Sequence[Event], fresh: Fresh) -> list[Event]:
        """The events whose digests are no repeats, in order; their keys are added to `fresh`."""
        if not events:
            return []
        keys = [event.digest for event in events]
        stored = self.seen.first_seen(keys, min(e.received for e in events))
        pending, window = self.pending, self.window_ms
        passed = []
        for event, key, first in zip(events, keys, stored, strict=True):
            at = event.received
            if key in fresh:
                first = fresh[key][0]
            elif key in pending:
                first = pending[key][0]
            if first is None or at - first >= window:
                fresh[key] = (at, event.lane)
                passed.append(event)
        return passed
