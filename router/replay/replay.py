"""A replay at work: events that were routed before, to chosen destinations once more, marked with the replay's id.

The event keeps its key, its own headers, its times and its messageId; today's filters, consent, privacy and mapping
hold. It goes to `dest.<name>` with the header `replay`, behind which delivery lets live events pass and counts it
apart. What is written and how far the replay has come are one transaction (`router.replay.redrive_writer`): kill -9
at any point, and a resume sends nothing twice. On the embedded broker one batch may be sent again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from router.errors import Fenced
from router.events.records import REPLAY, Headers, Record
from router.events.topics import Topics
from router.replay.redrive import BATCH_BYTES, Pace
from router.replay.redrive_writer import RedriveWriter
from router.replay.replay_log import ReplayLog
from router.replay.replay_source import Candidate
from router.replay.replay_state import ReplaySelection, ReplayState, Status

READ_BETWEEN = 20_000  # messages read without one to send, after which the position is written all the same
SKIPPED = {
    "unreadable": "not a JSON object: no destination can take it",
    "cut": "larger than 900 KB: only the first 64 KiB are kept, they cannot be sent",
    "source": "the destination does not take its source",
    "not_failed": "the destination has no dead letter of it",
}
"""Why a destination does not get an event, beside the reasons of the agents."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What today's rules make of an event for one destination: its message, or why there is none."""

    destination: str
    refusal: str
    value: bytes = b""
    key: bytes | None = None
    headers: Sequence[tuple[str, str | bytes | None]] = ()


class ReplayRules(Protocol):
    def rule(self, one: Candidate) -> Iterable[Replayed]:
        """For each destination of the replay: one, or of a message with several events more."""


class ReplayRoom(Protocol):
    def wait(self) -> bool:
        """Until the destinations can take a batch. False when it was stopped."""


@dataclass(frozen=True)
class ReplayOutput:
    """Where a replay goes. `alone` is asked, on a broker without transactions, whether no other process goes on with
    it; with transactions the writer is told.
    """

    writer: RedriveWriter
    log: ReplayLog
    room: ReplayRoom
    alone: Callable[[ReplayState], bool] | None = None


class Replay:
    """Changes `state` as it goes. Without an `output` it only counts. `run` takes no more once `stopped` says so."""

    def __init__(
        self, topics: Topics, state: ReplayState, selection: ReplaySelection, rules: ReplayRules, pace: Pace,
        output: ReplayOutput | None, stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._topics = topics
        self._state = state
        self._selection = selection
        self._rules = rules
        self._pace = pace
        self._output = output
        self._stopped = stopped
        self._records: list[Record] = []
        self._bytes = self._unwritten = 0
        self.events: Counter[str] = Counter()  # those selected, by type and name

    def run(self, candidates: Iterable[Candidate], progress: Callable[[int], object] = int) -> ReplayState:
        """Replay these; the state is `done`, or `stopped` before the end. Raises Fenced, RouterError."""
        for one in candidates:
            if self._stopped():
                break
            self._take(one)
            progress(1)
            if self._is_full() and not self._flush():
                break
        else:
            self._end("done")
            return self._state
        self._end("stopped")
        return self._state

    def _take(self, one: Candidate) -> None:
        state = self._state
        part, following = one.mark
        state.position[part] = following
        state.read += 1
        self._unwritten += 1
        if not self._selection.matches(one):
            return
        state.selected += 1
        if self._output is None:
            body = one.body or {}
            self.events[f"{one.type or body.get('type', '?')} {one.event or body.get('event', '')}".strip()] += 1
        for each in self._rules.rule(one):
            refusal = each.refusal or ("" if self._selection.failed_at(each.destination, one) else "not_failed")
            if refusal:
                state.skip(each.destination, refusal)
            else:
                self._add(each)

    def _add(self, one: Replayed) -> None:
        state = self._state
        state.replayed[one.destination] = state.replayed.get(one.destination, 0) + 1
        headers: Headers = [(name, raw) for name, raw in one.headers if name != REPLAY]
        headers.append((REPLAY, state.id.encode()))
        self._records.append((self._topics.destination(one.destination), one.value, one.key, headers))
        self._bytes += len(one.value)

    def _is_full(self) -> bool:
        full = len(self._records) >= self._pace.most or self._bytes >= BATCH_BYTES
        return full or self._unwritten >= READ_BETWEEN

    def _flush(self) -> bool:
        """Write what there is, and how far that is. False: stopped while it waited; what was taken is written first."""
        records, self._records = self._records, []
        self._bytes = self._unwritten = 0
        if self._output is None:
            return True
        goes_on = not records or self._output.room.wait()
        if goes_on:
            self._pace.spend(len(records))
        self._write(records)
        return goes_on

    def _end(self, status: Status) -> None:
        self._state.status = status
        if self._output is not None:
            records, self._records = self._records, []
            if records and status == "done":
                self._output.room.wait()
                self._pace.spend(len(records))
            self._write(records)

    def _write(self, records: Sequence[Record]) -> None:
        assert self._output is not None
        if self._output.alone is not None and not self._output.alone(self._state):
            raise Fenced(f"{self._state.id} was stopped or resumed by another command")
        self._state.updated = int(time.time() * 1000)
        self._output.writer.write(records, [self._output.log.record(self._state)])
