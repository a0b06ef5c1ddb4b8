"""The router's processes under fault: each is wanted, and started again when it ends, as a supervisor would.

All methods are for one thread that outlives the processes: they die with it. A process that ends with a status that no
restart mends (1, 2) or by a fault of its own (70) is a finding.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric

from ops.kafka.kraft import free_port
from ops.running import Process
from ops.world import World
from router.config.options import Address
from router.errors import Unavailable
from router.process.scrape import health, scrape

AGAIN_SECONDS = 0.5
LOOK_SECONDS = 2.0
EXPECTED = (0, 3, -signal.SIGKILL, -signal.SIGTERM)


@dataclass
class Member:
    """One process that is wanted, such as route-0; its pages are at the same address in every life."""

    name: str
    role: str
    address: Address
    options: tuple[str, ...]
    process: Process | None = None
    frozen: bool = False
    removed: bool = False  # it does not come back
    due: float = 0.0  # monotonic time of the next start
    exits: list[int] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.child.poll() is None

    @property
    def serves(self) -> bool:
        return self.runs and not self.frozen

    def ready(self) -> bool:
        """Whether its /readyz says so now."""
        try:
            return self.serves and health(self.address, "/readyz", LOOK_SECONDS).ok
        except Unavailable:
            return False


class Fleet:
    """The members of one world. `findings` tells of ends that should not be."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers: dict[str, int] = {}
        self.members: list[Member] = []
        self.gone: list[Member] = []
        self.findings: list[str] = []

    def add(self, role: str, *options: str) -> Member:
        """One more `gateway`, `route` or `deliver` process."""
        number = self._numbers[role] = self._numbers.get(role, -1) + 1
        member = Member(f"{role}-{number}", role, ("127.0.0.1", free_port()), options)
        self.members.append(member)
        self._start(member)
        return member

    def of(self, role: str) -> list[Member]:
        """Those of a role that run and are not frozen."""
        return [member for member in self.members if member.role == role and member.serves]

    def keep(self) -> None:
        """Start again what has ended and is due."""
        now = time.monotonic()
        for member in self.gone:
            if member.process is not None and not member.runs:
                self._reap(member)
        for member in self.members:
            if member.process is not None and not member.runs:
                self._reap(member)
                member.due = max(member.due, now + AGAIN_SECONDS)
            if member.process is None and now >= member.due:
                self._start(member)

    def kill(self, member: Member, *, again: float = AGAIN_SECONDS) -> None:
        """SIGKILL; it starts again after so many seconds."""
        assert member.process is not None
        member.process.kill()
        member.frozen = False
        member.due = time.monotonic() + again

    def freeze(self, member: Member) -> None:
        """SIGSTOP."""
        assert member.process is not None
        os.kill(member.process.pid, signal.SIGSTOP)
        member.frozen = True

    def thaw(self, member: Member) -> None:
        """SIGCONT; harmless when it was killed meanwhile."""
        if member.frozen and member.process is not None:
            os.kill(member.process.pid, signal.SIGCONT)
            member.frozen = False

    def remove(self, member: Member, *, force: bool = False) -> None:
        """SIGTERM, or SIGKILL; it does not come back."""
        assert member.process is not None
        if force:
            member.process.kill()
        else:
            member.process.child.terminate()
        member.removed = True
        self.members.remove(member)
        self.gone.append(member)

    def pages(self) -> Iterator[tuple[Member, list[Metric]]]:
        """The metrics of every member that answers."""
        for member in self.members:
            if member.serves:
                try:
                    yield member, scrape(member.address, LOOK_SECONDS)
                except Unavailable:
                    continue

    def ready(self) -> bool:
        return all(member.ready() for member in self.members)

    def wait_ready(self, seconds: float = 120.0) -> None:
        """Until every member is; those that end meanwhile are started again. Raises Unavailable."""
        until = time.monotonic() + seconds
        while not self.ready():
            if time.monotonic() > until:
                raise Unavailable(f"not ready in {seconds:.0f} s: {', '.join(self._unready())}")
            self.keep()
            if self.findings:
                raise Unavailable("; ".join(self.findings))
            time.sleep(0.2)

    def described(self) -> str:
        """What each member says of itself, and its last lines."""
        return "\n".join(f"{member.name}: {_answer(member)}" for member in self.members)

    def close(self) -> None:
        """End all: those removed have had their time."""
        for member in self.gone:
            if member.process is not None:
                member.process.stop()
                self._reap(member)
        for member in self.members:
            self.thaw(member)
            if member.process is not None:
                member.process.close()

    def _unready(self) -> Iterable[str]:
        for member in self.members:
            if not member.ready():
                yield f"{member.name} ({member.process.end(3) if member.process else 'not started'})"

    def _start(self, member: Member) -> None:
        address = "{}:{}".format(*member.address)
        member.process = self._world.router(member.role, "--metrics", address, *member.options)

    def _reap(self, member: Member) -> None:
        assert member.process is not None
        status = member.process.child.wait()
        member.exits.append(status)
        if status not in EXPECTED:
            self.findings.append(f"{member.name} ended with status {status}: {member.process.end(5)}")
        member.process = None
        member.frozen = False


def _answer(member: Member) -> str:
    if member.process is None:
        return "not started"
    try:
        report = health(member.address, "/readyz", LOOK_SECONDS).why()
    except Unavailable as error:
        report = str(error)
    return f"{report}\n{member.process.end(5)}"
