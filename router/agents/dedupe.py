"""dedupe: drop repeats, events whose (source, messageId) was first received less than the window ago.

Exact and sliding: the window runs from the first receive time, a repeat does not prolong it. First seen wins. Keys are
16 bytes of BLAKE2b. An event that the tracking plan blocks is remembered by another key (`key_of_blocked`), so that a
corrected resend still passes. With `scope: all` a repeat is found across sources.
kill -9 loses and repeats nothing: fresh keys become durable with the outputs of their batch, in one transaction; with
at_least_once, outputs come first, so a known key implies a durable output and the batch in flight may repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import ClassVar, Self

from router.agents.agent import Agent, Ending, Prepare, RouteKey, Setup
from router.agents.batch import Batch, Seen
from router.events.event import Event


def dedupe_key(prefix: bytes, message_id: str) -> bytes:
    """16 bytes for a key space (see `key_prefix`) and a messageId."""
    return blake2b(prefix + message_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def key_prefix(source: str) -> bytes:
    """The key space of a source; with an empty name, of all sources together."""
    return b"e\0" + source.encode() + b"\0"


def key_of_blocked(key: bytes) -> bytes:
    """What an event with this key is remembered by instead, if it is going to be blocked."""
    return blake2b(key, digest_size=16, person=b"blocked").digest()


class Dedupe(Agent):
    """`across`: ids are those of all sources together."""

    name = "dedupe"
    ending = Ending(
        "duplicate", "Repeats within the window, dropped", "duplicates", "repeats of a messageId within the window"
    )
    reasons: ClassVar = {"repeat": "its messageId was received before, within the window"}

    def __init__(self, seen: Seen, window_ms: int, *, across: bool = False) -> None:
        self._seen = seen
        self._window_ms = window_ms
        self._across = across

    @classmethod
    def build(cls, setup: Setup) -> Self:
        across = setup.loaded.topology.dedupe.scope == "all"
        return cls(setup.seen, setup.topics.window_ms, across=across)

    def compile(self, key: RouteKey) -> Prepare:
        prefix = key_prefix("" if self._across else key[0])

        def prepare(event: Event) -> None:
            event.digest = dedupe_key(prefix, event.body["messageId"])

        return prepare

    def process(self, events: Sequence[Event], batch: Batch) -> Sequence[Event]:
        """First seen wins, here and in the batches before; the keys of what passes are fresh."""
        if not events:
            return events
        keys = [event.digest for event in events]
        stored = self._seen.first_seen(keys, min(event.received for event in events))
        fresh, pending, window = batch.fresh, batch.pending, self._window_ms
        passed, repeats = [], []
        for event, key, first in zip(events, keys, stored, strict=True):
            at = event.received
            if key in fresh:
                first = fresh[key][0]
            elif key in pending:
                first = pending[key][0]
            if first is None or at - first >= window:
                fresh[key] = (at, event.lane)
                passed.append(event)
            else:
                repeats.append(event)
        self.end(repeats, "repeat", batch)
        return passed
