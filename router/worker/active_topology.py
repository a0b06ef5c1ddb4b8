"""Brings a changed topology into a running worker: new agents over the same state, between two batches.

The batch in flight is committed as the old agents made it. kill -9 at any point loses and repeats what it does without
a reload: agents hold no state, and what was not committed is read again, by the topology of that time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from router import metrics
from router.agents.isolate import Isolated
from router.agents.pipeline import Pipeline
from router.config.loader import Loaded
from router.config.options import RunOptions
from router.embedded.capacity import Capacity
from router.kafka.cluster import Cluster
from router.process.reload import Reload, without_topics
from router.process.run import register_secrets


class ActiveTopology:
    """Call `take` between two batches. `agents` and `destinations` are those of the present topology."""

    def __init__(self, loaded: Loaded, agents: Isolated, capacity: Capacity | None) -> None:
        self.destinations: Sequence[str] = loaded.topology.enabled_destinations
        self.agents = agents
        self._capacity = capacity
        self._reload: Reload[Pipeline] | None = None
        self._plans: dict[str, str] = {}
        self._bands: set[str] = set()
        self._show(loaded)

    def follow(
        self,
        reload: Reload[Pipeline],
        pipeline_for: Callable[[Loaded], Pipeline],
        cluster: Cluster,
        options: RunOptions,
    ) -> None:
        """From now on a topology that has changed gets the pipeline that `pipeline_for` makes of it."""
        self._reload = reload
        reload.use(
            pipeline_for,
            register=lambda loaded: register_secrets(loaded, options),
            absent=partial(without_topics, cluster),
        )

    def take(self) -> None:
        """Bring in the topology that is ready, if there is one."""
        offer = self._reload.take() if self._reload is not None else None
        if offer is None or self._reload is None:
            return
        self.agents = Isolated(offer.prepared)
        topology = offer.loaded.topology
        self.destinations = topology.enabled_destinations
        if self._capacity is not None:
            self._capacity.watch(topology)
        self._show(offer.loaded)
        self._reload.done(offer)

    def _show(self, loaded: Loaded) -> None:
        """The revision in force, for each source with a plan, and the band of every source's volume."""
        plans = {source: compiled.plan.revision for source, compiled in loaded.plans.items()}
        for source, revision in self._plans.items() - plans.items():
            metrics.PLAN_INFO.remove(source, revision)
        for source, revision in plans.items():
            metrics.PLAN_INFO.labels(source, revision).set(1)
        self._plans = plans
        sources = loaded.topology.sources
        for source in self._bands - sources.keys():
            metrics.VOLUME_BAND.remove(source)
        for source, config in sources.items():
            metrics.VOLUME_BAND.labels(source).set(config.volume.band)
        self._bands = set(sources)
