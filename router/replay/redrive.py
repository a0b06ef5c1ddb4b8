"""Sends dead letters to their destination once more: the event with its key and its own headers, through today's rules.

Added are the headers `redriven` (the letter's place) and `first-origin`, which keeps the idempotency key of an event
without a messageId. What kill -9 can repeat stands in `router.replay.redrive_writer`; it loses nothing, and the same
command goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from router.events.records import DEAD_LETTER_HEADERS, FIRST_ORIGIN, REDRIVEN, Headers, Record
from router.events.topics import Topics
from router.replay.current_rules import Ruling
from router.replay.dead_letters import DeadLetter, Place
from router.replay.redrive_log import RedriveLog
from router.replay.redrive_writer import RedriveWriter

BATCH_EVENTS = 500
BATCH_BYTES = 8 * 1024 * 1024
BATCHES_A_SECOND = 5  # at least, at a given rate: what is live waits behind a transaction for as long as it is open
SKIPPED = {
    "redriven": "redriven before; --again sends them once more",
    "cut": "larger than 1 MB: only the first 64 KiB are kept, they cannot be sent",
    "unreadable": "not a JSON object: no destination can take it",
    "source": "the destination no longer takes its source",
}
"""Why a letter stays where it is, beside the reasons of the agents."""


@dataclass(slots=True)
class RedriveCounts:
    """Of one destination: letters sent (or, in a dry run, that would be), and skipped by reason."""

    sent: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


class Pace:
    """At most `rate` events a second, evenly; None: as fast as the broker takes them. `wait` takes seconds."""

    def __init__(self, rate: int | None, clock: Callable[[], float], wait: Callable[[float], object]) -> None:
        self._rate, self._clock, self._wait = rate, clock, wait
        self._next = 0.0

    @property
    def most(self) -> int:
        """Events in one batch."""
        return BATCH_EVENTS if self._rate is None else min(BATCH_EVENTS, -(-self._rate // BATCHES_A_SECOND))

    def spend(self, events: int) -> None:
        """Wait until so many events more have their turn."""
        if self._rate is None:
            return
        now = self._clock()
        if self._next > now:
            self._wait(self._next - now)
        self._next = max(self._next, now) + events / self._rate


class Redrive:
    """Of one destination. `done` are letters that have been redriven, `judge` says what the rules make of one.

    Without a `writer` nothing is sent, only counted. `run` takes no more letters once `stopped` says so.
    """

    def __init__(
        self, topics: Topics, log: RedriveLog, writer: RedriveWriter | None, done: Container[Place],
        judge: Callable[[DeadLetter], Ruling], pace: Pace, stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._topics = topics
        self._log = log
        self._writer = writer
        self._done = done
        self._judge = judge
        self._pace = pace
        self._stopped = stopped
        self._letters: list[DeadLetter] = []
        self._records: list[Record] = []
        self._bytes = 0
        self.counts = RedriveCounts()

    def run(self, letters: Iterable[DeadLetter], progress: Callable[[int], object] = int) -> RedriveCounts:
        """Redrive letters, in their order; `progress` is told the number of letters that each step has dealt with."""
        for letter in letters:
            if self._stopped():
                break
            self._take(letter)
            progress(1)
            if len(self._records) >= self._pace.most or self._bytes >= BATCH_BYTES:
                self._flush()
        self._flush()
        return self.counts

    def _take(self, letter: DeadLetter) -> None:
        ruling = self._ruling(letter)
        if ruling.refusal:
            self.counts.skipped[ruling.refusal] += 1
            return
        self._letters.append(letter)
        self._records.append(redriven_record(self._topics, letter, ruling.value))
        self._bytes += len(ruling.value)

    def _ruling(self, letter: DeadLetter) -> Ruling:
        if letter.place in self._done:
            return Ruling(b"", "redriven")
        return Ruling(b"", "cut") if letter.length is not None else self._judge(letter)

    def _flush(self) -> None:
        if not self._records:
            return
        if self._writer is not None:
            self._pace.spend(len(self._records))
            self._writer.write(self._records, self._log.records(self._letters))
        self.counts.sent += len(self._records)
        self._letters, self._records, self._bytes = [], [], 0


def redriven_record(topics: Topics, letter: DeadLetter, value: bytes) -> Record:
    """The message for the destination's topic. A letter that was redriven before keeps its first origin."""
    dropped = DEAD_LETTER_HEADERS | {REDRIVEN}
    headers: Headers = [(name, raw) for name, raw in letter.headers if name not in dropped]
    place = f"{topics.dead(letter.destination)}:{letter.partition}:{letter.offset}"
    headers.append((REDRIVEN, place.encode()))
    if letter.origin and not any(name == FIRST_ORIGIN for name, _ in headers):
        headers.append((FIRST_ORIGIN, letter.origin.encode()))
    return topics.destination(letter.destination), value, letter.key, headers
