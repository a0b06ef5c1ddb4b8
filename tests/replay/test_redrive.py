"""A redrive sends each letter it may send, once and in order, with all that makes the event recognisable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import orjson
import pytest

from router.events.records import Record
from router.events.topics import Topics
from router.replay.current_rules import Ruling
from router.replay.dead_letters import DeadLetter
from router.replay.redrive import BATCH_EVENTS, Pace, Redrive, redriven_record
from router.replay.redrive_log import RedriveLog
from tests.replay.test_dead_letters import LETTER

TOPICS = Topics("shop", prefix="acme.")


class Written:
    """A writer, and the log beside it: what each batch held."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[Record], list[Record]]] = []

    def write(self, events: Sequence[Record], log: Sequence[Record]) -> None:
        self.batches.append((list(events), list(log)))

    def close(self) -> None: ...

    def records(self, letters: Sequence[DeadLetter]) -> list[Record]:
        return [("log", str(letter.offset).encode(), None, None) for letter in letters]


def redrive(
    written: Written | None, *, done: Any = (), refusal: str = "", rate: int | None = None, stop_after: int = 10_000
) -> Redrive:
    """Over rules that refuse the letters of source `bad`, for the reason given."""
    asked = iter(range(stop_after))
    log = cast("RedriveLog", written or Written())
    return Redrive(
        TOPICS, log, written, done,
        lambda letter: Ruling(letter.value or b"", refusal if letter.source == "bad" else ""),
        Pace(rate, lambda: 0.0, lambda seconds: None), lambda: next(asked, None) is None,
    )  # fmt: skip


def letters(count: int) -> list[DeadLetter]:
    return [replace(LETTER, offset=number, value=str(number).encode()) for number in range(count)]


def test_each_letter_is_written_once_and_in_order_with_its_place_in_the_log() -> None:
    written = Written()
    counts = redrive(written).run(letters(2 * BATCH_EVENTS + 1))

    assert [len(events) for events, _ in written.batches] == [BATCH_EVENTS, BATCH_EVENTS, 1]
    assert [event[1] for events, _ in written.batches for event in events] == [
        entry[1] for _, log in written.batches for entry in log
    ]
    assert counts.sent == 2 * BATCH_EVENTS + 1


def test_what_is_not_sent_is_counted_with_its_reason() -> None:
    found = [
        replace(LETTER, offset=1),
        replace(LETTER, offset=2, length=2_000_000),
        replace(LETTER, offset=3, source="bad"),
        replace(LETTER, offset=4),
    ]
    written = Written()
    counts = redrive(written, done={("crm", 0, 1)}, refusal="consent").run(found)

    assert counts.skipped == {"redriven": 1, "cut": 1, "consent": 1}
    assert [entry[1] for _, log in written.batches for entry in log] == [b"4"]


def test_without_a_writer_it_only_counts() -> None:
    assert redrive(None).run(letters(7)).sent == 7


def test_a_stop_keeps_what_was_taken() -> None:
    written = Written()
    counts = redrive(written, stop_after=3).run(letters(10))

    assert counts.sent == 3
    assert [len(events) for events, _ in written.batches] == [3]


def test_a_large_batch_is_written_before_it_is_full() -> None:
    """A transaction must end before the broker's patience does."""
    written = Written()
    redrive(written).run(replace(LETTER, offset=number, value=b"x" * 900_000) for number in range(20))

    assert len(written.batches) == 2


def test_a_rate_spreads_batches_over_time() -> None:
    """Each batch is a fifth of a second's worth at most, and waits until the one before has had its time."""
    now, waits = [100.0], []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    pace = Pace(50, lambda: now[0], wait)
    assert pace.most == 10
    for events in (50, 25, 50):
        pace.spend(events)
    assert waits == pytest.approx([1.0, 0.5])
    now[0] += 60
    pace.spend(50)
    assert len(waits) == 2
    assert Pace(None, lambda: now[0], wait).most == BATCH_EVENTS
    assert Pace(10_000, lambda: now[0], wait).most == BATCH_EVENTS
    assert [Pace(rate, lambda: now[0], wait).most for rate in (1, 5, 6)] == [1, 1, 2]


def test_a_redriven_event_has_its_own_headers_and_says_where_it_comes_from() -> None:
    body = orjson.dumps({"messageId": "m1"})
    headers = [
        ("source", b"web"), ("traceparent", b"00"), ("error-code", b"400"), ("error-stage", b"deliver"),
        ("attempts", b"1"), ("origin", b"acme.dest.crm:0:3"),
    ]  # fmt: skip
    letter = replace(LETTER, headers=headers, origin="acme.dest.crm:0:3")

    topic, value, key, written = redriven_record(TOPICS, letter, body)

    assert (topic, value, key) == ("acme.dest.crm", body, b"p1")
    kept = [("source", b"web"), ("traceparent", b"00")]
    assert written == [*kept, ("redriven", b"acme.dest.crm.dead:0:7"), ("first-origin", b"acme.dest.crm:0:3")]


def test_a_letter_that_died_again_keeps_its_first_origin() -> None:
    headers = [("redriven", b"old"), ("first-origin", b"acme.dest.crm:0:3"), ("origin", b"acme.dest.crm:0:99")]
    letter = replace(LETTER, headers=headers, origin="acme.dest.crm:0:99")

    _, _, _, written = redriven_record(TOPICS, letter, b"{}")

    assert written == [("first-origin", b"acme.dest.crm:0:3"), ("redriven", b"acme.dest.crm.dead:0:7")]
