"""What a metrics page says at one moment, as numbers that an operator asks for. Pure: families in, a snapshot out.

Conservation: received = the sum of all endings of events, as the agents declare them, and for each destination
routed + redriven = delivered + filtered + dead + pending. Pages of several processes are read one after the other, so
under load the sums can be out by what moved in between; at rest they are exact.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from router.agents.table import ENDINGS

_OF_DELIVERY = ("router_delivery_delivered", "router_delivery_pending", "router_delivery_lag_messages")
Histogram = list[tuple[float, float]]  # upper bound in seconds, cumulative count


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """One destination. `taken` are events with the delivery process, `waiting` messages in the topic before it.

    `served`: a process on the page delivers to it. None does when it is switched off or delivery runs elsewhere.
    `asked`: a page was read; Kafka by itself does not say why something waits.
    """

    name: str
    routed: int = 0
    delivered: int = 0
    dead: int = 0
    skipped: int = 0  # by the destination's mapping
    redriven: int = 0  # dead letters that delivery has taken once more
    replayed: int = 0  # final events of replays, which are counted nowhere else
    taken: int = 0
    waiting: int = 0
    retrying: int = 0  # in the retry lane: part of what is taken
    retrying_seconds: int = 0  # since the oldest of them was put there
    p95_seconds: float | None = None
    oldest_seconds: float | None = None  # age of the oldest event that waits; None where none does
    served: bool = True
    asked: bool = True
    paused: tuple[str, ...] = ()
    filtered: Mapping[str, int] = field(default_factory=dict)  # by reason
    skips: Mapping[str, int] = field(default_factory=dict)  # of the mapping, by reason
    retries: Mapping[str, int] = field(default_factory=dict)  # by code
    discarded: Mapping[str, int] = field(default_factory=dict)  # by code

    @property
    def pending(self) -> int:
        """Routed or redriven, and not yet final."""
        return self.routed + self.redriven - self.delivered - self.skipped - self.dead

    @property
    def final(self) -> int:
        """Delivered, not sent by the mapping, or given up."""
        return self.delivered + self.skipped + self.dead

    @property
    def balanced(self) -> bool:
        """Whether what is pending is what delivery has taken and what waits for it.

        Waiting messages are an upper bound: a transactional topic also counts its markers. Where nobody delivers there
        is nothing to compare.
        """
        return not self.served or self.taken <= self.pending <= self.taken + self.waiting


@dataclass(frozen=True, slots=True)
class ProcessRow:
    name: str
    up: bool
    ready: bool
    live: bool
    restarts: int = 0
    native: tuple[str, ...] | None = None  # parts that run in the native library; None where a process has none


@dataclass(frozen=True, slots=True)
class Snapshot:
    received: int
    ended: Mapping[str, int]  # events by their ending, as router.agents.table names them
    merged: int
    lost: int
    waiting: int  # messages in the source topics, not yet read
    accepted: int  # by the gateway of this run
    destinations: tuple[DestinationRow, ...]
    processes: tuple[ProcessRow, ...]
    plans: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # revisions in force by source
    oldest_seconds: float | None = None  # age of the oldest message in the source topics not yet read, at most
    stopped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # before they were resolved: source, reason
    refused: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by the gateway: source, code
    violations: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # source, class

    @property
    def balanced(self) -> bool:
        """Whether each event that was received has ended in one way."""
        return self.received == sum(self.ended.values())

    @property
    def invalid(self) -> int:
        return self.ended["invalid"]

    @property
    def blocked(self) -> int:
        return self.ended["blocked"]

    @property
    def duplicates(self) -> int:
        return self.ended["duplicate"]

    @property
    def resolved(self) -> int:
        return self.ended["resolved"]

    @property
    def not_routed(self) -> int:
        """Messages that wait for a route worker; at least what the gateway accepted beyond what was received."""
        return max(self.waiting, self.accepted - self.received, 0)

    @property
    def not_final(self) -> int:
        """Events not yet routed, and deliveries that are neither delivered nor filtered nor dead."""
        return self.not_routed + sum(max(row.pending, row.taken, 0) for row in self.destinations)

    def as_dict(self) -> dict[str, object]:
        """For --json: every number above, `pending` and `balanced` included."""
        rows = [asdict(row) | {"pending": row.pending, "balanced": row.balanced} for row in self.destinations]
        answer = asdict(self) | {"balanced": self.balanced, "not_final": self.not_final, "destinations": rows}
        del answer["ended"]
        return answer | {ending.title: self.ended[ending.name] for ending in ENDINGS}


def snapshot(families: Iterable[Metric]) -> Snapshot:
    """The snapshot of a page: that of `router up`, or of one process."""
    page = _Page(families)
    return Snapshot(
        received=page.total("router_events_received"),
        ended={ending.name: page.total(f"router_events_{ending.name}") for ending in ENDINGS},
        merged=page.total("router_identity_merges"),
        lost=page.total("router_messages_lost"),
        waiting=page.total("router_route_lag_messages"),
        accepted=page.total("router_gateway_events", outcome="accepted"),
        destinations=tuple(_destination(page, name) for name in page.values("destination")),
        processes=tuple(_process(page, name) for name in page.processes()),
        plans={source: page.revisions(source) for source in page.values("source") if page.revisions(source)},
        oldest_seconds=page.oldest("router_route_oldest_seconds"),
        stopped=page.by_source("router_events_stopped", "reason"),
        refused=page.by_source("router_gateway_events", "outcome", but="accepted"),
        violations=page.by_source("router_violations", "class"),
    )


def _destination(page: _Page, name: str) -> DestinationRow:
    return DestinationRow(
        name,
        routed=page.total("router_events_routed", destination=name),
        delivered=page.total("router_delivery_delivered", destination=name),
        dead=page.total("router_delivery_dead", destination=name),
        skipped=page.total("router_delivery_filtered", destination=name),
        redriven=page.total("router_delivery_redriven", destination=name),
        replayed=sum(page.total(f"router_replay_{end}", destination=name) for end in ("delivered", "filtered", "dead")),
        taken=page.total("router_delivery_pending", destination=name),
        waiting=page.total("router_delivery_lag_messages", destination=name),
        retrying=page.total("router_delivery_retry_lane", destination=name),
        retrying_seconds=page.largest("router_delivery_retry_lane_age_seconds", name),
        p95_seconds=page.p95(name),
        oldest_seconds=page.oldest("router_delivery_oldest_seconds", destination=name),
        served=any(page.tells(family, name) for family in _OF_DELIVERY),
        paused=tuple(page.by("router_delivery_paused", "reason", destination=name)),
        filtered=page.by("router_events_filtered", "reason", destination=name),
        skips=page.by("router_delivery_skipped", "reason", destination=name),
        retries=page.by("router_delivery_retries", "code", destination=name),
        discarded=page.by("router_delivery_discarded", "code", destination=name),
    )


def _process(page: _Page, name: str) -> ProcessRow:
    up = page.gauge("router_up", name)
    ready, live = page.gauge("router_ready", name), page.gauge("router_live", name)
    restarts = page.total("router_process_restarts", process=name)
    return ProcessRow(name, up is None or up > 0, bool(ready), bool(live), restarts, page.native(name))


class _Page:
    """Samples by family name, counters and gauges alike without suffix."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        for family in families:
            self._samples[family.name] += family.samples

    def total(self, family: str, **labels: str) -> int:
        """Sum over all samples with these label values."""
        return int(sum(sample.value for sample in self._matching(family, labels)))

    def largest(self, family: str, destination: str) -> int:
        """The largest of a destination's samples, in whole units; 0 without any."""
        return int(max((one.value for one in self._matching(family, {"destination": destination})), default=0))

    def tells(self, family: str, destination: str) -> bool:
        """Whether there is any sample of this destination."""
        return bool(self._matching(family, {"destination": destination}))

    def by(self, family: str, label: str, **labels: str) -> dict[str, int]:
        """Sums by one label's values, largest first; zeros are left out."""
        sums: Counter[str] = Counter()
        for sample in self._matching(family, labels):
            sums[sample.labels.get(label, "")] += int(sample.value)
        return {value: count for value, count in sums.most_common() if count}

    def by_source(self, family: str, label: str, but: str = "") -> dict[str, dict[str, int]]:
        """The same for each source that has any; `but` is a value that is left out."""
        found = {source: self.by(family, label, source=source) for source in self.values("source")}
        kept = {source: {one: n for one, n in counts.items() if one != but} for source, counts in found.items()}
        return {source: counts for source, counts in kept.items() if counts}

    def gauge(self, family: str, process: str) -> float | None:
        """A gauge of one process; a page of a single process carries no label `process`."""
        values = [s.value for s in self._samples.get(family, ()) if s.labels.get("process", "") == process]
        return values[0] if values else None

    def oldest(self, family: str, **labels: str) -> float | None:
        """The largest of some ages; None where nothing waits."""
        return max((sample.value for sample in self._matching(family, labels) if sample.value > 0), default=None)

    def values(self, label: str) -> list[str]:
        """Every value of a label on the page, sorted."""
        found = {s.labels[label] for samples in self._samples.values() for s in samples if label in s.labels}
        return sorted(found)

    def revisions(self, source: str) -> tuple[str, ...]:
        """Of the source's tracking plan: several while workers take a new one over."""
        found = {s.labels["revision"] for s in self._matching("router_plan_info", {"source": source}) if s.value}
        return tuple(sorted(found))

    def native(self, process: str) -> tuple[str, ...] | None:
        """The parts of a process that run in the native library."""
        found = [s for s in self._samples.get("router_native", ()) if s.labels.get("process", "") == process]
        return tuple(sorted(s.labels["part"] for s in found if s.value)) if found else None

    def processes(self) -> list[str]:
        named = self.values("process")
        return named or ([""] if self._samples.get("router_ready") else [])

    def p95(self, destination: str) -> float | None:
        """Worst of the processes' last five minutes; where no process says, over all there has been."""
        recent = [s.value for s in self._matching("router_end_to_end_p95_seconds", {"destination": destination})]
        known = [value for value in recent if value > 0 and math.isfinite(value)]
        return max(known) if known else quantile(0.95, self._histogram(destination))

    def _histogram(self, destination: str) -> Histogram:
        counts: Counter[float] = Counter()
        for sample in self._matching("router_end_to_end_seconds", {"destination": destination}):
            if sample.name.endswith("_bucket"):
                counts[float(sample.labels["le"])] += int(sample.value)
        return sorted(counts.items())

    def _matching(self, family: str, labels: Mapping[str, str]) -> list[Sample]:
        wanted = labels.items()
        return [sample for sample in self._samples.get(family, ()) if wanted <= sample.labels.items()]


def quantile(share: float, histogram: Histogram) -> float | None:
    """As Prometheus's histogram_quantile: linear inside a bucket; None without observations.

    In the last bucket, which has no upper end, the answer is its lower end.
    """
    if not histogram or not histogram[-1][1]:
        return None
    rank = share * histogram[-1][1]
    lower, below = 0.0, 0.0
    for upper, count in histogram:
        if count >= rank:
            if math.isinf(upper):
                return lower
            return lower + (upper - lower) * (rank - below) / (count - below)
        lower, below = upper, count
    return lower
