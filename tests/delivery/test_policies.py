"""Retry, rate and breaker keep their bounds for any course of events."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Histogram

from router.delivery.circuit_breaker import THRESHOLD, CircuitBreaker, JitteredBackoff
from router.delivery.latency import LatencyWindow, observe_all
from router.delivery.rate import BURST_SECONDS, LOWEST, Rate
from tests.delivery.clock import Clock


def test_the_wait_doubles_from_ten_seconds_to_five_minutes() -> None:
    """The bound of each wait."""
    backoff = JitteredBackoff(10.0, 300.0)

    assert [backoff.bound(failures) for failures in range(1, 8)] == [10, 20, 40, 80, 160, 300, 300]


@given(st.integers(1, 10_000), st.integers())
def test_waits_stay_within_their_bound(failures: int, seed: int) -> None:
    """Full jitter: from nothing to the bound; a pause never ends at once."""
    backoff = JitteredBackoff(10.0, 300.0, random.Random(seed))

    assert 0 <= backoff.delay(failures) <= backoff.bound(failures) <= 300
    assert backoff.bound(failures) / 2 <= backoff.pause(failures) <= backoff.bound(failures)


def test_jitter_spreads_over_the_whole_bound() -> None:
    """What failed together does not come back together."""
    waits = [JitteredBackoff(10.0, 300.0, random.Random(seed)).delay(1) for seed in range(400)]

    assert 4 < statistics.mean(waits) < 6
    assert min(waits) < 1 < 9 < max(waits)


REQUESTS = st.lists(st.tuples(st.floats(0, 2), st.integers(1, 20)), max_size=80)


@given(st.floats(0.5, 500), REQUESTS)
def test_the_rate_is_never_exceeded_over_any_span(limit: float, requests: list[tuple[float, int]]) -> None:
    """Events in any span are at most what the limit, the burst and one request more allow."""
    clock = Clock()
    rate = Rate(limit, clock)
    sent: list[tuple[float, int]] = []
    for pause, events in requests:
        clock.go(pause)
        if rate.wait() == 0:
            rate.spend(events)
            sent.append((clock(), events))
    largest = max((events for _, events in sent), default=0)
    for first in range(len(sent)):
        total = 0
        for at, events in sent[first:]:
            total += events
            assert total <= limit * (at - sent[first][0] + BURST_SECONDS) + 1 + largest + 1e-6


@given(st.floats(0.5, 500), st.integers(1, 50))
def test_waiting_as_long_as_told_is_enough(limit: float, events: int) -> None:
    """No caller has to guess."""
    clock = Clock()
    rate = Rate(limit, clock)
    rate.spend(events)

    clock.go(rate.wait() + 1e-9)

    assert rate.wait() == pytest.approx(0, abs=1e-6)


@given(st.floats(40, 500), st.lists(st.floats(0, 0.2), max_size=40))
def test_what_is_spared_makes_no_other_event_wait(limit: float, pauses: list[float]) -> None:
    """A replay takes what it may at any time: two events more may go at once all the same."""
    clock = Clock()
    rate = Rate(limit, clock)
    for pause in pauses:
        clock.go(pause)
        rate.spend(rate.spare())
        assert rate.wait() == 0
    rate.spend(1)
    assert rate.wait() == 0


def test_a_slow_rate_has_something_to_spare_once_its_burst_is_full() -> None:
    clock = Clock()
    rate = Rate(2.0, clock)
    assert rate.spare() == 1
    rate.spend(1)
    assert rate.spare() == 0
    clock.go(0.5)
    assert rate.spare() == 1
    assert Rate(None, clock).spare() > 1_000_000


def test_no_limit_never_waits() -> None:
    """The common case."""
    rate = Rate(None, Clock())
    rate.spend(100_000)

    assert rate.wait() == 0


def busy(rate: Rate, clock: Clock, speed: int, seconds: int) -> None:
    for _ in range(seconds * 10):
        clock.go(0.1)
        rate.wait()
        rate.spend(speed // 10)


def test_a_429_cuts_the_rate_once_a_second() -> None:
    """To 70 % of what was being sent; a burst of answers to what was under way counts once."""
    clock = Clock()
    rate = Rate(None, clock)
    busy(rate, clock, 1000, 3)

    for _ in range(20):
        rate.throttled()
    first = rate.limit

    assert first is not None
    assert first == pytest.approx(700, rel=0.1)
    clock.go(1.05)
    rate.throttled()
    assert rate.limit is not None
    assert rate.limit < first


def test_a_cut_rate_recovers_to_what_is_configured() -> None:
    """And not beyond."""
    clock = Clock()
    rate = Rate(200.0, clock)
    busy(rate, clock, 200, 3)
    rate.throttled()
    assert rate.limit == pytest.approx(140, rel=0.1)

    clock.go(60)
    rate.wait()

    assert rate.limit == 200.0


def test_without_a_configured_rate_the_cut_is_lifted_in_the_end() -> None:
    """A 429 of long ago limits nothing."""
    clock = Clock()
    rate = Rate(None, clock)
    rate.throttled()
    assert rate.limit is not None

    clock.go(120)
    rate.wait()

    assert rate.limit is None


def test_nothing_goes_before_the_partner_wants_it() -> None:
    """Retry-After closes the tap for all events."""
    clock = Clock()
    rate = Rate(None, clock)

    rate.close(7.0)

    assert rate.wait() == pytest.approx(7)
    clock.go(7.1)
    clock.go(rate.wait())
    assert rate.wait() == 0


@given(st.lists(st.floats(0, 3), max_size=60))
def test_the_rate_never_falls_to_nothing(pauses: list[float]) -> None:
    """However often a partner says 429, some event goes again."""
    clock = Clock()
    rate = Rate(None, clock)
    for pause in pauses:
        rate.spend(1)
        rate.throttled()
        clock.go(pause)
        assert rate.limit is None or rate.limit >= LOWEST
        assert rate.wait() < math.inf


def held(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(JitteredBackoff(2.0, 300.0, random.Random(1)), clock)
    for _ in range(THRESHOLD):
        breaker.failed(probe=False)
    return breaker


def test_failures_in_a_row_hold_the_partner_back() -> None:
    """One that works in between begins the row again."""
    breaker = CircuitBreaker(JitteredBackoff(10.0, 300.0), Clock())
    for _ in range(THRESHOLD - 1):
        breaker.failed(probe=False)
    breaker.worked()
    for _ in range(THRESHOLD - 1):
        breaker.failed(probe=False)
    assert (breaker.reason, breaker.wait()) == ("", 0.0)

    breaker.failed(probe=False)

    assert breaker.reason == "down"
    assert breaker.wait()


def test_one_bad_event_says_nothing_about_the_partner() -> None:
    """However often it is tried again."""
    breaker = CircuitBreaker(JitteredBackoff(10.0, 300.0), Clock())
    for _ in range(10 * THRESHOLD):
        breaker.failed(probe=False, fresh=False)

    assert breaker.reason == ""


def test_one_probe_at_a_time_after_pauses_that_double() -> None:
    """To ten seconds, so that a partner that is back is found soon. What was under way does not lengthen them."""
    clock = Clock()
    breaker = held(clock)
    pauses = []
    for _ in range(7):
        breaker.failed(probe=False)
        wait = breaker.wait()
        assert wait is not None
        pauses.append(wait)
        clock.go(wait)
        assert breaker.wait() == 0
        breaker.probe()
        assert breaker.wait() is None
        breaker.failed(probe=True)

    bounds = [2, 4, 8, 10, 10, 10, 10]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True))


def test_anything_that_works_ends_it() -> None:
    """Also an older request that was under way."""
    breaker = held(Clock())

    breaker.worked()

    assert (breaker.reason, breaker.wait()) == ("", 0.0)


def test_a_refusal_holds_back_at_once_and_only_a_probe_lengthens_it() -> None:
    """401 and 403."""
    clock = Clock()
    breaker = CircuitBreaker(JitteredBackoff(2.0, 300.0), clock)
    breaker.refused(probe=False)
    first = breaker.wait()
    breaker.refused(probe=False)

    assert (breaker.reason, breaker.wait()) == ("refused", first)
    clock.go(first or 0)
    breaker.probe()
    breaker.refused(probe=True)
    assert (breaker.wait() or 0) >= 2


def test_a_probe_that_is_cancelled_leaves_room_for_the_next() -> None:
    """Otherwise nobody would ever ask again."""
    clock = Clock()
    breaker = held(clock)
    clock.go(400)
    breaker.probe()

    breaker.unclear()

    assert breaker.wait() == 0


@given(st.lists(st.floats(0.0005, 500), min_size=1, max_size=300), st.floats(0.01, 1))
def test_a_quantile_is_right_within_five_percent(latencies: list[float], q: float) -> None:
    """Never below the true one."""
    window = LatencyWindow(Clock())
    window.add(latencies)
    true = sorted(latencies)[math.ceil(q * len(latencies) - 1e-9) - 1]

    assert true * 0.9999 <= window.quantile(q) <= true * 1.0501


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.26, 1.0, 7.0]), max_size=20))
def test_many_observations_at_once_are_the_same_as_one_by_one(values: list[float]) -> None:
    """On the bounds of buckets and beyond the last one too."""
    one_by_one, at_once = (Histogram("seconds", "", registry=None, buckets=(0.1, 0.25, 1)) for _ in range(2))
    for value in values:
        one_by_one.observe(value)

    observe_all(at_once, values)

    assert [one.value for one in at_once._samples()] == pytest.approx([one.value for one in one_by_one._samples()])


def test_latencies_are_forgotten_after_five_minutes() -> None:
    """Nothing measured is NaN, not zero."""
    clock = Clock()
    window = LatencyWindow(clock)
    assert math.isnan(window.quantile(0.95))
    window.add([9.0])
    clock.go(200)
    window.add([1.0])
    assert window.quantile(0.95) > 8

    clock.go(150)

    assert window.quantile(0.95) < 2
