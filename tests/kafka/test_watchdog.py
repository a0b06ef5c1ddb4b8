"""A call that does not come back ends the process; one that does, and a process that was stopped meanwhile, do not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from router.kafka.watchdog import Watchdog

TICK = 0.01
WAIT_SECONDS = 120.0


def test_a_call_that_hangs_is_told_once_by_its_name() -> None:
    hung = threading.Event()
    told: list[str] = []

    def on_hang(what: str) -> None:
        told.append(what)
        hung.set()

    watchdog = Watchdog(3, on_hang, TICK)
    with watchdog.watch("send_offsets_to_transaction"):
        assert hung.wait(WAIT_SECONDS)
        time.sleep(20 * TICK)
    watchdog.close()

    assert len(told) == 1
    assert told[0].startswith("send_offsets_to_transaction has not come back")


def test_calls_that_come_back_are_nothing_to_tell_however_many() -> None:
    told: list[str] = []
    watchdog = Watchdog(50, told.append, TICK)
    until = time.monotonic() + 1.5

    while time.monotonic() < until:
        with watchdog.watch("commit_transaction"):
            time.sleep(TICK)
    watchdog.close()

    assert told == []


def test_nothing_under_way_is_nothing_to_tell() -> None:
    told: list[str] = []
    watchdog = Watchdog(2, told.append, TICK)

    time.sleep(20 * TICK)
    watchdog.close()

    assert told == []


def test_a_call_that_raises_has_come_back() -> None:
    told: list[str] = []
    watchdog = Watchdog(5, told.append, TICK)

    for _ in range(3):
        try:
            with watchdog.watch("begin_transaction"):
                raise ValueError
        except ValueError:
            time.sleep(10 * TICK)
    watchdog.close()

    assert told == []


def test_the_process_ends_with_the_status_that_asks_for_a_restart() -> None:
    """Although a thread is stuck in a call that cannot be interrupted."""
    program = f"""
import time
from router.kafka.watchdog import Watchdog
with Watchdog(3, tick={TICK}).watch("a call"):
    time.sleep(60)
"""

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)

    assert ended.returncode == 3
    assert "a call has not come back" in ended.stderr
