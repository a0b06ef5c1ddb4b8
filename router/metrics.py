"""Every metric the router exports, as ops/metrics.md promises them. Labels come from closed sets only.

Totals that must survive kill -9 are not counters of this process: they ride with the committed offsets and are shown,
per partition, by the process that owns the partition now (`PartitionTotals`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge beside each counter that nobody reads
REGISTRY = CollectorRegistry(auto_describe=True)
END_TO_END_BUCKETS = (0.05, 0.1, 0.25, 1, 5, 15, 60, 300, 1800)  # few: by destination
LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 14400)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str, buckets: Iterable[float] = LATENCY_BUCKETS) -> Histogram:
    return Histogram(name, text, labels, registry=REGISTRY, buckets=tuple(buckets))


class PartitionTotals(Collector):
    """Cumulative counts per partition, as committed. A process shows only the partitions it owns.

    Each family has the labels (`destination`,) `topic`, `partition`; values are replaced, never incremented. Those
    `from_one` have no sample while they are 0.
    """

    def __init__(self, families: Mapping[str, str], labels: tuple[str, ...], from_one: tuple[str, ...] = ()) -> None:
        self._families = dict(families)
        self._from_one = from_one
        self._labels = labels
        self._rows: dict[tuple[str, ...], Mapping[str, int]] = {}
        self._lock = Lock()
        REGISTRY.register(self)

    def show(self, labels: tuple[str, ...], totals: Mapping[str, int]) -> None:
        """Replace the row of these label values by the committed totals (family name to count)."""
        with self._lock:
            self._rows[labels] = dict(totals)

    def hide(self, labels: tuple[str, ...]) -> None:
        """The partition is no longer this process's."""
        with self._lock:
            self._rows.pop(labels, None)

    def rows(self) -> dict[tuple[str, ...], Mapping[str, int]]:
        with self._lock:
            return dict(self._rows)

    def describe(self) -> Iterable[Metric]:
        return [CounterMetricFamily(name, text, labels=self._labels) for name, text in self._families.items()]

    def collect(self) -> Iterator[Metric]:
        rows = self.rows()
        for name, text in self._families.items():
            family = CounterMetricFamily(name, text, labels=self._labels)
            for labels, totals in rows.items():
                if totals.get(name) or (name in totals and name not in self._from_one):
                    family.add_metric(labels, totals[name])
            yield family


# Route workers. The totals of a partition are made of what the agents declare: router.agents.table.
ROUTED_TOTALS = PartitionTotals(
    {"router_events_routed": "Events written to the destination's topic"}, ("destination", "topic", "partition")
)
STOPPED = _counter("router_events_stopped", "Events that ended with an agent, and why", "agent", "source", "reason")
SOURCE_RESOLVED = _counter("router_source_resolved", "Events that passed all agents, by their source", "source")
SOURCE_LAST = _gauge(
    "router_source_last_event_timestamp_seconds", "When an event of the source last ended with an agent", "source"
)
VOLUME_BAND = _gauge("router_source_volume_band_ratio", "How far from the usual its volume may be", "source")
TRANSFORMED = _counter(
    "router_transform_events", "Events given to a source's or destination's own function", "owner", "outcome"
)
FILTERED = _counter("router_events_filtered", "Events not routed to a destination", "destination", "reason")
VIOLATIONS = _counter("router_violations", "Violations found", "source", "class")
REPAIRED = _counter("router_events_repaired", "What the reader put right in events, by kind", "source", "repair")
UNKNOWN_INTEGRATIONS = _counter("router_integrations_unknown", "Integrations keys that name no destination", "source")
LOST = _counter(
    "router_messages_lost", "Offsets that the broker no longer had when they were due", "topic", "partition"
)
LINKS = _counter("router_identity_links", "Identity facts appended to the log", "outcome")
MERGE_TOTALS = PartitionTotals({"router_identity_merges": "Merge records written"}, ("partition",))
BATCH_SECONDS = _histogram("router_route_batch_seconds", "Time from the first message of a batch to its commit")
BATCH_EVENTS = _histogram(
    "router_route_batch_events", "Events in a batch", buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000)
)
ROUTE_LAG = _gauge("router_route_lag_messages", "Messages not yet read", "topic", "partition")
ROUTE_OLDEST = _gauge(
    "router_route_oldest_seconds", "Age of the oldest message not yet read, at most", "topic", "partition"
)
NATIVE = _gauge("router_native", "1 while this part of the hot path runs in the native library", "part")
SCAN_CHECKS = _counter("router_native_checks", "Events of the native scanner that went the long way as well", "outcome")
POISON = _counter("router_events_poison", "Events that made an agent raise; kept in events.invalid", "stage")
ABORTS = _counter("router_transactions_aborted", "Transactions that were aborted and redone", "reason")
CHANGELOG_SKIPPED = _counter("router_changelog_skipped", "Changelog records that no router wrote", "partition")
STATE_BYTES = _gauge("router_state_bytes", "Size of a store on disk", "store")
RESTORE_SECONDS = _gauge("router_restore_seconds", "Time the last restore took", "store")
RESTORE_RECORDS = _gauge("router_restore_records", "Records that a restore under way has still to read", "store")
STATE_FREE = _gauge("router_state_free_bytes", "Space left on the disk that holds the state", "kind")
PLAN_INFO = _gauge("router_plan_info", "1 for the active revision of a source's tracking plan", "source", "revision")
RELOADS = _counter("router_reloads", "Reloads of topology and plans", "outcome")

# Delivery. routed + redriven = delivered + filtered + dead + pending once every record has been taken.
DELIVERY_TOTALS = PartitionTotals(
    {
        "router_delivery_delivered": "Events the partner accepted",
        "router_delivery_dead": "Events given up; kept in dest.<name>.dead",
        "router_delivery_filtered": "Events that the destination's mapping does not send",
        "router_delivery_redriven": "Dead letters taken once more after a redrive",
        "router_replay_delivered": "Events of replays that the partner accepted; not among those delivered",
        "router_replay_dead": "Events of replays given up; kept in dest.<name>.dead, not among those dead",
        "router_replay_filtered": "Events of replays that the mapping does not send; not among those filtered",
    },
    ("destination", "partition"),
    from_one=(
        *("router_delivery_dead", "router_delivery_filtered", "router_delivery_redriven"),
        *("router_replay_delivered", "router_replay_dead", "router_replay_filtered"),
    ),
)
PENDING = _gauge("router_delivery_pending", "Events taken and not yet final", "destination")
REPLAY_PENDING = _gauge("router_replay_pending", "Events of replays taken and not yet final", "destination")
RETRY_LANE = _gauge("router_delivery_retry_lane", "Events in the retry lane: part of what is pending", "destination")
RETRY_LANE_AGE = _gauge("router_delivery_retry_lane_age_seconds", "Time since the oldest was parked", "destination")
RETRY_LANE_OLDER = _gauge(
    "router_delivery_retry_lane_older", "Events put into the retry lane so long ago, or longer", "destination", "age"
)
DEAD_OLDEST = _gauge("router_delivery_dead_oldest_seconds", "Age of the oldest dead letter", "destination")
DELIVERY_TARGET = _gauge("router_delivery_target_ratio", "Part of attempts to be accepted, at least", "destination")
DELIVERY_LAG = _gauge("router_delivery_lag_messages", "Messages of the destination's topic not yet read", "destination")
DELIVERY_OLDEST = _gauge("router_delivery_oldest_seconds", "Age of the oldest event that is not final", "destination")
ATTEMPTS = _counter("router_delivery_attempts", "Requests to the partner", "destination", "code")
RETRIES = _counter("router_delivery_retries", "Events that will be tried again", "destination", "code")
SKIPPED = _counter("router_delivery_skipped", "Events that the mapping does not send", "destination", "reason")
MAPPING_PROBLEMS = _counter(
    "router_mapping_problems", "Values that a mapping left out: they could not be converted", "destination", "place"
)
SOURCE_MAPPING_PROBLEMS = _counter(
    "router_source_mapping_problems", "Values that the map of a source left out: not converted", "source", "place"
)
DISCARDED = _counter("router_delivery_discarded", "Events sent to the dead letters", "destination", "code")
STAGE_SECONDS = _histogram(
    "router_stage_seconds", "Time of accepted events by stage", "destination", "stage",
    buckets=(0.1, 1, 10),
)  # fmt: skip
DEAD_LAST = _gauge("router_delivery_last_dead_timestamp_seconds", "When an event was last given up", "destination")
END_TO_END = _histogram(
    "router_end_to_end_seconds", "Receive time to partner acceptance", "destination", buckets=END_TO_END_BUCKETS
)
END_TO_END_P95 = _gauge("router_end_to_end_p95_seconds", "P95 of the last five minutes, this process", "destination")
PAUSED = _gauge("router_delivery_paused", "1 while a destination is held back", "destination", "reason")

# Warehouses.
WAREHOUSE_LOADS = _counter("router_warehouse_loads", "Loads into a warehouse", "destination", "outcome")
WAREHOUSE_ROWS = _counter("router_warehouse_rows", "Rows of committed loads", "destination", "outcome")
WAREHOUSE_CHANGES = _counter("router_warehouse_changes", "Tables and columns made or widened", "destination", "change")
WAREHOUSE_DISCARDS = _counter("router_warehouse_discards", "Values given to the discards", "destination", "reason")
WAREHOUSE_LOAD_SECONDS = _histogram("router_warehouse_load_seconds", "Time that a load takes", "destination")
WAREHOUSE_LAST_LOAD = _gauge(
    "router_warehouse_last_load_timestamp_seconds", "When the last load was committed", "destination"
)

# Gateway.
GATEWAY_REQUESTS = _counter("router_gateway_requests", "HTTP requests", "endpoint", "status")
GATEWAY_EVENTS = _counter("router_gateway_events", "Events that arrived by HTTP", "source", "outcome")
GATEWAY_IN_FLIGHT = _gauge("router_gateway_in_flight", "Events waiting for Kafka's acknowledgement")
GATEWAY_ACK_SECONDS = _histogram("router_gateway_ack_seconds", "Request received to Kafka's acknowledgement")

# Files and rows of the past.
PULL_ROWS = _counter("router_pull_rows", "Rows of a query by what became of them", "source", "outcome")
PULLS = _counter("router_pulls", "Pulls of a source that came to their end, or did not", "source", "outcome")
PULL_LAST = _gauge("router_pull_last_success_timestamp_seconds", "When a pull came to its end last", "source")
PULL_EVERY = _gauge("router_pull_interval_seconds", "How often a source is pulled", "source")
IMPORT_ROWS = _counter("router_import_rows", "Rows of imported files by what became of them", "source", "outcome")
IMPORT_LAST = _gauge("router_import_last_success_timestamp_seconds", "When a file came to its end last", "source")

# Insights.
INSIGHTS_WAITING = _gauge("router_insights_waiting_records", "Records not yet counted")
INSIGHTS_SKIPPED = _gauge("router_insights_skipped_records", "Records of events.resolved passed over, since it began")
INSIGHTS_STATE = _gauge("router_insights_state_bytes", "Size of the tables, about", "place")

# Every process.
READY = _gauge("router_ready", "1 while /readyz answers 200")
LIVE = _gauge("router_live", "1 while /healthz answers 200")
UP = _gauge("router_up", "1 while the supervisor can read the child's page", "process")
RESTARTS = _counter("router_process_restarts", "Children restarted by the supervisor", "process")
