"""The destinations of a process: started, changed and stopped one by one, each without the others noticing.

A destination that changes is drained, committed and begun again, with what it had not finished read once more. kill -9
in between loses nothing; see `router.delivery.destination` for what it can repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from router import metrics
from router.config.delivery import DeliveryConfig
from router.config.loader import Loaded
from router.config.models import is_of_another
from router.config.shape import MapConfig
from router.delivery.dead_ages import DeadSince
from router.delivery.destination import RETRY_AGES, DeliveryContext, Destination
from router.delivery.pauses import Pauses
from router.destinations.base import Connector, Settings
from router.destinations.registry import destination_types
from router.transform.function import OwnFunction
from router.transform.process import FunctionProcess

_PAUSES = ("down", "refused", "open", "operator")
_GAUGES = (
    *(metrics.PENDING, metrics.REPLAY_PENDING, metrics.RETRY_LANE, metrics.RETRY_LANE_AGE),
    *(metrics.DELIVERY_LAG, metrics.DELIVERY_OLDEST, metrics.END_TO_END_P95, metrics.DEAD_LAST),
    *(metrics.DEAD_OLDEST, metrics.DELIVERY_TARGET),
)


class DestinationSpec(NamedTuple):
    """What a destination runs by; when one of these changes it begins again."""

    type: str
    settings: Settings
    delivery: DeliveryConfig
    map: MapConfig
    function: OwnFunction | None


class _Running(NamedTuple):
    terms: DestinationSpec
    destination: Destination
    start: asyncio.Task[None]


def names_of(loaded: Loaded, only: Sequence[str], *, switched_off: bool = False) -> list[str]:
    """The enabled destinations, or those of them that are named; with `switched_off` also those named that are not."""
    topology = loaded.topology
    if switched_off:
        ours = [name for name in only if name in topology.destinations]
        return [name for name in ours if not is_of_another(topology.destinations[name].labels, topology.environment)]
    return [name for name in topology.enabled_destinations if not only or name in only]


def connector_of(loaded: Loaded, name: str) -> Connector:
    """A destination's connector, not yet open."""
    config = loaded.topology.destinations[name]
    connector = destination_types()[config.type](name, loaded.connector_settings[name], config.delivery.timeout)
    connector.names = config.names(name, connector.integrations)
    connector.map = config.map.compiled()
    function = loaded.functions.get(f"destinations.{name}")
    connector.function = FunctionProcess(function) if function is not None else None
    return connector


class DestinationManager:
    """`only` names destinations; empty: all that are enabled. With `switched_off` those named need not be enabled. For
    one event loop; faults go to `context.failed`.
    """

    def __init__(self, context: DeliveryContext, only: Sequence[str], *, switched_off: bool = False) -> None:
        self._context = context
        self._only = only
        self._switched_off = switched_off
        self._running: dict[str, _Running] = {}
        self._pauses: Pauses = {}

    def prepare(self, loaded: Loaded) -> dict[str, Connector]:
        """The connectors of a topology, not yet open. From any thread."""
        names = names_of(loaded, self._only, switched_off=self._switched_off)
        return {name: connector_of(loaded, name) for name in names}

    async def update(self, loaded: Loaded, connectors: Mapping[str, Connector]) -> None:
        """Stop what is gone, begin what is new, and both for what has changed; the rest goes on."""
        wanted = {name: _terms(loaded, name) for name in connectors}
        changed = [name for name, running in self._running.items() if wanted.get(name) != running.terms]
        begin = [name for name in wanted if name not in self._running or name in changed]
        self._context.health.ready("deliver", True, "" if wanted else "no destination is enabled")
        await asyncio.gather(
            *(self._end(name) for name in changed if name not in begin),
            *(self._begin(connectors[name], wanted[name]) for name in begin),
        )
        for name in wanted:
            metrics.DELIVERY_TARGET.labels(name).set(loaded.topology.destinations[name].target)

    def pause(self, pauses: Pauses) -> None:
        """From now on these destinations, and no others, are paused; those to come as well."""
        self._pauses = pauses
        for name, running in self._running.items():
            running.destination.pause(pauses.get(name))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the destinations that run. From any thread."""
        return tuple(self._running)

    def dead(self, since: DeadSince) -> None:
        """Since when the oldest dead letters of these destinations wait."""
        for name, running in self._running.items():
            running.destination.dead_since = since.get(name, running.destination.dead_since)

    async def stop(self) -> None:
        """Drain and stop all."""
        await asyncio.gather(*map(self._end, list(self._running)))

    async def _begin(self, connector: Connector, terms: DestinationSpec) -> None:
        """Begin in the background: it may take as long as its partner cannot be reached."""
        if connector.name in self._running:
            await self._end(connector.name)
        destination = Destination(connector, terms.delivery, self._context)
        destination.pause(self._pauses.get(connector.name))
        start = asyncio.get_running_loop().create_task(destination.start())
        start.add_done_callback(self._started)
        self._running[connector.name] = _Running(terms, destination, start)

    def _started(self, start: asyncio.Task[None]) -> None:
        error = None if start.cancelled() else start.exception()
        if error is not None:
            self._context.failed(error)

    async def _end(self, name: str) -> None:
        _, destination, start = self._running.pop(name)
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        await destination.stop()
        _forget(name)


def _terms(loaded: Loaded, name: str) -> DestinationSpec:
    config, function = loaded.topology.destinations[name], loaded.functions.get(f"destinations.{name}")
    return DestinationSpec(config.type, loaded.connector_settings[name], config.delivery, config.map, function)


def _forget(name: str) -> None:
    """Gauges describe the present: a destination that does not run has none."""
    for gauge in _GAUGES:
        gauge.remove(name)
    for reason in _PAUSES:
        metrics.PAUSED.remove(name, reason)
    for age in RETRY_AGES:
        metrics.RETRY_LANE_OLDER.remove(name, age)
