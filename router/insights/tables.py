"""All tables of insights, and what a record of each topic adds to them. Pure: records in, chunks to keep out.

A record at an offset below the table's position of its partition has been counted and is passed over: reading again
after a kill -9 counts nothing twice, as long as positions and chunks are kept together (router.insights.state).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from router.insights.bodies import BodyTables
from router.insights.people import PeopleTable
from router.insights.samples import SampleTable
from router.insights.windows import Chunk, CountTable, Key

LONGEST = 200  # characters of a name
NAMES = 1000
SAMPLE_KEYS, SAMPLE_BYTES = 400, 8 * 1024 * 1024
FUNNEL = (
    *("received", "invalid", "blocked", "duplicate", "resolved", "routed"),
    *("redriven", "delivered", "filtered", "dead"),
)
OUTCOMES = ("delivered", "unconfirmed", "filtered", "retry", "refused", "dead")
_BASE, _FIRST_MS, LATENCY_BUCKETS = 1.25, 1.0, 80
_VIOLATION_TEXTS = ("messageId", "receivedAt", "message")


class InsightRecord(NamedTuple):
    """A message of one of the topics: `at` is its time in Kafka, in ms; `headers` the last of each name."""

    topic: str
    partition: int
    offset: int
    at: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]


class InsightTables:
    """`kinds` are topics by name: resolved, blocked, invalid, violations or delivery. `began` is in ms since 1970."""

    def __init__(self, kinds: Mapping[str, str], began: int) -> None:
        self.kinds = dict(kinds)
        self.began = began
        self.events = CountTable(("resolved", "blocked", "invalid", "violations"), NAMES)
        self.violations = CountTable(("allowed", "blocked"), NAMES)
        self.deliveries = CountTable((*OUTCOMES, "replayed", "named"), NAMES)
        self.errors = CountTable(("count",), NAMES)
        self.latencies = CountTable(("count",), 50 * LATENCY_BUCKETS)
        self.funnel = CountTable(FUNNEL, NAMES)
        self.people = PeopleTable()
        self.bodies = BodyTables(began)
        self.violation_samples = SampleTable(SAMPLE_KEYS, SAMPLE_BYTES // 4)
        self.delivery_samples = SampleTable(SAMPLE_KEYS, SAMPLE_BYTES)
        self.positions: dict[tuple[str, int], int] = {}
        self.totals: dict[str, list[int]] = {}  # as they were last read of Kafka: by destination, "" for route workers
        self.looked_at = self.counted_to = 0
        self.skipped = self.outside = self.unreadable = 0
        self._take: dict[str, Callable[[InsightRecord, int], bool]] = {
            "resolved": self._resolved,
            "blocked": self._blocked,
            "invalid": self._invalid,
            "violations": self._violation,
            "delivery": self._delivery,
        }

    def take(self, record: InsightRecord, now: int) -> None:
        """Count a record once."""
        place = (record.topic, record.partition)
        if record.offset < self.positions.get(place, 0):
            return
        self.positions[place] = record.offset + 1
        self.counted_to = max(self.counted_to, min(record.at, now))
        try:
            counted = self._take[self.kinds[record.topic]](record, now)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.unreadable += 1  # of another program, or of another release
        else:
            self.outside += not counted

    def skip(self, topic: str, partition: int, to: int) -> None:
        """Go on at this offset: what lies before it is not looked at, only counted."""
        place = (topic, partition)
        start = self.positions.get(place, 0)
        if to > start:
            self.skipped += to - start
            self.positions[place] = to

    def look(self, totals: Mapping[str, Mapping[str, int]], now: int, *, from_zero: bool) -> None:
        """Count what totals have grown by since they were last read; where one shrank (made anew), nothing.

        What they were at the first look ever is counted `from_zero` alone: else nobody knows when it was.
        """
        for name, found in totals.items():
            row = [found.get(column, 0) for column in FUNNEL]
            before = self.totals.get(name)
            if before is None:
                before = [0] * len(row) if from_zero or self.looked_at else row
            grown = {column: b - a for column, a, b in zip(FUNNEL, before, row, strict=True) if b > a}
            if grown:
                self.funnel.add((name,), grown, now, now)
            self.totals[name] = row
        self.looked_at = now

    @property
    def pending(self) -> int:
        """Deliveries that are not final."""
        sums = dict(zip(FUNNEL, map(sum, zip(*self.totals.values(), strict=True)), strict=True)) if self.totals else {}
        done = sum(sums.get(name, 0) for name in ("delivered", "filtered", "dead"))
        return max(0, sums.get("routed", 0) + sums.get("redriven", 0) - done)

    @property
    def size(self) -> int:
        """Bytes of memory that the tables take, about."""
        return (
            sum(table.size for table in self._tables().values())
            + self.people.size
            + self.bodies.size
            + sum(table.size for table in self._samples().values())
        )

    # What is kept

    def seal(self, now: int) -> dict[str, list[Chunk]]:
        """What has changed since the last call: chunks by table."""
        chunks = {name: table.seal(now) for name, table in self._tables().items()}
        chunks["people"] = self.people.seal(now)
        chunks |= self.bodies.seal(now)
        chunks |= {name: table.seal() for name, table in self._samples().items()}
        notes = {
            "began": self.began, "looked_at": self.looked_at, "counted_to": self.counted_to, "skipped": self.skipped,
            "outside": self.outside, "unreadable": self.unreadable, "columns": FUNNEL, "totals": self.totals,
            "positions": [[*place, offset] for place, offset in self.positions.items()],
            "bodies_began": self.bodies.began,
        }  # fmt: skip
        chunks["notes"] = [("notes", orjson.dumps(notes))]
        return chunks

    def load(self, chunks: Mapping[str, Mapping[str, bytes]]) -> None:
        """Become what was sealed."""
        for name, table in self._tables().items():
            table.load(chunks.get(name, {}))
        self.people.load(chunks.get("people", {}))
        self.bodies.load(chunks)
        for name, samples in self._samples().items():
            samples.load(chunks.get(name, {}))
        if "notes" in chunks:
            notes = orjson.loads(chunks["notes"]["notes"])
            for name in ("began", "looked_at", "counted_to", "skipped", "outside", "unreadable"):
                setattr(self, name, notes[name])
            self.bodies.began = notes.get("bodies_began", self.bodies.began)  # an earlier release has none
            if tuple(notes["columns"]) == FUNNEL:
                self.totals = notes["totals"]
            self.positions = {(topic, partition): offset for topic, partition, offset in notes["positions"]}

    def _tables(self) -> dict[str, CountTable]:
        return {
            "events": self.events, "violations": self.violations, "deliveries": self.deliveries,
            "errors": self.errors, "latencies": self.latencies, "funnel": self.funnel,
        }  # fmt: skip

    def _samples(self) -> dict[str, SampleTable]:
        return {"violation_samples": self.violation_samples, "delivery_samples": self.delivery_samples}

    # One record of each topic

    def _resolved(self, record: InsightRecord, now: int) -> bool:
        key = _event_key(record.headers)
        if record.key:
            self.people.add(key, record.key, record.at, now)
        return self._called(key, "resolved", record, now)

    def _blocked(self, record: InsightRecord, now: int) -> bool:
        return self._called(_event_key(record.headers), "blocked", record, now)

    def _called(self, key: Key, column: str, record: InsightRecord, now: int) -> bool:
        counted = self.events.add(key, {column: 1}, record.at, now)
        if record.value:
            self.bodies.take(key[0], record.value, record.at, now)
        return counted

    def _invalid(self, record: InsightRecord, now: int) -> bool:
        return self.events.add((clean(record.headers.get("source", "")), "", ""), {"invalid": 1}, record.at, now)

    def _violation(self, record: InsightRecord, now: int) -> bool:
        found = orjson.loads(record.value or b"")
        source, event = clean(found["source"]), clean(found["event"])
        parts = (found["rule"], found["class"], found["type"], found["path"])
        key: Key = (source, event, *(clean(part) for part in parts))
        column = "blocked" if found["outcome"] == "blocked" else "allowed"
        count = int(found.get("count", 1))  # of an earlier release, it has none
        self.violation_samples.add(key, {name: str(found[name])[:LONGEST] for name in _VIOLATION_TEXTS})
        self.events.add((source, clean(found["callType"]), event), {"violations": count}, record.at, now)
        return self.violations.add(key, {column: count}, record.at, now)

    def _delivery(self, record: InsightRecord, now: int) -> bool:
        found = orjson.loads(record.value or b"")
        name, outcome, count = clean(found["destination"]), found["outcome"], int(found["count"])
        if "replay" in found:
            final = outcome not in ("retry", "refused")
            return self.deliveries.add((name,), {"replayed": count if final else 0}, record.at, now)
        times = [event[2] for event in found.get("events", ()) if event[2] is not None]
        counted = self.deliveries.add((name,), {outcome: count, "named": min(len(times), count)}, record.at, now)
        for bucket, share in _latencies(times, found.get("latency_ms"), count).items():
            self.latencies.add((name, str(bucket)), {"count": share}, record.at, now)
        if outcome not in ("delivered", "unconfirmed"):
            self._error((name, outcome, clean(found["code"])), count, found, record.at, now)
        return counted

    def _error(self, key: Key, count: int, found: Mapping[str, Any], at: int, now: int) -> None:
        self.errors.add(key, {"count": count}, at, now)
        for sample in found.get("samples", ()):
            self.delivery_samples.add(key, {"time": found["time"], **sample})


def clean(text: str) -> str:
    """A name as tables hold it: bounded, and never like that of the others."""
    return text[:LONGEST].replace("\0", "\ufffd")


def _event_key(headers: Mapping[str, str]) -> Key:
    return tuple(clean(headers.get(name, "")) for name in ("source", "type", "event"))


def bound_ms(bucket: int) -> float:
    """The upper bound of a bucket of latencies."""
    return _FIRST_MS * _BASE**bucket


def bucket_of(ms: float) -> int:
    """The first bucket whose bound is not below."""
    return min(
        LATENCY_BUCKETS - 1, max(0, math.ceil(math.log(max(ms, _FIRST_MS) / _FIRST_MS) / math.log(_BASE) - 1e-9))
    )


def _latencies(named: list[float], summary: Mapping[str, float] | None, count: int) -> Counter[int]:
    """How many of `count` accepted events took how long: those named as they did, the rest as the summary says."""
    shares = [(ms, 1) for ms in named]
    if summary:
        left = max(0, count - len(named))
        half, slow = left // 2, left // 20
        shares += [(summary["p50"], left - half), (summary["p95"], half - slow), (summary["max"], slow)]
    buckets: Counter[int] = Counter()
    for ms, share in shares:
        buckets[bucket_of(ms)] += share
    return +buckets
