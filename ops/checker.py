"""Accounts for every event by what stands in the topics and in the receivers' logs; metrics are not asked.

For each id that was acknowledged: exactly one place among events.resolved, events.blocked and events.invalid; what was
resolved, exactly once in the topic of each destination it is meant for; what stands there, received by the partner or
in the dead letters. Nothing appears that was never sent, and the events of a device in one profile keep their order.
Topics are read with read_committed from their beginning to their end: let the router come to rest first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ops.load import Item, Ledger
from router.errors import Unavailable
from router.events.topics import Topics
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.process.snapshot import Snapshot

CALL_SECONDS = 30.0
SHOWN = 5


@dataclass(frozen=True)
class Destination:
    """What a destination is meant to get, and the ids that its partner wrote down, in order of arrival.

    `receipts` is None for a destination that nothing delivers to: then only its topic is looked at. `replayed`: it gets
    no live events, but all of events.resolved in this range of time (ms since 1970, without its end) by replays.
    """

    name: str
    takes: Callable[[Item], bool] = lambda item: True
    receipts: Sequence[str] | None = None
    replayed: tuple[int, int] | None = None

    @property
    def place(self) -> str:
        """Replays are outside the metrics' sums: they are counted by themselves."""
        return f"replays to {self.name}" if self.replayed else f"dest.{self.name}"

    def meant(self, found: Found) -> bool:
        return self.replayed is None or self.replayed[0] <= found.time < self.replayed[1]


@dataclass
class Account:
    """What was found. `counts` are messages in each topic and receipts of each partner; the rest is by place and id."""

    counts: Counter[str] = field(default_factory=Counter)
    lost: list[tuple[str, str]] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    stray: list[tuple[str, str]] = field(default_factory=list)  # never sent, or not meant for the place
    contradictory: list[tuple[str, str]] = field(default_factory=list)  # in two places that exclude each other
    disordered: list[tuple[str, str]] = field(default_factory=list)
    redelivered: Counter[str] = field(default_factory=Counter)  # receipts beyond the first: at least once allows them

    @property
    def problems(self) -> list[str]:
        """Each kind of finding in words, with a few ids; empty when every event is accounted for."""
        return [
            f"{len(found)} {kind}: " + ", ".join(f"{name} at {place}" for place, name in found[:SHOWN])
            for kind in ("lost", "repeated", "stray", "contradictory", "disordered")
            if (found := getattr(self, kind))
        ]

    def against(self, snapshot: Snapshot) -> list[str]:
        """Where the metrics say otherwise than the topics and the receivers' logs."""
        final = self.counts["events.invalid"] + self.counts["events.blocked"] + self.counts["events.resolved"]
        pairs = [
            ("received", snapshot.received, self.counts["events.raw"]),
            ("invalid", snapshot.invalid, self.counts["events.invalid"]),
            ("blocked", snapshot.blocked, self.counts["events.blocked"]),
            ("resolved", snapshot.resolved, self.counts["events.resolved"]),
            ("duplicates", snapshot.duplicates, self.counts["events.raw"] - final),
            ("merged", snapshot.merged, self.counts["identity.merges"]),
            ("lost", snapshot.lost, 0),
        ]
        for row in snapshot.destinations:
            name = f"dest.{row.name}"
            pairs += [(f"routed to {row.name}", row.routed, self.counts[name])]
            pairs += [(f"dead at {row.name}", row.dead, self.counts[f"{name}.dead"])]
            if f"{name} receipts" in self.counts:
                first = self.counts[f"{name} receipts"] - self.redelivered[row.name]
                pairs += [(f"delivered to {row.name}", row.delivered, first)]
        return [f"{what}: the metrics say {said}, found {found}" for what, said, found in pairs if said != found]


@dataclass(frozen=True, slots=True)
class Found:
    """One event in a topic."""

    id: str
    profile: str
    partition: int
    time: int = 0  # of the message, in ms since 1970


def check(ledger: Ledger, cluster: Cluster, topics: Topics, destinations: Iterable[Destination]) -> Account:
    """Read everything and hold it against the ledger. Raises Unavailable when a topic cannot be read to its end."""
    account = Account()
    account.counts["identity.merges"] = sum(1 for _ in read(cluster, topics.merges))
    resolved = _events(account, "events.resolved", read(cluster, topics.resolved))
    blocked = _events(account, "events.blocked", read(cluster, topics.blocked))
    invalid = _garbage(account, ledger, read(cluster, topics.raw), read(cluster, topics.invalid))
    _fates(account, ledger, resolved, blocked, invalid)
    _order(account, ledger, "events.resolved", resolved)
    for destination in destinations:
        name, there = destination.place, {found.id for found in resolved if destination.meant(found)}
        routed = _events(account, name, read(cluster, topics.destination(destination.name)))
        dead = _events(account, f"{name}.dead", read(cluster, topics.dead(destination.name)))
        _routing(account, ledger, destination, there, routed)
        _order(account, ledger, name, routed)
        if destination.receipts is not None:
            _receipts(account, destination, {found.id for found in routed}, {found.id for found in dead})
    return account


def read(cluster: Cluster, topic: str) -> Iterator[Message[bytes, bytes]]:
    """Every committed message of a topic, partition by partition in order. Raises Unavailable."""
    # Each partition ends with an empty fetch: waiting for more would be most of the time.
    consumer = Consumer(clients.reader(cluster) | {"fetch.wait.max.ms": 10})
    try:
        described = consumer.list_topics(topic, CALL_SECONDS).topics[topic]
        if described.error is not None:
            raise Unavailable(f"cannot read {topic}: {described.error.str()}")
        spans = Admin(cluster, timeout=CALL_SECONDS).watermarks([(topic, one) for one in sorted(described.partitions)])
        for (_, partition), span in spans.items():
            consumer.assign([TopicPartition(topic, partition, span.low)])
            yield from _to_the_end(consumer, f"{topic} [{partition}]", span.high)
    except KafkaException as error:
        raise Unavailable(f"cannot read {topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _to_the_end(consumer: Consumer, where: str, end: int) -> Iterator[Message[bytes, bytes]]:
    """Past open transactions too: a reader is told of an end wherever the first one begins."""
    while True:
        messages = consumer.consume(1, CALL_SECONDS)
        messages += consumer.consume(2000, 0)  # with a timeout it would wait until there are as many
        if not messages:
            raise Unavailable(f"{where}: no end in {CALL_SECONDS:.0f} s; an open transaction holds readers back")
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                if (message.offset() or 0) >= end:
                    return
            else:
                raise Unavailable(f"cannot read {where}: {error.str()}")


def _events(account: Account, place: str, messages: Iterable[Message[bytes, bytes]]) -> list[Found]:
    found = []
    for message in messages:
        body: dict[str, Any] = orjson.loads(message.value() or b"{}")
        id_, profile = str(body.get("messageId")), str(body.get("profileId", ""))
        found.append(Found(id_, profile, message.partition() or 0, message.timestamp()[1]))
    account.counts[place] = len(found)
    account.repeated += _repeats(place, (one.id for one in found))
    return found


def _garbage(
    account: Account, ledger: Ledger, raw: Iterable[Message[bytes, bytes]], invalid: Iterable[Message[bytes, bytes]]
) -> set[str]:
    """Ids of what stands in events.invalid, known by its bytes: they are kept as they came, and as often as they came.

    A producer that lost sight of its broker may have sent a message twice, which only an id could tell.
    """
    sent = {entry.item.value: name for name, entry in ledger.entries.items() if entry.item.kind == "garbage"}
    came, kept = Counter[str](), Counter[str]()
    for message in raw:
        account.counts["events.raw"] += 1
        came.update([sent[value]] if (value := message.value() or b"") in sent else ())
    place = "events.invalid"
    for message in invalid:
        account.counts[place] += 1
        value = message.value() or b""
        if value in sent:
            kept[sent[value]] += 1
        else:
            account.stray.append((place, value[:80].decode(errors="replace")))
    account.repeated += [(place, name) for name in (kept - came).elements()]
    account.lost += [(place, name) for name in (came - kept).elements() if kept[name]]
    return set(kept)


def _repeats(place: str, ids: Iterable[str]) -> list[tuple[str, str]]:
    return [(place, name) for name, count in Counter(ids).items() for _ in range(count - 1)]


def _fates(
    account: Account, ledger: Ledger, resolved: Sequence[Found], blocked: Sequence[Found], invalid: set[str]
) -> None:
    """Each id has the one fate of its kind; each acknowledged id has it for certain."""
    fates = {
        "events.resolved": ("fine", {found.id for found in resolved}),
        "events.blocked": ("violation", {found.id for found in blocked}),
        "events.invalid": ("garbage", invalid),
    }
    for place, (kind, ids) in fates.items():
        wanted = {name for name, entry in ledger.entries.items() if entry.item.kind == kind}
        certain = {name for name in wanted if ledger.entries[name].answers["ok"]}
        possible = certain | {name for name in wanted if ledger.entries[name].answers["unknown"]}
        account.lost += [(place, name) for name in sorted(certain - ids)]
        for name in sorted(ids - possible):
            known = name in ledger.entries and ledger.entries[name].item.kind != kind
            (account.contradictory if known else account.stray).append((place, name))


def _routing(
    account: Account, ledger: Ledger, destination: Destination, resolved: set[str], routed: Sequence[Found]
) -> None:
    place = destination.place
    entries = ledger.entries
    wanted = {name for name in resolved if name in entries and destination.takes(entries[name].item)}
    there = {found.id for found in routed}
    account.lost += [(place, name) for name in sorted(wanted - there)]
    account.stray += [(place, name) for name in sorted(there - wanted)]


def _receipts(account: Account, destination: Destination, routed: set[str], dead: set[str]) -> None:
    place = f"{destination.place} receipts"
    receipts = destination.receipts or ()
    received = set(receipts)
    account.counts[place] = len(receipts)
    account.redelivered[destination.name] = len(receipts) - len(received)
    account.lost += [(place, name) for name in sorted(routed - received - dead)]
    account.stray += [(place, name) for name in sorted(received - routed)]
    account.stray += [(f"{destination.place}.dead", name) for name in sorted(dead - routed)]
    account.contradictory += [(place, name) for name in sorted(dead & received)]


def _order(account: Account, ledger: Ledger, place: str, found: Iterable[Found]) -> None:
    """First copies of one device's events in one profile are in the order in which they were sent.

    A repeat stands where it came; so does the one copy of an event whose first copy may not have been taken.
    """
    last: dict[tuple[str, str], int] = defaultdict(lambda: -1)
    seen: set[str] = set()
    for one in found:
        entry = ledger.entries.get(one.id)
        if one.id in seen or entry is None or entry.answers["unknown"]:
            continue
        seen.add(one.id)
        lane = (entry.item.device, one.profile)
        if entry.item.seq < last[lane]:
            account.disordered.append((place, one.id))
        last[lane] = max(last[lane], entry.item.seq)
