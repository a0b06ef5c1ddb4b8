"""From a loaded topology to its chain of agents, for the worker, for topology tests and for the Faust engine alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from router.agents.chain import Chain, Forward
from router.agents.dedupe import Dedupe, Seen
from router.agents.fanout import Fanout, route_of
from router.agents.intake import Intake
from router.agents.validate import SourceRules
from router.config.loader import Loaded
from router.config.models import Topology
from router.config.topics import source_topics, topics_of
from router.destinations.registry import destination_types
from router.events.event import Event, Limits


def sources_by_topic(topology: Topology) -> dict[str, str]:
    """Topics that belong to one source, with its name."""
    return {topic: name for name, source in topology.sources.items() for topic in source.topics}


def input_topics(topology: Topology) -> list[str]:
    """What a route worker reads."""
    topics = topics_of(topology)
    return [topics.raw, *source_topics(topology), *([topics.keyed] if reads_keyed(topology) else [])]


def reads_keyed(topology: Topology) -> bool:
    """Whether events go round by `events.keyed`: messages without a key, and events forwarded to another source."""
    return topology.partitioning == "auto" or bool(forwards(topology))


def forwards(topology: Topology) -> dict[str, Forward]:
    """Sources whose blocked events or violations go to another source."""
    found = {}
    for name, source in topology.sources.items():
        enforce = source.enforce
        if enforce.forward_blocked_to or enforce.forward_violations_to:
            found[name] = Forward(enforce.forward_blocked_to, enforce.forward_violations_to)
    return found


def limits_of(topology: Topology) -> Limits:
    """Limits of an event."""
    given = topology.limits
    return Limits(given.event_bytes, given.batch_bytes, given.depth, given.keys, given.message_id)


def intake_of(topology: Topology, cluster: str, clock: Callable[[], float]) -> Intake:
    """The intake of all sources."""
    sources = topology.sources
    return Intake(
        cluster=cluster,
        limits=limits_of(topology),
        source_of_topic=sources_by_topic(topology),
        source_of_key={key.get_secret_value(): name for name, s in sources.items() for key in s.write_keys},
        default_source=topology.default_source,
        keyed_topic=topics_of(topology).keyed,
        disabled=frozenset(name for name, source in sources.items() if not source.enabled),
        sources=frozenset(sources),
        clock=clock,
    )


def fanout_of(topology: Topology) -> Fanout:
    """The routes to all enabled destinations."""
    types = destination_types()
    routes = []
    for name in topology.enabled_destinations:
        config = topology.destinations[name]
        connector = types[config.type]
        routes.append(route_of(name, config, connector.integrations, ignores=connector.ignores_integrations))
    topics = topics_of(topology)
    clean = (topics.resolved,) if topology.topics.resolved else ()
    return Fanout(routes, list(topology.sources), topics.destination, clean)


def rules_of(loaded: Loaded) -> Mapping[str, SourceRules]:
    """The compiled rules of each source."""
    return {
        name: SourceRules(loaded.plans.get(name), source.enforce) for name, source in loaded.topology.sources.items()
    }


def chain_of(
    loaded: Loaded,
    *,
    cluster: str,
    seen: Seen,
    identify: Callable[[Sequence[Event]], None],
    clock: Callable[[], float] = time.time,
    rekey: bool | None = None,
) -> Chain:
    """The chain of a topology over the given state. `clock` gives seconds."""
    topology = loaded.topology
    topics = topics_of(topology)
    return Chain(
        topics,
        intake_of(topology, cluster, clock),
        rules_of(loaded),
        Dedupe(seen, topics.window_ms, list(topology.sources)),
        identify,
        fanout_of(topology),
        rekey=topology.partitioning == "auto" if rekey is None else rekey,
        forward=forwards(topology),
    )
