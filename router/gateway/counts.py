"""The gateway's counters, with their label values looked up once."""

from __future__ import annotations

from collections.abc import Callable

from router import metrics


class Counts:
    """Labels come from closed sets: endpoints, statuses, sources of the topology, codes of answers."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], Callable[[float], None]] = {}
        self._events: dict[tuple[str, str], Callable[[float], None]] = {}

    def request(self, endpoint: str, status: int) -> None:
        count = self._requests.get((endpoint, status))
        if count is None:
            count = self._requests[endpoint, status] = metrics.GATEWAY_REQUESTS.labels(endpoint, str(status)).inc
        count(1)

    def events(self, source: str, outcome: str, number: int) -> None:
        """`outcome` is `accepted`, or the code of why not."""
        count = self._events.get((source, outcome))
        if count is None:
            count = self._events[source, outcome] = metrics.GATEWAY_EVENTS.labels(source, outcome).inc
        count(number)
