"""Opens what a route worker needs (slot, clients, stores, agents) and runs it until it is stopped."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer, Producer

from router import metrics
from router.agents.agent import Setup
from router.agents.isolate import Isolated
from router.agents.pipeline import Pipeline
from router.config.loader import Loaded
from router.config.options import RunOptions
from router.config.topics import input_topics, owned_topics, topics_of
from router.dedupe.window import Window
from router.dedupe.window_rocksdb import FOLDER as WINDOW_FOLDER
from router.dedupe.window_rocksdb import RocksWindow
from router.embedded.capacity import capacity_of, destination_topics
from router.errors import RouterError
from router.events.topics import Topics
from router.identity import IdentityRules, Replica
from router.identity.log import LinkLog
from router.identity.merges import MergesPartition, MergesTask
from router.identity.store_rocksdb import FOLDER as IDENTITY_FOLDER
from router.identity.store_rocksdb import RocksIdentityStore
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.batch_consumer import BatchConsumer
from router.kafka.cluster import Cluster
from router.kafka.group_consumer import BATCH_MESSAGES, GroupConsumer
from router.kafka.native_producer import native_producer
from router.kafka.owners import Owners
from router.kafka.ready import wait_ready
from router.kafka.transactions import AlternatingWriters, TransactionalWriter
from router.kafka.writer import Writer
from router.native.heap import keep_freed_memory
from router.process.health import Health
from router.process.reload import Reload
from router.process.rundir import check_state
from router.state.rocks import size_of
from router.state.slot import Slot
from router.worker.active_topology import ActiveTopology
from router.worker.checkpoint import AtLeastOnce, Checkpoint, ExactlyOnce, committing
from router.worker.loop import Components, Worker
from router.worker.partition import RoutePartition
from router.worker.restore import Restore

log = logging.getLogger(__name__)
BROKER_SECONDS = 60.0
RESTORE_SECONDS = 3600.0
GC_ALLOCATIONS = 1_000_000
TRANSACTION_MESSAGES = 8000  # a transaction costs the broker a marker in every partition it writes to
TRANSFORMED_MESSAGES = 400  # a function may take its time with each, and a batch ends before it counts as stuck


def run_route(
    loaded: Loaded, options: RunOptions, stop: threading.Event, health: Health, reload: Reload[Pipeline] | None = None
) -> None:
    """Run one route worker until `stop` is set. Raises RouterError for what a restart cannot mend here."""
    with ExitStack() as stack:
        keep_freed_memory()
        worker = WorkerBuilder(loaded, options, health, stack, stop=stop, reload=reload).worker()
        calm_collector()
        worker.run(stop)


def calm_collector() -> None:
    """Batches hold many objects and no cycles: looking for cycles at the default pace cost a third of all CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 50, 100)


class WorkerBuilder:
    """Makes the components of one worker, in order; `stack` gives back what was taken.

    Raises Unavailable without a broker or a folder for state, Stopped soon after `stop` is set while it connects.
    """

    def __init__(
        self,
        loaded: Loaded,
        options: RunOptions,
        health: Health,
        stack: ExitStack,
        *,
        stop: threading.Event | None = None,
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
        check_state(options.state)
        self.cluster_id = wait_ready(self.cluster, BROKER_SECONDS, stop)
        self.admin = Admin(self.cluster)
        Owners(self.cluster).claim(loaded.topology.name, owned_topics(loaded.topology))
        found = self.admin.topics()
        self.topics = topics_of(loaded.topology, found)
        self._check_partitions(found)
        self.slot = Slot.take(options.state / loaded.topology.name)
        stack.callback(self.slot.release)
        self.capacity = stack.enter_context(capacity_of(self.cluster, loaded.topology, destination_topics))

    def _check_partitions(self, found: Mapping[str, int]) -> None:
        """Refuse partition counts that are not those of `topics apply`: keys would no longer meet."""
        topology = self.loaded.topology
        wanted = self.topics.specs(topology.enabled_destinations, input_topics(topology)[1:], found=found)
        missing = [spec.name for spec in wanted if spec.name not in found]
        if missing:
            raise RouterError(f"topics are missing: {', '.join(missing)}; run `router topics apply`")
        other = [f"{s.name} has {found[s.name]}, not {s.partitions}" for s in wanted if found[s.name] != s.partitions]
        if other:
            raise RouterError(f"partition counts differ from the topology's: {'; '.join(other)}")

    def transactional_writer(self, suffix: str = "", changelog: str = "") -> TransactionalWriter:
        """`suffix` distinguishes the transactional ids of one worker."""
        name = f"{self.topics.route_group}.{self.slot.id}{suffix}"
        producer, native = native_producer(clients.transactional(self.cluster, name))
        return TransactionalWriter(producer, changelog, native=native)

    def writer(self, changelog: str = "") -> Writer:
        return Writer(Producer(clients.producer(self.cluster)), changelog)

    def _checkpoint(self, window: Window, consumer: GroupConsumer[RoutePartition]) -> Checkpoint:
        changelog = self.topics.dedupe_changelog
        if not self.transactional:
            return AtLeastOnce(self.writer(changelog), consumer.commit, window)
        writers = [self.transactional_writer(suffix, changelog) for suffix in ("", "-other")]
        metrics.NATIVE.labels("produce").set(all(writer.native for writer in writers))
        return ExactlyOnce(AlternatingWriters(*writers), window)

    def _merges(self, replica: Replica) -> MergesTask:
        settings = clients.consumer(self.cluster, self.topics.merges_group)
        consumer = GroupConsumer(settings, [self.topics.links], MergesPartition.open)
        checkpoint: Checkpoint = AtLeastOnce(self.writer(), consumer.commit)
        if self.transactional:
            checkpoint = ExactlyOnce(self.transactional_writer("-merges"))
        commit, close = committing(checkpoint), checkpoint.close
        return MergesTask(replica.store, consumer, commit, close, links=self.topics.links, merges=self.topics.merges)

    def components(self) -> Components:
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
            pipeline = Pipeline.build(Setup(loaded, self.cluster_id, window, replica, links.append, rekey))
            metrics.NATIVE.labels("scan").set(pipeline.scan is not None)
            return pipeline

        topology = ActiveTopology(self.loaded, Isolated(pipeline_for(self.loaded)), self.capacity)
        if self._reload is not None:
            topology.follow(self._reload, pipeline_for, self.cluster, self.options)
        return Components(window, links, self._merges(replica), topology)

    def worker(self) -> Worker:
        """The batch loop over the components."""
        components = self.components()
        consumer = self._consumer()
        checkpoint = self._checkpoint(components.window, consumer)
        restore = partial(self.restore, components.window)
        return Worker(components, consumer, checkpoint, restore, self.health, capacity=self.capacity)

    def _topic_id(self, name: str) -> str:
        return self.admin.topic_ids([name]).get(name, "")

    def _sized(self, folder: str, store: str) -> Path:
        """The folder of a store, whose size is shown from now on."""
        path = self.slot.path / folder
        metrics.STATE_BYTES.labels(store).set_function(partial(_size, path))
        return path

    def _window(self) -> RocksWindow:
        changelog, window_ms = self._topic_id(self.topics.dedupe_changelog), self.topics.window_ms
        return RocksWindow.open(self._sized(WINDOW_FOLDER, "window"), self.cluster_id, changelog, window_ms=window_ms)

    def _replica(self) -> Replica:
        links = self._topic_id(self.topics.links)
        store = RocksIdentityStore.open(self._sized(IDENTITY_FOLDER, "identity"), self.cluster_id, links)
        return Replica(store, IdentityRules.of(self.loaded.topology.identity))

    def _consumer(self) -> GroupConsumer[RoutePartition]:
        settings = clients.consumer(self.cluster, self.topics.route_group)
        most = TRANSACTION_MESSAGES if self.transactional else BATCH_MESSAGES
        if any(source.transform for source in self.loaded.topology.sources.values()):
            most = TRANSFORMED_MESSAGES
        return BatchConsumer(settings, input_topics(self.loaded.topology), RoutePartition.open, most=most)

    def restore(self, window: Window, partitions: set[int]) -> Restore:
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


def _size(folder: Path) -> float:
    """Nothing while a store is being set aside or has not been opened."""
    try:
        return float(size_of(folder))
    except FileNotFoundError:
        return 0.0
