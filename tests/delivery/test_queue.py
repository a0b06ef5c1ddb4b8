"""Requests take events in order, within their bounds, and keep a profile's events in line where that is asked for."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from router.delivery.item import QueuedEvent
from router.delivery.queue import DeliveryQueue
from tests.delivery.items import item

MANY = 1 << 30
SIZES = st.lists(st.tuples(st.integers(1, 300), st.integers(1, 20)), max_size=40)


def numbers(items: list[QueuedEvent]) -> list[int]:
    return [one.offset for one in items]


def filled(*items: QueuedEvent, ordered: bool = False) -> DeliveryQueue:
    queue = DeliveryQueue(ordered=ordered)
    for one in items:
        queue.push(one)
    return queue


def test_a_request_takes_what_is_there_within_count_and_bytes() -> None:
    """One event goes in any case, however large."""
    queue = filled(*[item(number, size=100) for number in range(6)])

    assert numbers(queue.take(0, 3, MANY, 0)) == [0, 1, 2]
    assert numbers(queue.take(0, 3, 250, 0)) == [3, 4]
    assert numbers(queue.take(0, 3, 1, 0)) == [5]
    assert queue.take(0, 3, MANY, 0) == []


def test_a_request_waits_to_fill_until_its_first_event_is_old_enough() -> None:
    """Count or bytes end the wait as well."""
    queue = filled(item(0, taken=10.0), item(1, taken=10.1))

    assert queue.take(10.15, 3, MANY, 0.2) == []
    assert queue.ripe(3, MANY, 0.2) == 10.2
    assert queue.ripe(2, MANY, 0.2) == 0.0
    assert queue.ripe(3, 200, 0.2) == 0.0
    assert numbers(queue.take(10.2, 3, MANY, 0.2)) == [0, 1]


def test_failed_events_come_when_they_are_due_and_before_new_ones() -> None:
    """The oldest first."""
    queue = filled(item(3))
    queue.put_off(item(1), 20.0)
    queue.put_off(item(2), 15.0)

    queue.wake(14.0)
    assert queue.due == 15.0
    queue.wake(20.0)

    assert numbers(queue.take(20, 9, MANY, 0)) == [2, 1, 3]
    assert queue.due is None


def test_an_event_that_is_to_go_in_smaller_requests_does() -> None:
    """Down to one alone: how a bad event is found in a batch."""
    items = [item(number) for number in range(4)]
    queue = filled(*items)
    batch = queue.take(0, 4, MANY, 0)
    for one in batch:
        one.most = 2
    queue.put_back(batch)

    assert numbers(queue.take(0, 4, MANY, 5.0)) == [0, 1]
    items[2].most = 1
    assert numbers(queue.take(0, 4, MANY, 5.0)) == [2]


def test_a_batch_that_comes_again_is_the_same_batch() -> None:
    """Under the same idempotency key: nothing joins, nothing is left out, no wait."""
    queue = filled(item(9))
    for number in (1, 2):
        one = item(number)
        one.group = 7
        queue.put_off(one, 5.0)
    queue.wake(5.0)

    assert numbers(queue.take(5.0, 100, MANY, 60.0)) == [1, 2]


def test_profiles_keep_their_order() -> None:
    """The next event of a profile goes only when the one before is final, in a request that has no other of it."""
    queue = filled(*[item(number, lane=b"ab"[number % 2 : number % 2 + 1]) for number in range(6)], ordered=True)

    first = queue.take(0, 9, MANY, 0)
    assert numbers(first) == [0, 1]
    assert queue.take(0, 9, MANY, 0) == []
    queue.put_off(first[0], 99.0)
    queue.done(first[1])
    assert numbers(queue.take(0, 9, MANY, 0)) == [3]
    queue.wake(99.0)
    assert numbers(queue.take(99, 9, MANY, 0)) == [0]
    assert len(queue) == 3


def test_events_without_a_profile_are_in_nobodys_way() -> None:
    """No key, no order to keep."""
    queue = filled(item(0), item(1), ordered=True)

    assert numbers(queue.take(0, 9, MANY, 0)) == [0, 1]


def test_a_probe_takes_the_least_tried_event() -> None:
    """So that one bad event cannot fail every probe; due or not."""
    tried, fresh = item(0), item(1)
    tried.attempts = 3
    queue = filled(tried, fresh)
    assert queue.pick() is fresh
    later = item(2)
    later.attempts = 2
    queue.put_off(later, 1e9)

    assert queue.pick() is later
    assert queue.pick() is tried
    assert queue.pick() is None


def test_events_whose_time_is_over_are_taken_out() -> None:
    """Ready or not; those never tried have no time yet."""
    over, later, fresh = item(0), item(1), item(2)
    over.deadline = later.deadline = 10.0
    queue = filled(over, fresh)
    queue.put_off(later, 12.0)

    assert queue.expired(9.0) == []
    assert numbers(queue.expired(10.0)) == [0, 1]
    assert numbers(queue.take(10, 9, MANY, 0)) == [2]
    assert len(queue) == 0


@given(st.lists(st.sampled_from([b"a", b"b", b"c", None]), max_size=40), st.integers())
def test_each_profile_is_delivered_in_order_whatever_fails(keys: list[bytes | None], seed: int) -> None:
    """Every event exactly once, per profile in the order taken, at most one of a profile under way."""
    chance = random.Random(seed)
    queue = DeliveryQueue(ordered=True)
    waiting = [item(number, lane=key) for number, key in enumerate(keys)]
    under_way: list[QueuedEvent] = []
    finished: list[QueuedEvent] = []
    now = 0.0
    while waiting or under_way or len(queue):
        now += 0.1
        queue.wake(now)
        step = chance.choice(["push", "take", "end", "end"])
        if step == "push" and waiting:
            queue.push(waiting.pop(0))
        elif step == "take":
            under_way += queue.take(now, chance.randint(1, 5), MANY, 0)
        elif step == "end" and under_way:
            one = under_way.pop(chance.randrange(len(under_way)))
            result = chance.choice(["final", "final", "later", "again"])
            if result == "final":
                queue.done(one)
                finished.append(one)
            elif result == "later":
                queue.put_off(one, now + chance.uniform(0, 5))
            else:
                queue.put_back([one])
        busy = [one.ordering_key for one in under_way if one.ordering_key is not None]
        assert len(busy) == len(set(busy))

    assert sorted(numbers(finished)) == list(range(len(keys)))
    for key in (b"a", b"b", b"c"):
        mine = [one.offset for one in finished if one.ordering_key == key]
        assert mine == sorted(mine)


@given(SIZES, st.integers(1, 9), st.integers(1, 900))
def test_no_request_is_over_its_bounds(sizes: list[tuple[int, int]], count: int, size: int) -> None:
    """And none is smaller than it has to be."""
    items = [item(number, size=one) for number, (one, _) in enumerate(sizes)]
    for one, (_, most) in zip(items, sizes, strict=True):
        one.most = most
    queue = filled(*items)
    batches = []
    while batch := queue.take(0, count, size, 0):
        batches.append(batch)
        assert len(batch) <= min(count, *[one.most for one in batch])
        assert len(batch) == 1 or sum(one.size for one in batch) <= size

    assert numbers([one for batch in batches for one in batch]) == list(range(len(sizes)))
