"""Opens what a route worker needs (slot, clients, stores, agents) and runs it until it is stopped."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Producer

from router.agents.agent import Setup
from router.agents.isolate import Isolated
from router.agents.pipeline import Pipeline
from router.config.loader import Loaded
from router.config.options import RunOptions
from router.config.topics import input_topics, owned_topics, topics_of
from router.dedupe.window_rocksdb import FOLDER as WINDOW_FOLDER
from router.dedupe.window_rocksdb import RocksWindow
from router.embedded.capacity import capacity_of, destination_topics
from router.errors import RouterError
from router.events.topics import Topics
from router.identity import IdentityRules, Replica
from router.identity.log import LinkLog
from router.identity.store_rocksdb import FOLDER as IDENTITY_FOLDER
from router.identity.store_rocksdb import RocksIdentityStore
from router.kafka import clients
from router.kafka.admin import Admin, wait_ready
from router.kafka.cluster import Cluster
from router.kafka.owners import Owners
from router.process.health import Health
from router.process.reload import Reload
from router.runtime.committer import Committer
from router.runtime.merges import MergesTask
from router.runtime.outputs import ByTurns, OutputFirst, Outputs, Transactional
from router.runtime.reader import BATCH_MESSAGES, Reader
from router.runtime.renew import Renewal
from router.runtime.restore import Restore
from router.runtime.worker import Worker
from router.state.slot import Slot

log = logging.getLogger(__name__)
BROKER_SECONDS = 60.0
RESTORE_SECONDS = 3600.0
GC_ALLOCATIONS = 1_000_000
TRANSACTION_MESSAGES = 8000  # a transaction costs the broker a marker in every partition it writes to


def run_route(
    loaded: Loaded, options: RunOptions, stop: threading.Event, health: Health, reload: Reload[Pipeline] | None = None
) -> None:
    """Run one route worker until `stop` is set. Raises RouterError for what a restart cannot mend here."""
    with ExitStack() as stack:
        worker = Opening(loaded, options, health, stack, reload=reload).worker()
        calm_collector()
        worker.run(stop)


def calm_collector() -> None:
    """Batches hold many objects and no cycles: looking for cycles at the default pace cost a third of all CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 50, 100)


class Parts(NamedTuple):
    """What every engine runs."""

    chain: Isolated
    window: RocksWindow
    links: LinkLog
    merges: MergesTask
    renew: Renewal


class Opening:
    """The parts of one worker, made in order; `stack` gives back what was taken."""

    def __init__(
        self,
        loaded: Loaded,
        options: RunOptions,
        health: Health,
        stack: ExitStack,
        *,
        transactions: bool = True,
        reload: Reload[Pipeline] | None = None,
    ) -> None:
        self.loaded = loaded
        self.options = options
        self.health = health
        self._reload = reload
        self._stack = stack
        self.topics: Topics = topics_of(loaded.topology)
        self.cluster = Cluster.of(options)
        exactly_once = loaded.topology.guarantee == "exactly_once"
        self.transactional = exactly_once and transactions and self.cluster.capabilities.transactions
        health.ready("kafka", False, "connecting")
        self.cluster_id = wait_ready(self.cluster, BROKER_SECONDS)
        self.admin = Admin(self.cluster)
        Owners(self.cluster).claim(loaded.topology.name, owned_topics(loaded.topology))
        self._check_partitions()
        self.slot = Slot.take(options.state / loaded.topology.name)
        stack.callback(self.slot.release)
        self.capacity = stack.enter_context(capacity_of(self.cluster, loaded.topology, destination_topics))

    def _check_partitions(self) -> None:
        """Refuse partition counts that are not those of `topics apply`: keys would no longer meet."""
        wanted = self.topics.specs(self.loaded.topology.enabled_destinations, input_topics(self.loaded.topology)[1:])
        found = self.admin.topics()
        missing = [spec.name for spec in wanted if spec.name not in found]
        if missing:
            raise RouterError(f"topics are missing: {', '.join(missing)}; run `router topics apply`")
        other = [f"{s.name} has {found[s.name]}, not {s.partitions}" for s in wanted if found[s.name] != s.partitions]
        if other:
            raise RouterError(f"partition counts differ from the topology's: {'; '.join(other)}")

    def outputs(self, suffix: str) -> Outputs:
        """A way to make batches durable; `suffix` tells the transactional ids of one worker apart."""
        changelog = self.topics.dedupe_changelog
        if not self.transactional:
            return OutputFirst(Producer(clients.producer(self.cluster)), changelog)
        name = f"{self.topics.route_group}.{self.slot.id}{suffix}"
        return Transactional(Producer(clients.transactional(self.cluster, name)), changelog)

    def _by_turns(self) -> Outputs:
        return ByTurns(self.outputs(""), self.outputs("-other")) if self.transactional else self.outputs("")

    def parts(self) -> Parts:
        """Stores, identity log and agents, whatever engine runs them."""
        window = self._window()
        replica = self._replica()
        self._stack.callback(replica.close)
        links = LinkLog(
            replica,
            self.topics.links,
            producer=clients.producer(self.cluster, linger_ms=0),
            reader=clients.reader(self.cluster),
        )

        def pipeline_for(loaded: Loaded) -> Pipeline:
            rekey = loaded.topology.partitioning == "auto"
            return Pipeline.build(Setup(loaded, self.cluster_id, window, replica, links.append, rekey))

        merges = MergesTask(
            replica.store,
            self.outputs("-merges"),
            consumer=clients.consumer(self.cluster, self.topics.merges_group),
            links=self.topics.links,
            merges=self.topics.merges,
            transactional=self.transactional,
        )
        isolated = Isolated(pipeline_for(self.loaded))
        renew = Renewal(self.loaded, isolated, self.capacity)
        if self._reload is not None:
            renew.follow(self._reload, pipeline_for, self.cluster, self.options)
        return Parts(isolated, window, links, merges, renew)

    def worker(self) -> Worker:
        """The batch loop over the parts."""
        parts = self.parts()
        return Worker(
            chain=parts.chain,
            store=parts.window,
            links=parts.links,
            merges=parts.merges,
            committer=Committer(self._by_turns()),
            open_reader=self._reader,
            open_restore=partial(self.restore, parts.window),
            health=self.health,
            destinations=parts.renew.destinations,
            renew=parts.renew,
            transactional=self.transactional,
            capacity=self.capacity,
        )

    def _topic_id(self, name: str) -> str:
        return self.admin.topic_ids([name]).get(name, "")

    def _window(self) -> RocksWindow:
        changelog, window_ms = self._topic_id(self.topics.dedupe_changelog), self.topics.window_ms
        return RocksWindow.open(self.slot.path / WINDOW_FOLDER, self.cluster_id, changelog, window_ms=window_ms)

    def _replica(self) -> Replica:
        links = self._topic_id(self.topics.links)
        store = RocksIdentityStore.open(self.slot.path / IDENTITY_FOLDER, self.cluster_id, links)
        return Replica(store, IdentityRules())

    def _reader(self, on_gain: Callable[[], None], on_loss: Callable[[bool], None]) -> Reader:
        settings = clients.consumer(self.cluster, self.topics.route_group)

        def open_consumer(on_error: Callable[[KafkaError], None]) -> Consumer:
            return Consumer(settings | {"error_cb": on_error})

        most = TRANSACTION_MESSAGES if self.transactional else BATCH_MESSAGES
        return Reader(open_consumer, input_topics(self.loaded.topology), on_gain, on_loss, most)

    def restore(self, window: RocksWindow, partitions: set[int]) -> Restore:
        """Brings the window up to the changelog of these partitions. Raises RouterError when there are too many."""
        if max(partitions, default=0) >= self.topics.partitions:
            raise RouterError(f"a source topic has more than {self.topics.partitions} partitions: keys no longer meet")
        return Restore(
            window,
            self.topics.dedupe_changelog,
            partitions,
            reader=Consumer(clients.reader(self.cluster)),
            uncommitted=Consumer(clients.reader(self.cluster, uncommitted=True)),
            deadline_s=RESTORE_SECONDS,
        )
