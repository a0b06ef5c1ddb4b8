"""The live table: records joined into rows, within bounds, and what a browser that is slow gets."""

from __future__ import annotations

from typing import Any

import orjson

from router.console.live.hub import QUEUED, Watcher
from router.console.live.reader import AHEAD, BUDGET, NewestMessages
from router.console.live.rows import DUPLICATE_MS, MOST_BYTES, MOST_ROWS, LiveFilter, LiveMessage, LiveTable
from router.mask import Mask
from tests.console.pages import HOSTILE

ALL = LiveFilter()


def message(kind: str, offset: int, body: Any, source: str = "web", **headers: str) -> LiveMessage:
    value = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {"source": source} | {name.replace("_", "-"): text for name, text in headers.items()}
    return LiveMessage(kind, f"events.{kind}:0:{offset}", 1_000 + offset, value, named, source)


def order(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": name} | more


def table(*messages: LiveMessage) -> LiveTable:
    made = LiveTable(Mask(["email"], ["partner-secret"]))
    made.take(messages)
    return made


def states(made: LiveTable) -> dict[str, str]:
    return {row.message_id: row.state for row in made.newest(ALL, 500)}


def delivered(outcome: str, name: str) -> LiveMessage:
    record = {"destination": "crm", "outcome": outcome, "count": 1}
    kept = (
        {"samples": [{"event": {"messageId": name}}]} if outcome in ("retry", "dead") else {"events": [[name, 1, 20]]}
    )
    return message("log", 9, record | kept)


def test_a_row_is_on_its_way_until_a_record_says_what_became_of_it() -> None:
    made = table(*(message("raw", n, order(name)) for n, name in enumerate(("m1", "m2", "m3", "m4"))))
    assert set(states(made).values()) == {"received"}

    made.take([message("resolved", 0, order("m1")), message("blocked", 0, order("m2"), violations='[{"path": "/a"}]')])
    made.take([message("invalid", 0, order("m3"), origin="events.raw:0:2")])
    made.take([delivered("delivered", "m1"), delivered("delivered", "m4")])  # m4: of the event that it repeats
    made.passed({("events.raw", 0): 4}, 1_000 + DUPLICATE_MS + 100)

    assert [row.destinations for row in made.rows.values()] == [{"crm": "delivered"}, {}, {}, {}]
    assert states(made) == {"m1": "delivered", "m2": "blocked", "m3": "invalid", "m4": "duplicate"}
    assert [row.violations for row in made.newest(LiveFilter(violations=True), 9)] == [1]


def test_partners_say_delivered_retrying_or_dead_also_before_the_row_is_there() -> None:
    made = table(delivered("delivered", "m1"), delivered("retry", "m2"))
    made.take([message("resolved", n, order(name)) for n, name in enumerate(("m1", "m2", "m3"))])
    made.take([delivered("dead", "m3")])

    assert states(made) == {"m1": "delivered", "m2": "retrying", "m3": "dead"}
    assert made.newest(ALL, 1)[0].as_dict()["destinations"] == {"crm": "dead"}


def test_a_dead_letter_counts_for_its_destination_and_not_for_a_blocked_event_of_the_same_id() -> None:
    made = table(message("blocked", 0, order("m1", userId="u2")), message("resolved", 1, order("m1")))
    made.take([message("dead", 2, order("m1"), "crm")])

    assert {row.user: row.destinations for row in made.newest(ALL, 9)} == {"u2": {}, "u1": {"crm": "dead"}}


def test_records_in_another_order_make_no_second_row() -> None:
    made = table(message("resolved", 0, order("m1")))
    made.take([message("raw", 0, order("m1"))])

    assert states(made) == {"m1": "passed"}
    assert made.newest(ALL, 9)[0].as_dict()["place"] == "events.raw:0:0"


def test_one_id_of_two_people_is_two_rows() -> None:
    made = table(message("raw", 0, order("m1")), message("raw", 1, order("m1", userId="u2")))
    made.take([message("blocked", 0, order("m1", userId="u2"))])

    assert [(row.user, row.state) for row in made.newest(ALL, 9)] == [("u1", "received"), ("u2", "blocked")]


def test_filters_look_at_all_rows_and_search_at_the_whole_text() -> None:
    made = table(
        message("raw", 0, order("m1", properties={"plan": "Pro"})), message("raw", 1, order("m2", userId="Ada")),
        message("raw", 2, order("m3", type="page", event="") | {"name": "Home"}, "app"),
    )  # fmt: skip

    def found(**wanted: Any) -> list[str]:
        return [row.message_id for row in made.newest(LiveFilter.of(wanted), 9)]

    assert found(text="pRO") == ["m1"]
    assert found(user="ada") == ["m2"]
    assert found(event="home") == ["m3"]
    assert found(source="web", type="track") == ["m1", "m2"]
    assert found(outcome="blocked") == []
    assert found(source=["web"], violations="yes") == ["m1", "m2", "m3"]


def test_masked_fields_and_secrets_are_neither_shown_nor_found() -> None:
    body = order("m1", properties={"email": "ada@example.com", "note": "the partner-secret"})
    made = table(message("raw", 0, body))

    assert made.newest(LiveFilter.of({"text": "ada@example"}), 9) == []
    assert made.newest(LiveFilter.of({"text": "partner-secret"}), 9) == []
    assert "ada@" not in made.newest(ALL, 9)[0].text


def test_what_is_hostile_is_shown_as_it_is_without_what_is_hidden() -> None:
    made = table(message("raw", 0, order("m1", event=HOSTILE)), message("invalid", 1, b"\xff{", origin="x"))
    (shown,) = [row.as_dict() for row in made.newest(LiveFilter.of({"outcome": "received"}), 9)]

    assert shown["event"] == "<img src=x onerror=alert(1)>⟨U+202E⟩"
    assert len(made.newest(ALL, 9)) == 2


def test_a_table_of_a_day_is_no_larger_than_that_of_an_hour() -> None:
    """Not by the process's memory, which an allocator may keep: by what the table holds."""
    made = LiveTable(Mask())

    def hour(number: int) -> tuple[int, ...]:
        for start in range(number * 3_000, (number + 1) * 3_000, 500):
            names = [(n, f"m{n}") for n in range(start, start + 500)]
            made.take(message("raw", n, order(name, properties={"x": "y" * 400})) for n, name in names)
            made.take(message("resolved", n, order(name)) for n, name in names[:400])
            made.take(message("violation", n, {"messageId": name}) for n, name in names[:50])
            made.take(delivered("delivered", name) for _, name in names[:300])
            made.take(delivered("delivered", f"unknown-{name}") for _, name in names[:50])
        listed = sum(map(len, made._by_message.values()))
        return len(made.rows), len(made._by_message), len(made._early), listed

    first = hour(0)

    assert first == (MOST_ROWS, MOST_ROWS, 300, MOST_ROWS)
    for number in range(1, 3):
        rows, *others = hour(number)
        assert (rows, others[0], others[2]) == (MOST_ROWS, MOST_ROWS, MOST_ROWS)
        assert others[1] <= MOST_ROWS
    assert made.newest(ALL, 1)[0].message_id == "m8999"
    assert made._bytes == sum(len(row.text) + 400 for row in made.rows.values()) <= MOST_BYTES


def test_large_events_take_the_room_of_many_small_ones() -> None:
    made = LiveTable(Mask())
    made.take(message("raw", n, order(f"m{n}", properties={"x": "y" * 9_000})) for n in range(500))

    assert len(made.newest(ALL, 1)[0].text) <= 2_048


class Came:
    """A message as the client gives it."""

    def __init__(self, number: int, size: int) -> None:
        self.number, self.size = number, size

    def value(self) -> bytes:
        return b"x" * self.size


def test_what_comes_between_two_looks_is_bounded_by_count_and_bytes_and_counted() -> None:
    many: Any = NewestMessages()
    large: Any = NewestMessages(10, 1_000)
    for number in range(BUDGET + 5):
        many.add(Came(number, 1))
        large.add(Came(number, 300))

    assert (many.seen, len(many), many.bytes) == (BUDGET + 5, BUDGET, BUDGET)
    assert [one.number for one in large] == [BUDGET + 2, BUDGET + 3, BUDGET + 4]
    large.add(Came(-1, 5_000))
    assert [one.number for one in large] == [-1]
    assert AHEAD["queued.max.messages.kbytes"] * 1024 <= MOST_BYTES  # what librdkafka may hold for us besides
    assert AHEAD["fetch.max.bytes"] <= MOST_BYTES


async def test_a_browser_that_is_slow_loses_the_oldest_and_is_told_how_many() -> None:
    watcher = Watcher()
    for number in range(QUEUED + 2):
        watcher.put(orjson.dumps({"rows": [number]}), 10)

    assert orjson.loads(await watcher.next()) == {"rows": [2], "skipped": 20}
    assert orjson.loads(await watcher.next()) == {"rows": [3]}
