"""The rate of a key: steady, exact about the wait, and no batch too large to ever pass."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.gateway.rate import Buckets

KEY, OTHER = b"key", b"other"


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_rate_nobody_waits() -> None:
    buckets = Buckets(None)
    buckets.spend(KEY, 10**9)
    assert buckets.wait(KEY) == 0


def test_a_batch_larger_than_the_bucket_passes_once_and_is_paid_for() -> None:
    clock = Clock()
    buckets = Buckets(10, clock)
    assert buckets.wait(KEY) == 0
    buckets.spend(KEY, 100)
    assert buckets.wait(KEY) == 9.1
    clock.now = 9.1
    assert buckets.wait(KEY) == 0


def test_keys_do_not_share_a_bucket() -> None:
    buckets = Buckets(10, Clock())
    buckets.spend(KEY, 100)
    assert buckets.wait(OTHER) == 0


@given(st.integers(1, 50), st.lists(st.tuples(st.floats(0, 2), st.integers(1, 30)), max_size=40))
def test_no_more_passes_than_rate_and_burst_allow(rate: int, requests: list[tuple[float, int]]) -> None:
    """Over any run: events admitted before the last request <= burst + rate x time."""
    clock = Clock()
    buckets = Buckets(rate, clock)
    admitted = last = 0
    for pause, events in requests:
        clock.now += pause
        if buckets.wait(KEY) == 0:
            buckets.spend(KEY, events)
            admitted += events
            last = events
    assert admitted - last <= rate + rate * clock.now + 1e-6


@given(st.integers(1, 50), st.integers(1, 500))
def test_waiting_as_told_is_enough(rate: int, events: int) -> None:
    clock = Clock()
    buckets = Buckets(rate, clock)
    buckets.spend(KEY, events)
    clock.now += buckets.wait(KEY) + 1e-6
    assert buckets.wait(KEY) == 0
