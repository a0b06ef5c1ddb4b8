"""Requests take events in order, within their bounds, and keep a profile's events in line where that is asked for."""

from __future__ import annotations

import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from router.delivery.item import QueuedEvent
from router.delivery.queue import LIVE_IN_A_ROW, DeliveryQueue, QueuedBatch
from tests.delivery.items import item

MANY = 1 << 30
SIZES = st.lists(st.integers(1, 300), max_size=40)


def numbers(events: Iterable[QueuedEvent]) -> list[int]:
    return [one.offset for one in events]


def filled(*items: QueuedEvent, ordered: bool = False) -> DeliveryQueue:
    queue = DeliveryQueue(ordered=ordered)
    for one in items:
        queue.push(one)
    return queue


def taken(queue: DeliveryQueue, now: float, count: int, size: int, age: float) -> list[int]:
    batch = queue.take(now, count, size, age)
    return numbers(batch.events) if batch is not None else []


def test_a_request_takes_what_is_there_within_count_and_bytes() -> None:
    """One event goes in any case, however large."""
    queue = filled(*[item(number, size=100) for number in range(6)])

    assert taken(queue, 0, 3, MANY, 0) == [0, 1, 2]
    assert taken(queue, 0, 3, 250, 0) == [3, 4]
    assert taken(queue, 0, 3, 1, 0) == [5]
    assert taken(queue, 0, 3, MANY, 0) == []


def test_a_request_waits_to_fill_until_its_first_event_is_old_enough() -> None:
    """Count or bytes end the wait as well."""
    queue = filled(item(0, taken=10.0), item(1, taken=10.1))

    assert taken(queue, 10.15, 3, MANY, 0.2) == []
    assert queue.ready_at(3, MANY, 0.2) == 10.2
    assert queue.ready_at(2, MANY, 0.2) == 0.0
    assert queue.ready_at(3, 200, 0.2) == 0.0
    assert taken(queue, 10.2, 3, MANY, 0.2) == [0, 1]


def test_live_events_go_before_those_of_a_replay_and_share_no_request_with_them() -> None:
    queue = filled(*[item(number, replay="r1" if number < 4 else "") for number in range(8)])

    assert queue.ready_at(3, MANY, 0) == 0.0
    batches = [batch.events for _ in range(5) if (batch := queue.take(0, 3, MANY, 0, 2))]
    assert [numbers(events) for events in batches] == [[4, 5, 6], [7], [0, 1], [2, 3]]


def test_without_room_for_a_replay_its_events_wait() -> None:
    queue = filled(item(1, replay="r1"))

    assert queue.take(0, 3, MANY, 0) is None
    assert queue.ready_at(3, MANY, 0) is None
    assert queue.ready_at(3, MANY, 0, 1) == 0.0


def test_a_replay_is_not_starved_by_live_events() -> None:
    """What it has taken holds back the commit of its partition."""
    queue = filled(*[item(number, replay="r1" if number < 2 else "") for number in range(40)])

    order = [batch.events[0].offset for _ in range(17) if (batch := queue.take(0, 1, MANY, 0, 1))]
    assert [order.index(0), order.index(1)] == [LIVE_IN_A_ROW, 2 * LIVE_IN_A_ROW + 1]


def test_a_replay_keeps_an_order_of_its_own_for_each_profile() -> None:
    """A live event of the same person does not wait for it, nor it for a live one."""
    events = [item(0, lane=b"p", replay="r1"), item(1, lane=b"p", replay="r1"), item(2, lane=b"p"), item(3, lane=b"p")]
    queue = filled(*events, ordered=True)

    assert [numbers(batch.events) for _ in range(3) if (batch := queue.take(0, 9, MANY, 0, 9))] == [[2], [0]]
    for one in (events[0], events[2]):
        queue.done(one)
    assert [numbers(batch.events) for _ in range(3) if (batch := queue.take(0, 9, MANY, 0, 9))] == [[3], [1]]


def test_a_request_carries_events_of_one_batch_key() -> None:
    """Each key fills a request of its own; the one that has waited longest goes first, and none starves."""
    items = [item(number, taken=10.0 + number) for number in range(6)]
    for one in items:
        one.batch_key = "ab"[one.offset % 2]
    queue = filled(*items)

    assert queue.ready_at(9, MANY, 5.0) == 15.0
    assert taken(queue, 20, 2, MANY, 0) == [0, 2]
    assert taken(queue, 20, 2, MANY, 0) == [1, 3]
    assert taken(queue, 20, 2, MANY, 0) == [4]
    assert taken(queue, 20, 2, MANY, 0) == [5]


def test_failed_events_come_when_they_are_due_and_before_new_ones() -> None:
    """The oldest first."""
    queue = filled(item(3))
    queue.put_off(QueuedBatch([item(1)]), 20.0)
    queue.put_off(QueuedBatch([item(2)]), 15.0)

    queue.wake(14.0)
    assert queue.due == 15.0
    queue.wake(20.0)

    assert taken(queue, 20, 9, MANY, 0) == [2, 1, 3]
    assert queue.due is None


def test_a_batch_that_comes_again_is_the_same_batch() -> None:
    """Under the same idempotency key: nothing joins, nothing is left out, no wait, and no part of it goes ahead."""
    queue = filled(item(9))
    again = QueuedBatch([item(1), item(2)], whole=True)
    queue.put_off(again, 5.0)
    queue.wake(5.0)

    assert queue.take(5.0, 1, MANY, 60.0) is None
    assert queue.ready_at(1, MANY, 60.0) is None
    assert queue.take(5.0, 100, MANY, 60.0) is again


def test_parts_of_a_batch_go_at_once_and_one_by_one() -> None:
    """How a bad event is found."""
    queue = filled(item(9))
    queue.put_back([QueuedBatch([item(0), item(1)], whole=True), QueuedBatch([item(2)], whole=True)])

    assert queue.ready_at(4, MANY, 5.0) == 0.0
    assert taken(queue, 0, 4, MANY, 5.0) == [0, 1]
    assert taken(queue, 0, 4, MANY, 5.0) == [2]
    assert taken(queue, 0, 4, MANY, 5.0) == []


def test_profiles_keep_their_order() -> None:
    """The next event of a profile goes only when the one before is final, in a request that has no other of it."""
    items = [item(number, lane=b"ab"[number % 2 : number % 2 + 1]) for number in range(6)]
    queue = filled(*items, ordered=True)

    assert taken(queue, 0, 9, MANY, 0) == [0, 1]
    assert taken(queue, 0, 9, MANY, 0) == []
    queue.put_off(QueuedBatch([items[0]]), 99.0)
    queue.done(items[1])
    assert taken(queue, 0, 9, MANY, 0) == [3]
    queue.wake(99.0)
    assert taken(queue, 99, 9, MANY, 0) == [0]
    assert len(queue) == 3


def test_events_without_a_profile_are_in_nobodys_way() -> None:
    """No key, no order to keep."""
    assert taken(filled(item(0), item(1), ordered=True), 0, 9, MANY, 0) == [0, 1]


def test_a_probe_takes_the_least_tried_event() -> None:
    """So that one bad event cannot fail every probe; due or not."""
    tried, fresh = item(0), item(1)
    tried.attempts = 3
    queue = filled(tried, fresh)
    first = queue.pick()
    assert first is not None
    assert first.events == [fresh]
    later, alone = item(2), item(3)
    later.attempts, alone.attempts = 2, 4
    queue.put_off(QueuedBatch([later, item(4)], whole=True), 1e9)
    queue.put_back([single := QueuedBatch([alone], whole=True)])

    picked = [queue.pick() for _ in range(5)]
    assert [numbers(one.events) for one in picked if one is not None] == [[4], [2], [0], [3]]
    assert picked[3] is single
    assert not queue


def test_events_whose_time_is_over_are_taken_out() -> None:
    """Ready or not; those never tried have no time yet."""
    over, later, fresh = item(0), item(1), item(2)
    over.deadline = later.deadline = 10.0
    queue = filled(over, fresh)
    queue.put_off(QueuedBatch([later, item(3)], whole=True), 12.0)

    assert queue.expired(9.0) == []
    assert numbers(queue.expired(10.0)) == [0, 1]
    assert taken(queue, 10, 9, MANY, 0) == [2]
    queue.wake(12.0)
    assert taken(queue, 12, 9, MANY, 0) == [3]
    assert len(queue) == 0


@given(st.lists(st.sampled_from([b"a", b"b", b"c", None]), max_size=40), st.integers())
def test_each_profile_is_delivered_in_order_whatever_fails(keys: list[bytes | None], seed: int) -> None:
    """Every event exactly once, per profile in the order taken, at most one of a profile under way."""
    chance = random.Random(seed)
    queue = DeliveryQueue(ordered=True)
    waiting = [item(number, lane=key) for number, key in enumerate(keys)]
    for one in waiting:
        one.batch_key = chance.choice("xy")
    under_way: list[QueuedBatch] = []
    finished: list[QueuedEvent] = []
    now = 0.0
    while waiting or under_way or queue:
        now += 0.1
        queue.wake(now)
        step = chance.choice(["push", "take", "pick", "end", "end"])
        if step == "push" and waiting:
            queue.push(waiting.pop(0))
        elif step in ("take", "pick"):
            batch = queue.pick() if step == "pick" else queue.take(now, chance.randint(1, 5), MANY, 0)
            under_way += [batch] if batch is not None else []
        elif step == "end" and under_way:
            finished += _ended(queue, under_way.pop(chance.randrange(len(under_way))), chance, now)
        busy = [one.ordering_key for batch in under_way for one in batch.events if one.ordering_key is not None]
        assert len(busy) == len(set(busy))
        assert all(len({one.batch_key for one in batch.events}) == 1 for batch in under_way)

    assert sorted(numbers(finished)) == list(range(len(keys)))
    for key in (b"a", b"b", b"c"):
        mine = [one.offset for one in finished if one.ordering_key == key]
        assert mine == sorted(mine)


def _ended(queue: DeliveryQueue, batch: QueuedBatch, chance: random.Random, now: float) -> list[QueuedEvent]:
    """The batch fares somehow; what of it is final."""
    result = chance.choice(["final", "final", "later", "apart", "again"])
    if result == "final":
        for one in batch.events:
            queue.done(one)
        return list(batch.events)
    if result == "again":
        queue.put_back([batch])
    else:
        parts = [batch] if result == "later" else [QueuedBatch([one]) for one in batch.events]
        for part in parts:
            part.whole = result == "later"
            queue.put_off(part, now + chance.uniform(0, 5))
    return []


@given(SIZES, st.integers(1, 9), st.integers(1, 900))
def test_no_request_is_over_its_bounds(sizes: list[int], count: int, size: int) -> None:
    """And none is smaller than it has to be."""
    queue = filled(*[item(number, size=one) for number, one in enumerate(sizes)])
    seen: list[int] = []
    while batch := queue.take(0, count, size, 0):
        seen += numbers(batch.events)
        total = sum(one.size for one in batch.events)
        assert len(batch) == 1 or (len(batch) <= count and total <= size)
        following = sizes[len(seen)] if len(seen) < len(sizes) else None
        assert following is None or len(batch) == count or total + following > size

    assert seen == list(range(len(sizes)))
