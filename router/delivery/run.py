"""`router deliver`: all destinations of a topology, or some, in one process and one event loop.

Start as many processes as there are partitions to share: each destination's group spreads them. What kill -9 can
repeat stands in `router.delivery.destination`; it loses nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from threading import Event
from typing import Any

from router.config.loader import Loaded
from router.config.models import Topology, is_of_another
from router.config.options import RunOptions
from router.config.topics import owned_topics, topics_of
from router.delivery.dead_ages import DeadLetterAges
from router.delivery.destination import DeliveryContext
from router.delivery.manager import DestinationManager
from router.delivery.pauses import PauseFollower
from router.destinations.base import Connector
from router.document import nearest
from router.errors import UsageError
from router.kafka.cluster import Cluster
from router.kafka.owners import Owners
from router.kafka.ready import wait_ready
from router.mask import Mask
from router.process.health import Health
from router.process.reload import Reload, without_topics
from router.process.run import collecting_rarely, register_secrets, secrets
from router.process.rundir import check_state
from router.process.signals import until
from router.state.slot import Slot

_ROUND_SECONDS = 0.1
_BROKER_SECONDS = 60.0
Connectors = Mapping[str, Connector]


def run_delivery(
    loaded: Loaded,
    options: RunOptions,
    stop: Event,
    health: Health,
    only: Sequence[str] = (),
    reload: Reload[Connectors] | None = None,
    *,
    switched_off: bool = False,
) -> None:
    """Deliver until `stop` is set, then drain. `only` names destinations; left out: all enabled. With `switched_off`
    those named may have `enabled: false`: nothing new is routed to them, and what waits for them is delivered.

    With a `reload`, follow the topology's files. Raises UsageError for an unknown name, Unavailable or Fenced when it
    cannot go on.
    """
    if switched_off and not only:
        raise UsageError("--switched-off: expected --destination NAME: only what is named is delivered to")
    check_names(loaded.topology, only, switched_off=switched_off)
    check_state(options.state)
    slot = Slot.take(options.state, "deliver")
    try:
        with collecting_rarely():
            _run_loop(lambda: _deliver(loaded, options, only, slot.id, stop, health, reload, switched_off=switched_off))
    finally:
        slot.release()


def check_names(topology: Topology, only: Sequence[str], *, switched_off: bool = False) -> None:
    """Raises UsageError where a destination that is named is not there, or not enabled (with `switched_off` it need not
    be).
    """
    enabled = topology.enabled_destinations
    for name in only:
        if name not in topology.destinations:
            hint = nearest(name, enabled)
            did_you_mean = f" (did you mean {hint}?)" if hint else ""
            raise UsageError(f"expected a destination of {topology.name}, got {name}{did_you_mean}")
        if name not in enabled:
            if is_of_another(topology.destinations[name].labels, topology.environment):
                raise UsageError(f"the destination {name} is of another environment")
            if not switched_off:
                raise UsageError(f"the destination {name} has enabled: false")


def _run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if sys.platform == "win32":
        asyncio.run(main())
        return
    import uvloop

    uvloop.run(main())


async def _deliver(
    loaded: Loaded, options: RunOptions, only: Sequence[str], member: str, stop: Event, health: Health,
    reload: Reload[Connectors] | None, *, switched_off: bool,
) -> None:  # fmt: skip
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
    cluster = Cluster.of(options)
    context = DeliveryContext(
        cluster,
        topics_of(topology),
        member,
        topology.guarantee == "exactly_once" and cluster.capabilities.transactions,
        Mask(topology.mask, secrets(loaded, options)),
        health,
        failed,
    )
    await asyncio.to_thread(_claim_topics, context.cluster, topology, stop)
    manager = DestinationManager(context, only, switched_off=switched_off)
    pauses = PauseFollower(cluster, context.topics.control, lambda now: loop.call_soon_threadsafe(manager.pause, now))
    manager.pause(await asyncio.to_thread(pauses.start))
    await manager.update(loaded, manager.prepare(loaded))
    ages = DeadLetterAges(
        cluster, context.topics, lambda: manager.names, lambda since: loop.call_soon_threadsafe(manager.dead, since)
    )
    ages.start()
    over = asyncio.Event()
    stopped = asyncio.ensure_future(until(stop))
    tasks = [stopped]
    if reload is not None:
        reload.use(
            manager.prepare,
            register=lambda new: register_secrets(new, options),
            absent=partial(without_topics, context.cluster),
        )
        tasks.append(asyncio.ensure_future(_follow(manager, reload, context.mask, options, over)))
    try:
        await asyncio.wait([failure, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        over.set()
        stopped.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(pauses.stop)
        await asyncio.to_thread(ages.stop)
        await manager.stop()
    for one in (failure, *tasks):
        if one.done() and not one.cancelled():
            one.result()


def _claim_topics(cluster: Cluster, topology: Topology, stop: Event) -> None:
    """Raises RouterError when a topic belongs to another topology, Unavailable when the broker stays away, Stopped soon
    after `stop` is set.
    """
    wait_ready(cluster, _BROKER_SECONDS, stop)
    Owners(cluster).claim(topology.name, owned_topics(topology))


async def _follow(
    manager: DestinationManager, reload: Reload[Connectors], mask: Mask, options: RunOptions, over: asyncio.Event
) -> None:
    """Take over each changed topology, one after the other. What has begun is finished before `over` counts."""
    while not over.is_set():
        offer = reload.take()
        if offer is not None:
            mask.renew(offer.loaded.topology.mask, secrets(offer.loaded, options))
            await manager.update(offer.loaded, offer.prepared)
            reload.done(offer)
        await asyncio.sleep(_ROUND_SECONDS)
