"""`router deliver`: all destinations of a topology, or some, in one process and one event loop.

Start as many processes as there are partitions to share: each destination's group spreads them. What kill -9 can
repeat stands in `router.delivery.destination`; it loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from threading import Event
from typing import Any

from router.config.loader import Loaded
from router.config.models import Topology
from router.config.options import RunOptions
from router.config.topics import topics_of
from router.delivery.destination import Destination, Surroundings
from router.destinations.base import Connector
from router.destinations.registry import destination_types
from router.document import nearest
from router.errors import UsageError
from router.kafka.cluster import Cluster
from router.mask import Mask
from router.process.health import Health
from router.process.run import secrets
from router.process.signals import until
from router.state.slot import Slot

log = logging.getLogger(__name__)


def run_delivery(loaded: Loaded, options: RunOptions, stop: Event, health: Health, only: Sequence[str] = ()) -> None:
    """Deliver until `stop` is set, then drain. `only` names destinations; left out: all enabled.

    Raises UsageError for an unknown name, Unavailable or Fenced when it cannot go on.
    """
    names = chosen(loaded.topology, only)
    slot = Slot.take(options.state, "deliver")
    try:
        _run_loop(lambda: _deliver(loaded, options, names, slot.id, stop, health))
    finally:
        slot.release()


def chosen(topology: Topology, only: Sequence[str]) -> list[str]:
    """The enabled destinations, or those of them that are named. Raises UsageError."""
    enabled = [name for name, destination in topology.destinations.items() if destination.enabled]
    for name in only:
        if name not in topology.destinations:
            hint = nearest(name, enabled)
            did_you_mean = f" (did you mean {hint}?)" if hint else ""
            raise UsageError(f"expected a destination of {topology.name}, got {name}{did_you_mean}")
        if name not in enabled:
            raise UsageError(f"the destination {name} has enabled: false")
    return [name for name in enabled if not only or name in only]


def _run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if sys.platform == "win32":
        asyncio.run(main())
        return
    import uvloop

    uvloop.run(main())


async def _deliver(
    loaded: Loaded, options: RunOptions, names: Sequence[str], member: str, stop: Event, health: Health
) -> None:
    loop = asyncio.get_running_loop()
    failure: asyncio.Future[None] = loop.create_future()

    def failed(error: BaseException) -> None:
        if not failure.done():
            failure.set_exception(error)

    def fault(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        error = context.get("exception")
        if error is not None:
            failed(error)

    loop.set_exception_handler(fault)
    topology = loaded.topology
    around = Surroundings(
        Cluster(options.bootstrap, options.kafka, options.embedded),
        topics_of(topology),
        member,
        topology.guarantee == "exactly_once" and not options.embedded,
        Mask(topology.mask, secrets(loaded, options)),
        health,
        failed,
    )
    configs = topology.destinations
    destinations = [Destination(connector_of(loaded, name), configs[name].delivery, around) for name in names]
    await _live(destinations, failure, stop, health)


async def _live(
    destinations: Sequence[Destination], failure: asyncio.Future[None], stop: Event, health: Health
) -> None:
    """From start to stop, or to the first failure: one that cannot start counts, the supervisor tries again."""
    health.ready("deliver", True, "" if destinations else "no destination is enabled")
    starting = [asyncio.ensure_future(destination.start()) for destination in destinations]
    for start in starting:
        start.add_done_callback(lambda done: _pass_on(done, failure))
    stopped = asyncio.ensure_future(until(stop))
    try:
        await asyncio.wait([failure, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopped, *starting):
            task.cancel()
        await asyncio.gather(stopped, *starting, return_exceptions=True)
        await asyncio.gather(*[destination.stop() for destination in destinations])
    if failure.done():
        failure.result()


def _pass_on(done: asyncio.Future[None], failure: asyncio.Future[None]) -> None:
    error = None if done.cancelled() else done.exception()
    if error is not None and not failure.done():
        failure.set_exception(error)


def connector_of(loaded: Loaded, name: str) -> Connector:
    """A destination's connector, not yet open."""
    config = loaded.topology.destinations[name]
    return destination_types()[config.type](name, loaded.connector_settings[name], config.delivery.timeout)
