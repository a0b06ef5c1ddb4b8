"""Dedupe: first seen wins, exactly, within a sliding window, whatever the batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.agents.batch import Batch
from router.agents.dedupe import Dedupe, dedupe_key, key_of_blocked, key_prefix, mark_of
from router.agents.events import Events
from router.dedupe.window import MARK_BYTES, NO_MARK, First
from router.events.event import Event
from tests.agents.messages import AT, event, track

WINDOW = 86_400_000
SOURCES = ("web", "app")


class Seen(dict[bytes, First]):
    """The committed window as a dict."""

    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[First | None]:
        return [self.get(key) for key in keys]


def commit(seen: Seen, batch: Batch) -> None:
    seen.update({key: (at, mark) for key, at, mark in batch.rows()})


def passing(dedupe: Dedupe, events: list[Event], batch: Batch) -> list[Event]:
    """Those that go on."""
    return list(dedupe.process(Events.of(events), batch).objects.values())


def sent(message_id: str, received: int = AT, source: str = "web") -> Event:
    return event(track(message_id), received=received, source=source)


def expected(events: list[Event]) -> list[Event]:
    """The law, said simply: an event passes unless its id was first received less than a window ago."""
    first: dict[tuple[str, str], int] = {}
    passed = []
    for one in events:
        id_ = (one.source, one.body["messageId"])
        if id_ not in first or one.received - first[id_] >= WINDOW:
            first[id_] = one.received
            passed.append(one)
    return passed


ARRIVALS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, WINDOW), st.sampled_from(SOURCES), st.booleans()), max_size=40
)


@given(ARRIVALS)
def test_exactly_the_first_of_each_id_within_the_window_passes(arrivals: list[tuple[str, int, str, bool]]) -> None:
    """For any arrivals, cut into batches anywhere, committed late or at once, the outcome is the law's."""
    seen = Seen()
    dedupe = Dedupe(seen, WINDOW)
    before = Batch()
    at = AT
    events: list[Event] = []
    passed: list[Event] = []
    batch: list[Event] = []

    def flush() -> None:
        nonlocal before
        current = Batch(pending=before.fresh)
        passed.extend(passing(dedupe, batch, current))
        commit(seen, before)  # the batch before is committed while this one was prepared
        before = current
        batch.clear()

    for message_id, wait, source, cut in arrivals:
        at += wait
        one = sent(message_id, at, source)
        events.append(one)
        batch.append(one)
        if cut:
            flush()
    flush()

    assert passed == expected(events)


def test_the_window_slides_from_the_first_receive_time() -> None:
    """A repeat does not prolong the window: a day after the first, the id is new."""
    dedupe = Dedupe(Seen(), WINDOW)

    passed = passing(dedupe, [sent("m", AT + d) for d in (0, WINDOW - 1, WINDOW, 2 * WINDOW - 1)], Batch())

    assert [one.received - AT for one in passed] == [0, WINDOW]


def test_what_passes_is_remembered_in_order_with_its_lane() -> None:
    dedupe, batch = Dedupe(Seen(), WINDOW), Batch()
    events = [prepared(dedupe, source) for source in ("web", "app", "web")]
    for lane, one in enumerate(events):
        one.lane = lane
    passing(dedupe, events, batch)

    assert list(batch.rows()) == [(one.digest, AT, one.mark) for one in events[:2]]
    assert batch.row_lanes == [0, 1]
    whole = Batch()
    for part in (batch, batch):
        whole.merge(part)
    assert list(whole.rows()) == 2 * list(batch.rows())
    assert whole.row_lanes == [0, 1, 0, 1]


def test_sources_do_not_share_ids() -> None:
    """One source cannot suppress another's events."""
    dedupe = Dedupe(Seen(), WINDOW)

    assert len(passing(dedupe, [sent("m"), sent("m", source="app")], Batch())) == 2


def test_a_blocked_event_is_remembered_by_a_key_of_its_own() -> None:
    """A corrected resend of a blocked event passes; a second blocked copy does not."""
    dedupe = Dedupe(Seen(), WINDOW)
    batch = Batch()
    blocked = [sent("m"), sent("m")]
    for one in blocked:
        one.digest = key_of_blocked(one.digest)

    assert len(passing(dedupe, blocked, batch)) == 1
    assert len(passing(dedupe, [sent("m")], batch)) == 1
    assert batch.ended["duplicate"] == {0: 1}


def prepared(dedupe: Dedupe, source: str = "web", type_: str = "track", name: str = "Order Completed") -> Event:
    made = sent("m", source=source)
    dedupe.compile((source, type_, name))(made)
    return made


def reasons(batch: Batch) -> dict[str, int]:
    return {labels[2]: number for (_, labels), number in batch.counts.items()}


SAME, RENAMED, PAGE = ("track", "Order Completed"), ("track", "Order Refunded"), ("page", "")


@pytest.mark.parametrize("known_by", ["batch", "pending", "window"])
def test_a_repeat_under_another_type_or_event_is_dropped_and_counted_apart(known_by: str) -> None:
    """Wherever the first is known from: the same batch, one that is not committed yet, the window."""
    seen, batch = Seen(), Batch()
    dedupe = Dedupe(seen, WINDOW)
    first = Batch()
    passing(dedupe, [prepared(dedupe)], first)
    if known_by == "batch":
        batch = first
    elif known_by == "pending":
        batch = Batch(pending=first.fresh)
    else:
        commit(seen, first)

    passed = passing(dedupe, [prepared(dedupe, "web", *of) for of in (SAME, RENAMED, PAGE, SAME)], batch)

    assert passed == []
    assert batch.ended["duplicate"] == {0: 4}
    assert reasons(batch) == {"repeat": 2, "other_event": 2}


def test_of_an_id_from_before_there_were_marks_a_repeat_is_a_repeat() -> None:
    """It is not known what the first one was."""
    seen, batch = Seen(), Batch()
    dedupe = Dedupe(seen, WINDOW)
    seen[prepared(dedupe).digest] = (AT, b"")

    assert passing(dedupe, [prepared(dedupe, "web", *PAGE)], batch) == []
    assert reasons(batch) == {"repeat": 1}


def test_an_event_that_a_rule_renames_keeps_the_mark_of_the_name_it_came_with() -> None:
    """A rule that comes into force between an event and its repeat does not make them two events."""
    dedupe = Dedupe(Seen(), WINDOW)
    renamed = prepared(dedupe)
    dedupe.compile(("web", *RENAMED))(renamed)

    assert renamed.mark == mark_of(*SAME) != mark_of(*RENAMED)


@given(st.text(), st.text())
def test_marks_are_two_bytes_and_none_is_that_of_an_unknown_event(type_: str, name: str) -> None:
    assert len(mark_of(type_, name)) == MARK_BYTES
    assert mark_of(type_, name) != NO_MARK


@pytest.mark.parametrize(("across", "passed"), [(False, 2), (True, 1)])
def test_with_scope_all_a_repeat_is_found_across_sources(across: bool, passed: int) -> None:
    dedupe = Dedupe(Seen(), WINDOW, across=across)

    assert len(passing(dedupe, [prepared(dedupe, "web"), prepared(dedupe, "app")], Batch())) == passed


@given(st.text(), st.text())
def test_keys_differ_when_sources_or_ids_differ(one: str, other: str) -> None:
    """Keys are 16 bytes and depend on source, id, and whether the event is blocked."""
    keys = {dedupe_key(key_prefix(source), id_) for source in SOURCES for id_ in {one, other}}
    keys |= {key_of_blocked(key) for key in keys}

    assert len(keys) == 4 * len({one, other})
    assert {len(key) for key in keys} == {16}
