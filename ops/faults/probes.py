"""How long a fault was felt: seconds from the fault until what was there at that moment had got through.

A probe is asked on every turn and answers once. While the broker is away nothing is known, so it asks again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from ops.faults.fleet import Member
from router.errors import Unavailable
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.offsets import Committed, GroupOffsets, PartitionKey

CALL_SECONDS = 2.0
SETTLE_SECONDS = 1.0


class Probe(Protocol):
    """`over()` tells whether the fault is no longer felt."""

    def over(self) -> bool: ...


def ends(cluster: Cluster, topic: str, partitions: int, *, uncommitted: bool = True) -> dict[PartitionKey, int]:
    """The end of each partition, or, without `uncommitted`, its first open transaction. Raises Unavailable.

    By a new client each time: one that knew the broker before a restart is refused for up to a minute (leader epoch).
    """
    marks = Admin(cluster, timeout=CALL_SECONDS).watermarks(
        [(topic, number) for number in range(partitions)], uncommitted=uncommitted
    )
    return {place: mark.high for place, mark in marks.items()}


class Commits:
    """What a group has committed. Asked by a new client after a failure: an old one may seek its coordinator long."""

    def __init__(self, cluster: Cluster, group: str) -> None:
        self.cluster, self._group = cluster, group
        self._client: GroupOffsets | None = None

    def committed(self, places: Iterable[PartitionKey]) -> dict[PartitionKey, Committed]:
        """Raises Unavailable."""
        if self._client is None:
            self._client = GroupOffsets(self.cluster, self._group, stable=False, timeout=CALL_SECONDS)
        try:
            return self._client.committed(places)
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class CommittedPast:
    """The group has committed all that stood in the topic a moment after the fault, or when the broker told it."""

    def __init__(self, group: Commits, topic: str, partitions: int) -> None:
        self._group = group
        self._place = topic, partitions
        self._after = time.monotonic() + SETTLE_SECONDS
        self._wanted: Mapping[PartitionKey, int] = {}

    def over(self) -> bool:
        if time.monotonic() < self._after:
            return False
        try:
            self._wanted = self._wanted or ends(self._group.cluster, *self._place)
            found = self._group.committed(self._wanted)
        except Unavailable:
            return False
        return all(place in found and found[place].offset >= end for place, end in self._wanted.items() if end)


class VisiblePast:
    """Readers at read_committed see all that was in the topic at the moment of the fault."""

    def __init__(self, cluster: Cluster, topic: str, wanted: Mapping[PartitionKey, int]) -> None:
        self._cluster = cluster
        self._topic = topic
        self._wanted = wanted

    def over(self) -> bool:
        try:
            found = ends(self._cluster, self._topic, len(self._wanted), uncommitted=False)
        except Unavailable:
            return False
        return all(found[place] >= end for place, end in self._wanted.items())


class Received:
    """The partner has received something sent by a process that was started after the fault."""

    def __init__(self, receipts: Path, sender: Member) -> None:
        self._receipts = receipts
        self._sender = sender
        self._before = sender.process
        self._size = -1

    def over(self) -> bool:
        if self._sender.process in (None, self._before):
            return False
        size = self._receipts.stat().st_size
        if self._size < 0:
            self._size = size
        return size > self._size


class Ready:
    """A process says that it can serve; with `again`, the one that comes after that of now.

    Over too when a later fault removes the process, which may come before it could serve.
    """

    def __init__(self, member: Member, *, again: bool = False) -> None:
        self._member = member
        self._before = member.process if again else None

    def over(self) -> bool:
        member = self._member
        return member.removed or (member.process is not self._before and member.ready())


class Watched:
    """A probe with its clock."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._since = time.monotonic()
        self.seconds: float | None = None

    def look(self) -> bool:
        """Whether the answer is there."""
        if self.seconds is None and self._probe.over():
            self.seconds = time.monotonic() - self._since
        return self.seconds is not None
