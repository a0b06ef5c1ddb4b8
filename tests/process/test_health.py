"""Health tells the truth: what is said, when it was last said, and nothing it was not told."""

from __future__ import annotations

import threading

import pytest

from router.errors import RouterError
from router.process.health import Health


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock)


def test_a_process_that_said_nothing_is_live_but_not_ready(health: Health) -> None:
    assert health.liveness().ok
    assert not health.readiness().ok
    assert health.readiness().why() == "start: starting"


def test_ready_is_the_and_of_all_checks_and_names_what_fails(health: Health) -> None:
    health.ready("kafka", True)
    health.ready("restore", False, "3 of 12 partitions")

    report = health.readiness()

    assert report.as_dict() == {
        "ok": False,
        "checks": {"kafka": {"ok": True}, "restore": {"ok": False, "why": "3 of 12 partitions"}},
    }
    health.ready("restore", True)
    assert health.readiness().ok


def test_a_failing_live_check_does_not_touch_readiness(health: Health) -> None:
    health.ready("kafka", True)
    health.live("broker", False, "fenced")

    assert health.readiness().ok
    assert health.liveness().why() == "broker: fenced"


def test_progress_is_live_while_offsets_advance_in_time(health: Health, clock: Clock) -> None:
    health.progress("events.raw", 60)
    for _ in range(10):
        clock.now += 59
        health.beat("events.raw")

    assert health.liveness().ok


def test_nothing_to_read_is_as_good_as_an_advance(health: Health, clock: Clock) -> None:
    health.progress("events.raw", 60)
    clock.now += 59
    health.idle("events.raw")
    clock.now += 59

    assert health.liveness().checks["events.raw"].why == "nothing to read"
    assert health.liveness().ok


def test_a_silent_loop_is_not_live_after_its_deadline(health: Health, clock: Clock) -> None:
    health.progress("events.raw", 60)
    health.beat("events.raw")
    clock.now += 61

    assert not health.liveness().ok
    assert health.liveness().why() == "events.raw: no progress for 61 s (limit 60 s); last: advanced"


def test_a_loop_that_never_spoke_is_not_live_after_its_deadline(health: Health, clock: Clock) -> None:
    health.progress("events.raw", 60)
    clock.now += 61

    assert not health.liveness().ok


def test_a_late_advance_makes_it_live_again(health: Health, clock: Clock) -> None:
    health.progress("events.raw", 60)
    clock.now += 600
    health.beat("events.raw")

    assert health.liveness().ok


def test_one_stuck_partition_is_enough(health: Health, clock: Clock) -> None:
    health.progress("events.raw[0]", 60)
    health.progress("events.raw[1]", 60)
    clock.now += 61
    health.beat("events.raw[0]")

    assert not health.liveness().ok


def test_a_revoked_partition_is_forgotten(health: Health, clock: Clock) -> None:
    health.progress("events.raw[0]", 60)
    health.forget("events.raw[0]")
    clock.now += 61

    assert health.liveness().ok
    assert health.liveness().checks == {}


@pytest.mark.parametrize("feed", [Health.beat, Health.idle])
def test_feeding_a_watchdog_that_was_never_declared_is_a_mistake_in_the_code(health: Health, feed: object) -> None:
    assert callable(feed)
    with pytest.raises(RouterError, match="not watched"):
        feed(health, "typo")


def test_checks_may_be_set_from_many_threads_while_they_are_read(health: Health) -> None:
    def work(name: str) -> None:
        for number in range(2000):
            health.ready(f"{name}-{number % 50}", True)
            health.forget(f"{name}-{(number + 25) % 50}")

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        health.readiness().as_dict()
    for thread in threads:
        thread.join()

    assert health.readiness().ok
