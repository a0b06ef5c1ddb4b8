"""What the delivery log and the dead letters of one destination say, bounded: the newest records, grouped by code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from confluent_kafka import Message

from router.console.sight import Sight
from router.insights.schema import DestinationRecord
from router.kafka.admin import Admin, Watermarks
from router.kafka.partitioner import partition_for
from router.kafka.span import span
from router.replay.dead_letters import DeadLetter, ends, letters
from router.replay.reasons import Reason, reason_of
from router.replay.redrive_log import RedriveLog

NEWEST_RECORDS = 2_000  # of the delivery log
NEWEST_LETTERS = 2_000
SAMPLES = 3
_FAILED = {"retry": "will be retried", "refused": "waits for its credentials", "dead": "given up"}


@dataclass(slots=True)
class ErrorGroup:
    """Failures of one outcome and code; times as the log has them, samples the newest first."""

    outcome: str
    code: str
    count: int = 0
    first: str = ""
    last: str = ""
    samples: list[dict[str, Any]] = field(default_factory=list)
    trend: tuple[int, ...] = ()

    @property
    def state(self) -> str:
        return _FAILED.get(self.outcome, self.outcome)

    @property
    def reason(self) -> Reason:
        return reason_of(self.code.rpartition(".")[2])

    @property
    def words(self) -> str:
        """What happened; of what is still tried, without what only holds for a dead letter."""
        words = self.reason.words
        return words if self.outcome == "dead" else words.replace(" for the whole retry budget", "").rstrip(",")

    @property
    def advice(self) -> str:
        """What to do."""
        if self.outcome == "dead":
            return self.reason.advice
        if self.outcome == "refused":
            return "set the secret anew: delivery goes on by itself, nothing is lost"
        return "usually nothing: it is tried again by itself, nothing is lost"


@dataclass(slots=True)
class DeliverySummary:
    """Of the newest records: `since` is the time of the oldest of them, `whole` whether these are all there are."""

    since: str = ""
    whole: bool = True
    accepted: int = 0
    errors: list[ErrorGroup] = field(default_factory=list)
    filtered: dict[str, int] = field(default_factory=dict)


def summary(records: Iterable[Mapping[str, Any]], destination: str, *, whole: bool = True) -> DeliverySummary:
    """What the records of one destination say, the oldest first; others are left out. Pure."""
    made = DeliverySummary(whole=whole)
    groups: dict[tuple[str, str], ErrorGroup] = {}
    for record in records:
        if record.get("destination") != destination:
            continue
        outcome, code, time = (str(record.get(name, "")) for name in ("outcome", "code", "time"))
        count = record.get("count")
        number = count if isinstance(count, int) else 0
        made.since = made.since or time
        if outcome in ("delivered", "unconfirmed"):
            made.accepted += number
        elif outcome == "filtered":
            made.filtered[code] = made.filtered.get(code, 0) + number
        elif outcome in _FAILED:
            group = groups.setdefault((outcome, code), ErrorGroup(outcome, code, first=time))
            group.count, group.last = group.count + number, time
            samples = record.get("samples")
            fresh = [one for one in samples if isinstance(one, dict)] if isinstance(samples, list) else []
            group.samples = [*({**one, "at": time} for one in reversed(fresh)), *group.samples][:SAMPLES]
    made.errors = sorted(groups.values(), key=lambda group: (group.outcome != "dead", -group.count))
    return made


def summary_of(record: DestinationRecord) -> DeliverySummary:
    """The same of what insights has counted in a time, with the trend of each error. Pure."""
    made = DeliverySummary(accepted=record.delivered)
    for row in record.errors:
        if row.outcome == "filtered":
            made.filtered[row.code] = made.filtered.get(row.code, 0) + row.count
        elif row.outcome in _FAILED:
            first, last = (at.isoformat(timespec="seconds") if at else "" for at in (row.first_seen, row.last_seen))
            samples = [one.model_dump(exclude={"time"}) | {"at": one.time} for one in reversed(row.samples)]
            made.errors.append(ErrorGroup(row.outcome, row.code, row.count, first, last, samples, row.trend))
    made.errors.sort(key=lambda group: (group.outcome != "dead", -group.count))
    return made


def read_summary(sight: Sight, destination: str) -> DeliverySummary:
    """From Kafka. Raises Unavailable."""
    topic = sight.topics.delivery_log
    bounds = ends(Admin(sight.cluster), topic)
    if not bounds:
        return DeliverySummary()
    number = partition_for(destination.encode(), len(bounds))
    at = bounds[number]
    start = max(at.low, at.high - NEWEST_RECORDS)
    found = [_record(one) for batch in span(sight.cluster, topic, number, start, at.high) for one in batch]
    return summary(found, destination, whole=start == at.low)


def _record(message: Message) -> Mapping[str, Any]:
    try:
        record = orjson.loads(message.value() or b"")
    except orjson.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) else {}


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A dead letter as a table has it."""

    letter: DeadLetter
    redriven: bool


@dataclass(frozen=True, slots=True)
class LetterList:
    """The newest dead letters, the newest first; `whole` says whether these are all, `left` those not redriven."""

    rows: list[LetterRow]
    whole: bool
    by_code: Mapping[str, int]

    @property
    def left(self) -> int:
        return sum(not row.redriven for row in self.rows)


def read_letters(sight: Sight, destination: str) -> LetterList:
    """From Kafka. Raises Unavailable."""
    topic = sight.topics.dead(destination)
    bounds = ends(Admin(sight.cluster), topic)
    most = max(1, NEWEST_LETTERS // max(1, len(bounds)))
    cut = {number: Watermarks(max(at.low, at.high - most), at.high) for number, at in bounds.items()}
    redriven = RedriveLog(sight.cluster, sight.topics.redrives, {destination: topic}).read()
    found = sorted(letters(sight.cluster, destination, topic, cut), key=lambda letter: -letter.time)
    rows = [LetterRow(letter, letter.place in redriven) for letter in found]
    by_code: dict[str, int] = {}
    for row in rows:
        if not row.redriven:
            by_code[row.letter.code] = by_code.get(row.letter.code, 0) + 1
    return LetterList(rows, cut == bounds, by_code)
