"""When a replay may write: once delivery has nearly caught up with each of its destinations.

So what waits in `dest.<name>` is at most a batch of the replay and what a request of the partner takes, and a live
event is read at once, however long the replay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from router.config.models import Topology
from router.destinations.registry import destination_types
from router.events.topics import Topics
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.offsets import GroupOffsets

WAITING = 500  # events of a destination, beside those of two requests
ASK_SECONDS = 0.05
PATIENCE_SECONDS = 20.0


def most_waiting(topology: Topology, destinations: tuple[str, ...]) -> dict[str, int]:
    """How many events may wait for each destination while a replay goes on."""
    found = {}
    for name in destinations:
        config = topology.destinations[name]
        batch = config.delivery.batch
        found[name] = WAITING + 2 * (batch.count if batch else destination_types()[config.type].limits.batch)
    return found


class DestinationRoom:
    """A context. `most` events may wait for each destination; `said` gets a line for people when it takes long."""

    def __init__(
        self, cluster: Cluster, topics: Topics, most: Mapping[str, int], stopped: Callable[[], bool],
        said: Callable[[str], object],
    ) -> None:  # fmt: skip
        self._admin = Admin(cluster)
        self._cluster = cluster
        self._topics = topics
        self._most = most
        self._stopped = stopped
        self._said = said
        self._groups: dict[str, GroupOffsets] = {}
        self._stack = ExitStack()
        self._partitions: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._partitions = self._admin.topics()
        for name in self._most:
            group = GroupOffsets(self._cluster, self._topics.deliver_group(name), stable=False)
            self._groups[name] = self._stack.enter_context(group)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def wait(self) -> bool:
        """Raises Unavailable when the broker does not answer."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while not self._stopped():
            full = [name for name, most in self._most.items() if self.waiting(name) > most]
            if not full:
                return True
            if time.monotonic() > patience:
                patience = float("inf")
                self._said(f"waiting for the delivery of {', '.join(full)}: see router status")
            time.sleep(ASK_SECONDS)
        return False

    def waiting(self, destination: str) -> int:
        """Messages that delivery has not made final, markers of transactions included."""
        topic = self._topics.destination(destination)
        places = [(topic, number) for number in range(self._partitions.get(topic, 0))]
        committed = self._groups[destination].committed(places)
        at = self._admin.watermarks(places, uncommitted=False)
        return sum(
            max(0, at[place].high - (committed[place].offset if place in committed else at[place].low))
            for place in places
        )
