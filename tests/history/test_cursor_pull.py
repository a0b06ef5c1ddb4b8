"""A pull with a cursor, without a broker: rows from the last value on, ties, kills at any batch, odd columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from router.config.models import Topology
from router.errors import RouterError
from router.history.cursor_pull import CursorPull
from router.history.history_import import BadRow
from router.history.intake import HistoryIntake
from router.history.pull import Pull
from router.history.pull_cursor import PullCursor
from router.history.pull_log import KnownRows, PullLog
from router.history.pull_steps import PullCounts, PullOutput
from router.history.pulled_rows import PulledRows
from router.kafka.cluster import Cluster
from router.replay.redrive import Pace
from tests.history.test_pull import MAP, Broker, Killed, topology

__all__ = ["topology"]


class Table:
    """Rows by id, pulled by a cursor in batches of three, from the state that a broker keeps."""

    def __init__(self, topology: Topology) -> None:
        self.broker, self.bad, self.asked = Broker(), list[BadRow](), 0
        self.rows: dict[Any, dict[str, Any]] = {}
        self._intake = HistoryIntake(topology, "crm", "events.raw", b"hook:crm")

    def put(self, name: Any, at: Any, plan: str = "free", n: Any = 1) -> None:
        self.rows[name] = {"id": name, "plan": plan, "n": n, "at": at}

    @property
    def known(self) -> KnownRows:
        state = self.broker.state
        cursor = PullCursor.of(state["cursor"]) if "cursor" in state else None
        return KnownRows(dict(self.broker.known), state["pulls"], state.get("at", 0), cursor)

    def answer(self, cursor: PullCursor) -> Iterator[tuple[Any, dict[str, Any]]]:
        """As the question of the cursor is answered."""
        above = [row for row in self.rows.values() if row["at"] is not None and row["at"] == row["at"]]
        if cursor.value is not None:
            above = [row for row in above if type(row["at"]) is not type(cursor.value) or row["at"] >= cursor.value]
        above.sort(key=lambda row: row["at"])
        odd = [row for row in self.rows.values() if row["at"] is None or row["at"] != row["at"]]
        self.asked = len(above) + len(odd)
        return ((row["at"], row) for row in above + odd)

    def pull(self, *, again: bool = False, whole: bool = False) -> PullCounts:
        output = PullOutput(self.broker, PullLog(Cluster(""), "shop.pulls", "crm"), Pace(None, float, float), rows=3)
        self.bad = []
        known = self.known
        if again:
            output.forget(known)
        steps = PulledRows("crm", ("id",), MAP, {}), known, self._intake, output, self.bad.extend, lambda: False
        if whole:
            return Pull(*steps).run(self.rows.values())
        cursor = known.cursor or PullCursor("at")
        return CursorPull(cursor, *steps).run(self.answer(cursor))

    @property
    def sent(self) -> list[tuple[str, str]]:
        return [(event["userId"], event["traits"]["plan"]) for event in self.broker.events]

    def ids(self) -> int:
        return len({event["messageId"] for event in self.broker.events})


@pytest.fixture
def table(topology: Topology) -> Table:
    return Table(topology)


def test_only_rows_from_the_last_value_on_are_asked_for_and_ties_are_sent_once(table: Table) -> None:
    for number in range(8):
        table.put(f"c{number}", number // 2)
    first = table.pull()
    assert (first.changed, first.unchanged, first.complete) == (8, 0, True)
    assert len(table.broker.known) == 2  # the rows of the last value, and no other

    second = table.pull()
    assert (second.changed, second.unchanged, table.asked) == (0, 2, 2)
    table.put("c8", 3)  # a tie that came later
    table.put("c0", 4, "gold")
    third = table.pull()
    assert (third.changed, third.unchanged, table.asked) == (2, 2, 4)
    assert table.sent[8:] == [("c8", "free"), ("c0", "gold")]
    table.put("c0", 5)  # back to what it was
    assert table.pull().changed == 1
    assert len(table.broker.known) == 1
    assert table.ids() == len(table.broker.events) == 11


def test_a_kill_at_any_write_leaves_each_row_once_whatever_comes_meanwhile(topology: Topology) -> None:
    for dies_in in range(1, 8):
        table = Table(topology)
        for number, at in enumerate((1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3)):
            table.put(f"c{number}", at)
        table.broker.dies_in = dies_in
        try:
            table.pull()
        except Killed:
            table.put("c11", 3)
            table.put("c0", 3, "gold")
        table.pull()
        table.pull()

        per_row = Counter(table.sent)
        assert set(per_row.values()) == {1}, dies_in
        assert {(name, row["plan"]) for name, row in table.rows.items()} <= set(per_row)
        assert len(table.broker.known) == sum(row["at"] == 3 for row in table.rows.values())
        assert table.ids() == len(table.broker.events)


def test_a_row_that_is_touched_and_not_changed_is_not_sent_while_it_is_known(table: Table) -> None:
    table.put("c0", 1)
    table.pull()
    table.put("c0", 2)
    assert (table.pull().unchanged, table.sent) == (1, [("c0", "free")])


def test_a_row_twice_in_one_answer(table: Table) -> None:
    """A key that two rows of one value have is bad; with two values it is two changes, in their order."""
    table.put("c0", 1, "gold")
    rows = [(1, {"id": "a", "plan": plan, "n": 1}) for plan in ("free", "gold")]
    nobody: dict[str, Any] = {"id": None, "plan": "x", "n": 1}
    rows += [(2, {"id": "a", "plan": "gold", "n": 1}), (2, nobody)]
    table.answer = lambda cursor: iter(rows)  # type: ignore[method-assign]
    table.pull()
    assert table.sent == [("a", "free"), ("a", "gold")]
    assert [(bad.line, bad.reason) for bad in table.bad] == [
        (2, "expected a key that no other row has, got that of row 1"),
        (4, "expected a value in each column of the key, got none"),
    ]


def test_rows_without_a_value_are_bad_each_time(table: Table) -> None:
    table.put("c0", 1.5)
    table.put("c1", None)
    table.put("c2", float("nan"))
    table.put("c3", 1.5, n="many")
    for _ in range(2):
        assert table.pull().bad == 3
        assert {bad.reason for bad in table.bad} == {
            "at: expected a value of the cursor, got none",
            "at: expected a value of the cursor, got no finite number",
            "traits.n: expected a number",
        }
    assert table.sent == [("c0", "free")]


def test_a_cursor_that_goes_backwards_is_refused_until_it_begins_again(table: Table) -> None:
    table.put("c0", 1)
    table.put("c1", 5)
    table.pull()
    table.rows.clear()
    table.put("c0", 1)  # as of yesterday: the database was restored
    with pytest.raises(
        RouterError, match=r"crm.settings.cursor: expected values of at at or above the last, got no row"
    ):
        table.pull()
    assert table.pull(again=True).changed == 1
    assert table.ids() == len(table.broker.events) == 3

    falling = [(2, {"id": "a", "plan": "x", "n": 1}), (1, {"id": "b", "plan": "x", "n": 1})]
    table.answer = lambda cursor: iter(falling)  # type: ignore[method-assign]
    with pytest.raises(RouterError, match="got a lower one in row 2"):
        table.pull()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (True, "expected a column of numbers, times or texts, got another type in at"),
        ([1], "expected a column of numbers, times or texts, got another type in at"),
        ("5", "expected integer, as the last value is, got text: `router pull crm --again`"),
    ],
)
def test_a_column_that_is_no_cursor_is_refused(table: Table, value: Any, problem: str) -> None:
    table.put("c0", 5)
    table.pull()
    table.rows.clear()
    table.put("c1", value)
    with pytest.raises(RouterError, match=problem):
        table.pull()


def test_what_was_pulled_whole_is_not_sent_again_with_a_cursor(table: Table) -> None:
    for number in range(5):
        table.put(f"c{number}", number)
    table.pull(whole=True)
    table.put("c1", 9, "gold")
    counts = table.pull()
    assert (counts.changed, counts.unchanged) == (1, 4)
    assert len(table.broker.known) == 1
    table.pull(whole=True)
    assert "cursor" not in table.broker.state  # if it is used again, it begins with the first row
    assert Counter(table.sent) == {("c1", "free"): 1, ("c1", "gold"): 1} | {(f"c{n}", "free"): 2 for n in (0, 2, 3, 4)}


VALUES = [
    7, 2**70, 0.1, Decimal("1.10"), "a'b", date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, 678901),  # noqa: DTZ001
    datetime(2026, 1, 2, 3, 4, 5, 1, UTC), UUID(int=7),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_is_kept_exactly(value: Any) -> None:
    cursor = PullCursor.of(PullCursor("at", value).as_dict())
    assert cursor == PullCursor("at", value)
    assert type(cursor.value) is type(value)


def test_the_question_is_shown_as_a_person_would_ask_it() -> None:
    sql = "SELECT '$1' AS price -- of all;\nFROM t;\n"
    assert PullCursor('up"at').question(sql) == (
        "SELECT * FROM (\nSELECT '$1' AS price -- of all;\nFROM t\n) AS pulled\nORDER BY \"up\"\"at\" NULLS LAST", ()
    )  # fmt: skip
    shown = PullCursor("at", date(2026, 1, 2)).shown(sql)
    assert "SELECT '$1' AS price" in shown
    assert '\nWHERE "at" >= \'2026-01-02\' OR "at" IS NULL\nORDER BY' in shown
    assert PullCursor("n", 7).shown(sql).count(">= 7 OR") == 1
