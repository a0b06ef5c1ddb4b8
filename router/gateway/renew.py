"""Applies a changed topology to a running gateway, between two requests.

Requests in progress end by the topology they began with. kill -9 at any point loses nothing that was answered 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from router.config.models import Topology
from router.config.options import RunOptions
from router.config.topics import topics_of
from router.embedded.capacity import Capacity
from router.events.event import Body
from router.gateway.credentials import WriteKeys
from router.gateway.handler import RequestHandler
from router.gateway.ingest import Ingest
from router.gateway.listen import Listener
from router.gateway.pages import Pages
from router.gateway.receivers import PostReceivers
from router.kafka.cluster import Cluster
from router.privacy.classes import Action, DataClasses
from router.process.reload import Reload, without_topics
from router.process.run import register_secrets

LATER_SECONDS = 3.0  # by then route workers have a new write key too, and its events have a source there


class Intake(NamedTuple):
    """What a topology prepares before the event loop takes it over: what takes events in, those that bring a write key
    and those that a partner posts, and what pages ask for, whose files are read here.
    """

    ingest: Ingest
    receivers: PostReceivers
    pages: Pages


def ingest_of(topology: Topology, keys: WriteKeys, most: int | None = None) -> Ingest:
    """The ingest of a topology, for these keys of its sources; `most` events at a time, as its gateway if left out."""
    topics = topics_of(topology)
    limits, most = topology.limits.of_events(), most or topology.gateway.max_in_flight
    classes = topology.privacy.compiled().repeatable()
    privacy = {name: partial(_treated, classes, actions) for name, actions in topology.privacy.source.items()}
    return Ingest(keys, limits, raw=topics.raw, invalid=topics.invalid, max_events=most, privacy=privacy)


def _treated(classes: DataClasses, actions: Mapping[str, Action], item: Body) -> Body:
    return classes.treat(item, actions).body


class Renewal:
    """Call it in the event loop, between two requests."""

    def __init__(self, handler: RequestHandler, listener: Listener, capacity: Capacity | None) -> None:
        self._handler = handler
        self._listener = listener
        self._capacity = capacity
        self._reload: Reload[Intake] | None = None

    def follow(self, reload: Reload[Intake], keys: WriteKeys, cluster: Cluster, options: RunOptions) -> None:
        """Apply changed topologies from now on; `keys` are the present ones."""
        self._reload = reload
        reload.use(
            lambda loaded: Intake(
                ingest_of(loaded.topology, keys.renewed(loaded.topology.sources, loaded.topology.environment)),
                PostReceivers.of(loaded),
                Pages.of(loaded.topology),
            ),
            register=lambda loaded: register_secrets(loaded, options),
            absent=partial(without_topics, cluster),
            delay=LATER_SECONDS,
        )

    def __call__(self) -> None:
        offer = self._reload.take() if self._reload is not None else None
        if offer is None or self._reload is None:
            return
        topology = offer.loaded.topology
        config = topology.gateway
        prepared = offer.prepared
        self._handler.renew(config, prepared.ingest, prepared.pages, prepared.receivers)
        self._listener.limit(max_connections=config.max_connections, idle_timeout=config.idle_timeout)
        if self._capacity is not None:
            self._capacity.watch(topology)
        self._reload.done(offer)
