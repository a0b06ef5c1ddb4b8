"""The checker finds each way in which a router could lose, repeat, invent, contradict or disorder events."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import orjson
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ops.checker import Account, Destination, check, read
from ops.load import Item, Ledger, Load
from router.embedded.broker import EmbeddedBroker
from router.events.topics import Topics
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.process.snapshot import DestinationRow, Snapshot


def takes(item: Item) -> bool:
    return item.event == "Order Completed"


@dataclass
class World:
    """What a faultless router would have left behind of a small load; tests damage it and have it checked."""

    cluster: Cluster
    topics: Topics
    ledger: Ledger = field(default_factory=Ledger)
    raw: list[bytes] = field(default_factory=list)
    resolved: list[bytes] = field(default_factory=list)
    blocked: list[bytes] = field(default_factory=list)
    invalid: list[bytes] = field(default_factory=list)
    routed: list[bytes] = field(default_factory=list)
    dead: list[bytes] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)

    def fill(self, load: Load) -> None:
        for item in load:
            self.ledger.note(item, "ok")
            self.raw.append(item.value)
            if item.repeat:
                continue
            if item.kind == "garbage":
                self.invalid.append(item.value)
            elif item.kind == "violation":
                self.blocked.append(item.value)
            else:
                self._resolve(item)

    def _resolve(self, item: Item) -> None:
        value = orjson.dumps(orjson.loads(item.value) | {"profileId": item.device})
        self.resolved.append(value)
        if takes(item):
            self.routed.append(value)
            self.receipts.append(item.id)

    def check(self) -> Account:
        topics = self.topics
        written = {
            topics.raw: self.raw, topics.resolved: self.resolved, topics.blocked: self.blocked,
            topics.invalid: self.invalid, topics.destination("crm"): self.routed, topics.dead("crm"): self.dead,
        }  # fmt: skip
        producer = Producer(clients.producer(self.cluster))
        for topic, values in written.items():
            for value in values:
                producer.produce(topic, value, partition=0)
        assert producer.flush(30) == 0
        return check(self.ledger, self.cluster, topics, [Destination("crm", takes, self.receipts)])

    def snapshot(self) -> Snapshot:
        row = DestinationRow("crm", routed=len(self.routed), delivered=len(self.receipts), dead=len(self.dead))
        final = (len(self.invalid), len(self.blocked), len(self.resolved))
        return Snapshot(
            received=len(self.raw),
            ended=dict(zip(("invalid", "blocked", "resolved"), final, strict=True))
            | {"duplicate": len(self.raw) - sum(final)},
            merged=0, lost=0, waiting=0, accepted=0,
            destinations=(row,), processes=(),
        )  # fmt: skip


@pytest.fixture
def world(embedded: EmbeddedBroker, unique: str) -> World:
    topics = Topics(unique, prefix=f"{unique}.", partitions=1)
    names = [topics.raw, topics.resolved, topics.blocked, topics.invalid, topics.merges]
    embedded.create_topics(dict.fromkeys([*names, topics.destination("crm"), topics.dead("crm")], 1))
    world = World(embedded.cluster, topics)
    world.fill(Load(unique, 2000, devices=20, repeats=0.1, violations=0.1, garbage=0.05))
    return world


def name_of(value: bytes) -> str:
    return str(orjson.loads(value)["messageId"])


def test_a_faultless_run_has_no_problems_and_agrees_with_its_metrics(world: World) -> None:
    account = world.check()

    assert account.problems == []
    assert account.against(world.snapshot()) == []
    assert min(len(world.blocked), len(world.invalid), len(world.routed)) > 20


def test_every_fault_of_the_metrics_is_named(world: World) -> None:
    snapshot = world.snapshot()
    row = snapshot.destinations[0]
    ended = {**snapshot.ended, "blocked": snapshot.blocked + 1}
    wrong = replace(snapshot, ended=ended, destinations=(replace(row, delivered=row.delivered - 1),))

    found = world.check().against(wrong)

    assert [line.partition(":")[0] for line in found] == ["blocked", "delivered to crm"]


@pytest.mark.parametrize(
    ("part", "place"),
    [("resolved", "events.resolved"), ("blocked", "events.blocked"), ("routed", "dest.crm")],
)
def test_one_lost_and_one_repeated_event_are_found_anywhere(world: World, part: str, place: str) -> None:
    values: list[bytes] = getattr(world, part)
    lost, repeated = values.pop(len(values) // 2), values[-1]
    values.append(repeated)

    account = world.check()

    assert (place, name_of(lost)) in account.lost
    assert (place, name_of(repeated)) in account.repeated


def test_garbage_stands_in_events_invalid_as_often_as_it_came(world: World) -> None:
    """It has no id by which a producer's second copy could be told."""
    twice, thrice, once = world.invalid[:3]
    world.raw += [twice, thrice, thrice]
    world.invalid += [twice, thrice, once]
    names = {entry.item.value: name for name, entry in world.ledger.entries.items()}

    account = world.check()

    assert account.lost == [("events.invalid", names[thrice])]
    assert account.repeated == [("events.invalid", names[once])]


def test_lost_garbage_is_found_by_its_bytes(world: World) -> None:
    lost = world.invalid.pop()

    account = world.check()

    assert [place for place, _ in account.lost] == ["events.invalid"]
    assert account.lost[0][1] in lost.decode()


def test_an_event_that_was_never_sent_is_a_stray(world: World) -> None:
    world.resolved.append(b'{"messageId": "nobody", "profileId": "p"}')
    world.invalid.append(b"what is this")

    account = world.check()

    assert sorted(account.stray) == [("events.invalid", "what is this"), ("events.resolved", "nobody")]


def test_an_event_with_two_fates_is_a_contradiction(world: World) -> None:
    world.resolved.append(world.blocked[0])

    account = world.check()

    assert account.contradictory == [("events.resolved", name_of(world.blocked[0]))]


def test_an_event_not_meant_for_a_destination_is_a_stray_there(world: World) -> None:
    wrong = next(value for value in world.resolved if b"Product Viewed" in value)
    world.routed.append(wrong)

    account = world.check()

    assert ("dest.crm", name_of(wrong)) in account.stray


def test_what_a_partner_did_not_get_must_be_dead(world: World) -> None:
    missing = world.receipts.pop()

    assert world.check().lost == [("dest.crm receipts", missing)]


def test_a_dead_letter_accounts_for_what_a_partner_did_not_get(world: World) -> None:
    missing = world.receipts.pop()
    world.dead.append(next(value for value in world.routed if name_of(value) == missing))

    assert world.check().problems == []


def test_delivered_and_dead_at_once_is_a_contradiction(world: World) -> None:
    world.dead.append(world.routed[0])

    assert world.check().contradictory == [("dest.crm receipts", name_of(world.routed[0]))]


def test_a_second_receipt_is_counted_but_allowed(world: World) -> None:
    world.receipts.append(world.receipts[0])

    account = world.check()

    assert account.problems == []
    assert account.redelivered["crm"] == 1
    assert account.against(world.snapshot()) != []  # the metrics counted it as a delivery


def test_two_events_of_a_device_in_the_wrong_order_are_found(world: World) -> None:
    device = orjson.loads(world.resolved[0])["profileId"]
    of_device = [i for i, value in enumerate(world.resolved) if orjson.loads(value)["profileId"] == device]
    first, second = of_device[3], of_device[4]
    world.resolved[first], world.resolved[second] = world.resolved[second], world.resolved[first]

    account = world.check()

    assert account.disordered == [("events.resolved", name_of(world.resolved[second]))]


def test_a_repeat_behind_later_events_is_no_disorder(world: World) -> None:
    """A batch that at least once writes again begins anew behind what was written of it."""
    device = orjson.loads(world.resolved[0])["profileId"]
    of_device = [value for value in world.resolved if orjson.loads(value)["profileId"] == device]
    world.resolved.extend(of_device[:3])

    account = world.check()

    assert account.disordered == []
    assert account.repeated == [("events.resolved", name_of(value)) for value in of_device[:3]]


def test_an_answer_that_is_unknown_allows_both_fates(world: World) -> None:
    for value in (world.resolved[5], world.resolved[6]):
        world.ledger.entries[name_of(value)].answers = {"ok": 0, "refused": 0, "unknown": 1}
    gone = world.resolved.pop(5)
    world.routed = [value for value in world.routed if value != gone]
    world.receipts = [name for name in world.receipts if name != name_of(gone)]

    assert world.check().problems == []


def test_what_was_refused_must_not_appear(world: World) -> None:
    name = name_of(world.resolved[5])
    world.ledger.entries[name].answers = {"ok": 0, "refused": 1, "unknown": 0}

    assert ("events.resolved", name) in world.check().stray


def test_what_stands_behind_an_open_transaction_is_waited_for(kafka: str, unique: str) -> None:
    """A worker that was killed holds readers back for seconds: what others wrote behind it is not lost."""
    cluster = Cluster(kafka)
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(unique, 1, 1)])[unique].result(30)
    first, second = (Producer(clients.transactional(cluster, f"{unique}-{name}")) for name in "ab")
    for producer, value in ((first, b"open"), (second, b"done")):
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(unique, value, partition=0)
        assert producer.flush(30) == 0
    second.commit_transaction(30)

    late = threading.Timer(1.0, first.abort_transaction, [30])
    late.start()
    found = [message.value() for message in read(cluster, unique)]
    late.join()
    assert found == [b"done"]
