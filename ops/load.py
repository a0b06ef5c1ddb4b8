"""A stream of events with planned faults, sent to Kafka, and the ledger of what was sent and answered.

Devices browse, log in (two devices of a user become one profile) and order. A share of the events is sent twice, a
share breaks the plan in `PLAN`, a share is no JSON at all. Everything follows from the seed. What the ledger says is
what a checker holds the topics and the receivers against: see `ops/checker.py`.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import orjson
from confluent_kafka import KafkaError, Message, Producer

from router.kafka import clients
from router.kafka.cluster import Cluster

Kind = Literal["fine", "violation", "garbage"]
Answer = Literal["ok", "refused", "unknown"]
PADDING = "x" * 350
FLUSH_SECONDS = 120.0
PLAN = {
    "plan.yaml": "name: load\n",
    "events/order-completed.yaml": """\
type: track
event: Order Completed
properties:
  type: object
  required: [order_id, total]
  properties: {order_id: {type: string}, total: {type: number, minimum: 0}, note: {type: string}}
""",
    "events/product-viewed.yaml": """\
type: track
event: Product Viewed
properties:
  type: object
  required: [product_id]
  properties: {product_id: {type: string}, note: {type: string}}
""",
}


def write_plan(folder: Path) -> Path:
    """The tracking plan that the load keeps, but for its violations; returns the folder."""
    for name, text in PLAN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@dataclass(frozen=True, slots=True)
class Item:
    """One message to send. `seq` counts a device's events from 0; a repeat has the id and seq of the first."""

    id: str
    kind: Kind
    type: str
    event: str
    device: str
    seq: int
    value: bytes
    repeat: bool = False

    @property
    def key(self) -> bytes:
        return self.device.encode()


@dataclass
class Load:
    """`count` messages in all; the shares are of them. `name` begins every id, so that runs can be told apart."""

    name: str
    count: int
    seed: int = 1
    repeats: float = 0.05
    violations: float = 0.03
    garbage: float = 0.01
    devices: int = 2000

    def __iter__(self) -> Iterator[Item]:
        chance = random.Random(self.seed)
        recent: deque[Item] = deque(maxlen=5000)
        steps: dict[int, int] = {}
        for number in range(self.count):
            draw = chance.random()
            if draw < self.repeats and recent:
                item = chance.choice(recent)
                yield Item(item.id, item.kind, item.type, item.event, item.device, item.seq, item.value, repeat=True)
                continue
            device = chance.randrange(self.devices)
            step = steps[device] = steps.get(device, -1) + 1
            kind = self._kind(draw)
            item = self._item(f"{self.name}-{number}", kind, device, step, chance)
            if kind != "garbage":
                recent.append(item)
            yield item

    def _kind(self, draw: float) -> Kind:
        if draw < self.repeats + self.violations:
            return "violation"
        return "garbage" if draw < self.repeats + self.violations + self.garbage else "fine"

    def _item(self, name: str, kind: Kind, device: int, step: int, chance: random.Random) -> Item:
        """A device's second event logs it in; every fifth after it is an order, the others are products viewed."""
        anonymous = f"{self.name}-d{device}"
        if kind == "garbage":
            return Item(name, kind, "", "", anonymous, step, f'{{"messageId": "{name}", "type": "track"'.encode())
        body: dict[str, object] = {"messageId": name, "anonymousId": anonymous, "seq": step}
        if step >= 1:
            body["userId"] = f"{self.name}-u{device // 2}"
        if step == 1 and kind == "fine":
            body |= {"type": "identify", "traits": {"plan": "gold", "note": PADDING}}
        elif kind == "violation" or step % 5 == 4:
            total: object = "free" if kind == "violation" else round(chance.uniform(1, 500), 2)
            properties = {"order_id": name, "total": total, "note": PADDING}
            body |= {"type": "track", "event": "Order Completed", "properties": properties}
        else:
            properties = {"product_id": f"p{chance.randrange(100)}", "note": PADDING}
            body |= {"type": "track", "event": "Product Viewed", "properties": properties}
        event = str(body.get("event", ""))
        return Item(name, kind, str(body["type"]), event, anonymous, step, orjson.dumps(body))


@dataclass(slots=True)
class Entry:
    """All that was sent of one id."""

    item: Item
    answers: dict[Answer, int] = field(default_factory=lambda: {"ok": 0, "refused": 0, "unknown": 0})


@dataclass
class Ledger:
    """By id: the event and how each of its copies was answered. `unknown` may have been taken or not."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def note(self, item: Item, answer: Answer) -> None:
        entry = self.entries.get(item.id)
        if entry is None:
            entry = self.entries[item.id] = Entry(item)
        entry.answers[answer] += 1

    def sent(self, answer: Answer) -> int:
        """Copies with this answer."""
        return sum(entry.answers[answer] for entry in self.entries.values())


def send(
    cluster: Cluster,
    topic: str,
    items: Iterable[Item],
    ledger: Ledger,
    *,
    rate: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Produce the items, at most `rate` a second, until they end or `stop`; returns when each has its answer.

    A message that the producer gives up is `unknown`: the broker may have it.
    """
    producer = Producer(clients.producer(cluster, linger_ms=5))
    started = time.monotonic()
    for number, item in enumerate(items):
        if stop():
            break
        if rate is not None and number % 50 == 0:
            _wait_until(started + number / rate, producer)
        _produce(producer, topic, item, ledger)
        if number % 1000 == 0:
            producer.poll(0)
    left = producer.flush(FLUSH_SECONDS)
    if left:
        raise TimeoutError(f"{left} messages have no answer after {FLUSH_SECONDS:.0f} s")


def _produce(producer: Producer, topic: str, item: Item, ledger: Ledger) -> None:
    def answered(error: KafkaError | None, _: Message) -> None:
        ledger.note(item, "unknown" if error else "ok")

    while True:
        try:
            producer.produce(topic, item.value, item.key, on_delivery=answered)
            return
        except BufferError:
            producer.poll(0.05)


def _wait_until(moment: float, producer: Producer) -> None:
    while (left := moment - time.monotonic()) > 0:
        producer.poll(min(left, 0.05))
