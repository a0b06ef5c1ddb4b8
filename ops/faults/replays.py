"""Replays under fault: one after the other, each of what the one before left, into a destination without live events.

A replay that is killed is gone on with as an operator would, by `router replay resume`. Taken together they are one
range of time, of which each routed event must come exactly once.
"""

from __future__ import annotations

import time

from ops.faults.fleet import EXPECTED
from ops.running import Process
from ops.world import REPLAYED, World
from router.errors import Unavailable
from router.events.times import iso
from router.kafka import clients
from router.replay.replay_log import ReplayLog

RATE, FAST = 150, 10_000  # events a second: so slow that a kill finds one at work; at the end nothing holds them back
BEHIND_MS = clients.TRANSACTION_MS + 5_000  # by then a transaction that was open is over, whoever died in it
REST_SECONDS = 120.0


class Replays:
    """The replays of one world; from `since` on they are asked for, in ms since 1970."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._log = ReplayLog(world.cluster, world.topics.replays)
        self._process: Process | None = None
        self.begun = False
        self.since = _now()
        self.findings: list[str] = []

    def kill(self) -> None:
        """SIGKILL what runs; once `begun`, something does."""
        self.begun = True
        if self._process is not None and self._process.child.poll() is None:
            self._process.kill()

    @property
    def until(self) -> int:
        """The end of what they were asked for so far. Raises Unavailable."""
        return max((state.request.until for state in self._log.read().values()), default=self.since)

    @property
    def sent(self) -> int:
        """Events that replays have sent so far. Raises Unavailable."""
        return sum(sum(state.replayed.values()) for state in self._log.read().values())

    def keep(self) -> None:
        """Go on with what was killed; begin the next one where none is open and enough time has passed."""
        if not self.begun or self._runs():
            return
        try:
            open_, since = self._open(), self.until
        except Unavailable:
            return  # the broker is coming back
        if open_:
            self._start("resume", open_[0], "--rate", str(RATE))
        elif (until := _now() - BEHIND_MS) > since:
            self._start("--to", REPLAYED, "--since", iso(since), "--until", iso(until), "--rate", str(RATE))

    def finish(self) -> None:
        """End the open one, if there is any, as fast as it goes. Raises Unavailable when it does not end."""
        self.begun = False
        if self._process is not None and self._process.child.poll() is None:
            self._process.kill()
        end = time.monotonic() + REST_SECONDS
        while self._runs() or (open_ := self._open()):
            if time.monotonic() > end:
                raise Unavailable(f"a replay does not end: {self._process.end(5) if self._process else open_}")
            if self._process is None:
                self._start("resume", open_[0], "--rate", str(FAST))
            time.sleep(0.2)

    def _open(self) -> list[str]:
        return [state.id for state in self._log.read().values() if state.status == "running"]

    def _runs(self) -> bool:
        """Whether one is at work. One that ended by itself must have come to its end, or lost its broker."""
        if self._process is None:
            return False
        status = self._process.child.poll()
        if status is None:
            return True
        if status not in EXPECTED:
            self.findings.append(f"a replay ended with status {status}: {self._process.end(5)}")
        self._process = None
        return False

    def _start(self, *arguments: str) -> None:
        where = ["--topology", str(self._world.file), "--bootstrap", self._world.cluster.bootstrap]
        self._process = self._world.start("router", "replay", *arguments, *where)


class Replaying:
    """A replay has gone on: more is sent than at the time of the fault."""

    def __init__(self, replays: Replays) -> None:
        self._replays = replays
        self._before = replays.sent

    def over(self) -> bool:
        return self._replays.sent > self._before


def _now() -> int:
    return int(time.time() * 1000)
