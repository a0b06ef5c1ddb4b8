"""What `router status TOPOLOGY` reads of Kafka itself, whether or not a process runs: totals, backlogs, pauses.

The totals ride with the committed offsets, so they are those of the last commits. What only processes know (rates of
answers, refusals of the gateway, why a partner is held back) is not in Kafka.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from router.agents.table import ENDINGS
from router.agents.totals import Totals
from router.config.loader import Loaded
from router.config.topics import input_topics, topics_of
from router.delivery.pauses import read_pauses
from router.delivery.tracker import decode
from router.events.topics import Topics
from router.kafka import offset_metadata
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.first import first_records
from router.kafka.offsets import PartitionKey
from router.process.health import Check, Report
from router.process.snapshot import DestinationRow, Snapshot
from router.status.pages import Look
from router.worker.partition import decode_totals


def look_at_kafka(loaded: Loaded, cluster: Cluster) -> Look:
    """Raises RouterError, Unavailable where no broker answers."""
    topology, topics, admin = loaded.topology, topics_of(loaded.topology), Admin(cluster)
    present = admin.topics()
    route = _group(cluster, admin, present, topics.route_group, input_topics(topology))
    totals = Totals()
    for metadata in route.metadata:
        found = decode_totals(metadata)
        totals.counts.update(found.counts)
        totals.routed.update(found.routed)
    pauses, _ = read_pauses(cluster, topics.control)
    rows = []
    for name in topology.destinations:
        read = topics.destination(name), topics.retry(name)  # what ends in the retry lane is counted with its offsets
        delivery = _group(cluster, admin, present, topics.deliver_group(name), read)
        rows.append(_row(name, totals.routed[name], delivery, paused=name in pauses))
    seen = Snapshot(
        received=totals.counts["received"],
        ended={ending.name: totals.counts[ending.name] for ending in ENDINGS},
        merged=_merged(admin, present, topics),
        lost=0,
        waiting=route.waiting,
        accepted=0,
        destinations=tuple(rows),
        processes=(),
        oldest_seconds=route.oldest_seconds,
    )
    return Look(
        seen, Report(True), Report(True, {f"deliver.{name}": Check(True, str(p)) for name, p in pauses.items()})
    )


def completed(kafka: Look, pages: Look) -> Look:
    """Totals, backlogs and pauses of Kafka, and what only processes know of their pages."""
    known = {row.name: row for row in pages.seen.destinations}
    rows = tuple(_completed(row, known[row.name]) if row.name in known else row for row in kafka.seen.destinations)
    seen = replace(
        pages.seen,
        received=kafka.seen.received,
        ended=kafka.seen.ended,
        merged=kafka.seen.merged,
        waiting=kafka.seen.waiting,
        oldest_seconds=kafka.seen.oldest_seconds,
        destinations=rows,
    )
    return Look(seen, pages.ready, Report(pages.live.ok, {**kafka.live.checks, **pages.live.checks}))


def _completed(kafka: DestinationRow, page: DestinationRow) -> DestinationRow:
    return replace(
        kafka,
        asked=True,
        served=page.served,
        paused=tuple(sorted({*kafka.paused, *page.paused})),
        retrying=page.retrying,
        retrying_seconds=page.retrying_seconds,
        p95_seconds=page.p95_seconds,
        filtered=page.filtered,
        skips=page.skips,
        retries=page.retries,
        discarded=page.discarded,
    )


class _Group(NamedTuple):
    """What the members of a group have committed of all partitions of some topics, and what lies behind it."""

    metadata: list[str]
    waiting: int
    oldest_seconds: float | None


def _group(cluster: Cluster, admin: Admin, present: Mapping[str, int], group: str, names: Iterable[str]) -> _Group:
    partitions = [(topic, number) for topic in names for number in range(present.get(topic, 0))]
    if not partitions:
        return _Group([], 0, None)
    committed = admin.committed(group, partitions, stable=False)
    ends = admin.watermarks(partitions, uncommitted=False)
    starts = {key: max(committed[key].offset if key in committed else 0, ends[key].low) for key in partitions}
    behind = {key: ends[key].high - start for key, start in starts.items() if ends[key].high > start}
    oldest = _oldest(cluster, {key: starts[key] for key in behind})
    age = None if oldest is None else max(0.0, time.time() - oldest / 1000)
    waiting = sum(behind.values()) if oldest is not None else 0  # what is left are the markers of transactions
    return _Group([one.metadata for one in committed.values()], waiting, age)


def _oldest(cluster: Cluster, starts: Mapping[PartitionKey, int]) -> int | None:
    """The earliest broker's time, in ms, of the first record at or after each of these offsets. None: there is none."""
    return min((at for _, at in first_records(cluster, starts).values()), default=None)


def _row(name: str, routed: int, group: _Group, *, paused: bool) -> DestinationRow:
    counts = [decode(metadata, 0)[0] for metadata in group.metadata]
    replayed = sum(one.replay_delivered + one.replay_dead + one.replay_filtered for one in counts)
    return DestinationRow(
        name,
        routed=routed,
        delivered=sum(one.delivered for one in counts),
        dead=sum(one.dead for one in counts),
        skipped=sum(one.filtered for one in counts),
        redriven=sum(one.redriven for one in counts),
        replayed=replayed,
        waiting=group.waiting,
        asked=False,
        paused=("operator",) if paused else (),
        oldest_seconds=group.oldest_seconds,
    )


def _merged(admin: Admin, present: Mapping[str, int], topics: Topics) -> int:
    if topics.links not in present:
        return 0
    committed = admin.committed(topics.merges_group, [(topics.links, 0)], stable=False)
    return sum(int(offset_metadata.decode(one.metadata) or 0) for one in committed.values())
