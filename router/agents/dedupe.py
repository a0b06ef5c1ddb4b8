"""dedupe: drop repeats, events whose (source, messageId) was first received less than the window ago.

Exact and sliding: the window runs from the first receive time, a repeat does not prolong it. First seen wins. Keys are
16 bytes of BLAKE2b. An event that the tracking plan blocks is remembered by another key (`key_of_blocked`), so that a
corrected resend still passes. With `scope: all` a repeat is found across sources.
A repeat under another type or event name is dropped as well, and counted apart: either the sender made a new event with
an old id, which is a loss at the sender, or it changed an event while it tried again. Two bytes of a hash beside each
id tell, so that one in 65,536 is not told apart.
kill -9 loses and repeats nothing: fresh keys become durable with the outputs of their batch, in one transaction; with
at_least_once, outputs come first, so a known key implies a durable output and the batch in flight may repeat.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import ClassVar, Self

from router.agents.agent import Agent, Ending, Prepare, RouteKey, Setup
from router.agents.batch import Batch, Seen
from router.agents.events import Events
from router.dedupe.window import MARK_BYTES, NO_MARK, Rows, key_array
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


def mark_of(type_: str, name: str) -> bytes:
    """Two bytes, never both zero, that stand for a call type and the event name of a track call."""
    mark = blake2b(f"{type_}\0{name}".encode("utf-8", "surrogatepass"), digest_size=MARK_BYTES).digest()
    return mark if mark != NO_MARK else b"\0\1"


class Dedupe(Agent):
    """`across`: ids are those of all sources together."""

    name = "dedupe"
    ending = Ending(
        "duplicate", "Repeats within the window, dropped", "duplicates", "repeats of a messageId within the window"
    )
    reasons: ClassVar = {
        "repeat": "its messageId was received before, within the window",
        "other_event": "its messageId was received before, within the window, under another type or event name",
    }

    def __init__(self, seen: Seen, window_ms: int, *, across: bool = False) -> None:
        self._seen = seen
        self._window_ms = window_ms
        self._across = across

    @classmethod
    def build(cls, setup: Setup) -> Self:
        across = setup.loaded.topology.dedupe.scope == "all"
        return cls(setup.seen, setup.topics.window_ms, across=across)

    def compile(self, key: RouteKey) -> Prepare:
        prefix, mark = self.prefix(key[0]), mark_of(*key[1:])

        def prepare(event: Event) -> None:
            event.digest = dedupe_key(prefix, event.body["messageId"])
            event.mark = event.mark or mark  # an event that rules rename keeps that of the name it came with

        return prepare

    def prefix(self, source: str) -> bytes:
        """What stands before a source's ids when they become keys."""
        return key_prefix("" if self._across else source)

    def process(self, events: Events, batch: Batch) -> Events:
        """First seen wins, here and in the batches before; the keys of what passes are fresh."""
        if not events:
            return events
        keys = events.digests
        stored = self._seen.first_seen(keys, int(events.received.min()))
        marks = [kind.mark for kind in events.kinds]
        rows = zip(events.received.tolist(), [marks[kind] for kind in events.of_kind.tolist()], strict=True)
        fresh, pending, window = batch.fresh, batch.pending, self._window_ms
        repeats: list[int] = []
        others: list[int] = []
        for row, (key, known, new) in enumerate(zip(keys, stored, rows, strict=True)):
            first = fresh.get(key) or pending.get(key) or known
            if first is None or new[0] - first[0] >= window:
                fresh[key] = new
            elif first[1] and first[1] != new[1]:
                others.append(row)
            else:
                repeats.append(row)
        self.end(events.ended(repeats), "repeat", batch)
        self.end(events.ended(others), "other_event", batch)
        passed = events.without(repeats + others)
        batch.remembered.append(Rows(key_array(passed.digests), passed.received, passed.marks()))
        batch.row_lanes += passed.lanes.tolist()
        return passed
