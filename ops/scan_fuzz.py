"""Mutated events through the native scanner and the agents: whatever it takes, the agents make the same of it.

`python -m ops.scan_fuzz [--inputs 200000] [--seed N]`. An input that comes out otherwise is printed as a Python
literal, and the status is 1. Inputs run in batches, through a pipeline with the scanner and through one without.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from router.agents.batch import Batch
from router.agents.decode import Decode
from router.agents.dedupe import Dedupe
from router.agents.emit import Emit
from router.agents.identify import Identify
from router.agents.pipeline import Pipeline
from router.agents.route import Route, Subscription
from router.agents.validate import Validate
from router.agents.verdict import Enforcement
from router.config.models import Enforce
from router.dedupe.window_memory import MemoryWindow
from router.events.event import Limits
from router.events.topics import Topics
from router.identity import IdentityRules, Replica
from router.identity.store_memory import MemoryIdentityStore
from router.plan import Plan, compile_plan
from router.plan.model import Rule

AT = 1_795_000_000_123
BATCH = 200
SHOWN = 10
TOPICS = Topics("fuzz", partitions=1)
LANES = {("events.raw", 0): 0}
ITEM = {
    "type": "object",
    "required": ["product_id"],
    "properties": {
        "product_id": {"type": "string", "minLength": 1, "maxLength": 12},
        "quantity": {"type": "integer", "minimum": 1},
        "price": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1000},
    },
}
ORDER: dict[str, Any] = {
    "type": "object",
    "required": ["order_id", "total"],
    "properties": {
        "order_id": {"type": "string"},
        "total": {"type": "number", "minimum": 0},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "channel": {"enum": ["web", "Größe", "app"]},
        "gift": {"type": "boolean"},
        "products": {"type": "array", "items": ITEM},
        "note": {},
    },
}
PAGE = {"required": ["path"], "properties": {"path": {"type": "string", "pattern": "/[a-z]+"}}}
PLAN = Plan(
    "fuzz",
    rules=(
        Rule("track", "Order Completed", schemas={"properties": ORDER}),
        Rule("track", "Größe", schemas={"properties": {"properties": {"n": {"type": "integer"}}}}),
        Rule("page", None, schemas={"properties": PAGE}),
    ),
    revision="abc",
)
WORDS = (
    *("web", "app", "EUR", "eur", "", "x" * 13, "Größe", "日本", "a\\b"),
    *('q"q', "\n\t\b\f\r", "\x7f", "\u2028", "/cart", "\x1f"),
)
NUMBERS = (0, 1, -1, 1.5, 2.50, 0.001, 0.0001, 1e22, 10**15, 10**16, -0.0, 99.99, 1e-7, 123456789012345, 1000, 1000.5)
TIMES = (
    "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00Z", "2024-02-29T23:59:59.999Z", "2026-02-29T00:00:00Z",
    "2026-01-01T00:00:00.1Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z", "2026-01-01T24:00:00Z", "", None, 5,
    "2026-01-01T01:00:00+01:00", "0000-01-01T00:00:00Z", "2100-02-29T00:00:00Z", "2000-02-29T00:00:00Z",
)  # fmt: skip
INSERTS = (
    *(b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98\x80", b"\\u00e9", b"\\ud800"),
    *(b"\\/", b'\\"', b"\x00", b"\n", b"\x7f", b"1e5", b"-0", b"0.0", b"01", b"1.", b".5", b"-", b"NaN", b"1.0", b" "),
    *(b"true", b"null", b"[]", b"{}", b'""', b",", b":", b"}", b"{", b'"', b"[", b"]", b"9999999999999999"),
    *(b'"userId":null,', b'"batch":[],', b'"a\\u0062":1,', b'"type":"page",'),
)


class Told(NamedTuple):
    """A message as the agents read it."""

    raw: bytes
    number: int

    def value(self) -> bytes:
        return self.raw

    def key(self) -> bytes:
        return b"k"

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 2, AT + self.number

    def topic(self) -> str:
        return "events.raw"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number


def pipeline(*, native: bool) -> Pipeline:
    """All usual agents over memory."""
    replica = Replica(MemoryIdentityStore(), IdentityRules())

    def append(record: bytes) -> None:
        replica.apply_record(replica.position(), AT, record)

    first = Decode(
        TOPICS, cluster="c", limits=Limits(depth=8), sources=("web",), source_of_topic={}, source_of_key={},
        default_source="web", clock=lambda: AT / 1000,
    )  # fmt: skip
    one = Subscription("crm", (), frozenset(), frozenset(), frozenset(), ("crm",), ignores_integrations=False)
    made = Pipeline(
        [
            first,
            Dedupe(MemoryWindow(TOPICS.window_ms), TOPICS.window_ms),
            Validate(TOPICS, {"web": Enforcement(compile_plan(PLAN), Enforce(violation="block"))}),
            Identify(replica, append, IdentityRules()),
            Route([one], TOPICS.destination, (TOPICS.resolved,)),
            Emit(),
        ]
    )
    if not native:
        made.scan = None
    return made


def event(chance: random.Random, number: int) -> dict[str, Any]:
    """One that conforms, most of the time."""
    product = {
        "product_id": f"p{number % 9}",
        "quantity": chance.choice((1, 2, 1.0)),
        "price": chance.choice(NUMBERS[:9]),
    }
    properties = {
        "order_id": f"o{number}",
        "total": chance.choice((9.5, 3, 0)),
        "currency": "EUR",
        "products": [product],
    }
    body: dict[str, Any] = {
        "type": "track", "event": "Order Completed", "messageId": f"message-{number}-{'x' * 20}",
        "anonymousId": f"device-{number % 50}", "context": {"library": {"name": "js", "version": "2.1"}},
        "timestamp": TIMES[number % 3], "properties": properties,
    }  # fmt: skip
    if chance.random() < 0.2:
        body |= {"type": chance.choice(("page", "screen")), "properties": {"path": "/cart"}}
    if chance.random() < 0.1:
        body |= {"event": "Größe", "properties": {"n": chance.choice((1, 2, "x"))}}
    if chance.random() < 0.3:
        body["userId"] = f"user-{number % 20}"
    return body


def mutated(chance: random.Random, body: dict[str, Any]) -> bytes:
    """The event's bytes: as they are, with other values, or damaged."""
    way = chance.random()
    if way < 0.4:
        _change(chance, body)
    text = orjson.dumps(body) if chance.random() < 0.9 else json.dumps(body).encode()
    if way > 0.6:
        for _ in range(chance.randint(1, 2)):
            at, other = chance.randrange(len(text)), chance.choice(INSERTS)
            end = at + chance.choice((0, 0, len(other), 1, 5))
            text = text[:at] + other + text[end:]
    return text


def _change(chance: random.Random, body: dict[str, Any]) -> None:
    names = (*body, "sentAt", "originalTimestamp", "receivedAt", "profileId", "integrations", "traits", "extra", "name")
    for _ in range(chance.randint(1, 3)):
        name = chance.choice(names)
        if name in ("sentAt", "originalTimestamp", "timestamp", "receivedAt"):
            body[name] = chance.choice(TIMES)
        elif name == "properties" and isinstance(body.get(name), dict):
            key = chance.choice((*ORDER["properties"], "other"))
            body[name][key] = chance.choice((*WORDS, *NUMBERS, None, True, [], {}, [{"product_id": "p"}]))
        elif chance.random() < 0.2:
            body.pop(name, None)
        else:
            body[name] = chance.choice((*WORDS[:9], {}, {}, {"a": 1.25}, None, 7, True, {"traits": {"email": "a@b.c"}}))


def batches(inputs: int, seed: int) -> Iterator[list[Told]]:
    chance = random.Random(seed)
    numbers = iter(range(inputs))
    while batch := [Told(mutated(chance, event(chance, n)), n) for _, n in zip(range(BATCH), numbers, strict=False)]:
        yield batch


def run(inputs: int, seed: int) -> tuple[int, list[bytes]]:
    """How many events the scanner took, and the inputs that came out otherwise than without it."""
    native, python = pipeline(native=True), pipeline(native=False)
    taken, found = 0, []
    for batch in batches(inputs, seed):
        values = [told.raw for told in batch]
        if native.scan is not None:
            taken += sum(event is not None for event in native.scan.events(batch, values, LANES))
        one, other = native.run(batch, LANES), python.run(batch, LANES)
        if one != other:
            found += _different(batch, one, other)
        if len(found) >= SHOWN:
            break
    return taken, found[:SHOWN]


def _different(batch: list[Told], one: Batch, other: Batch) -> list[bytes]:
    """The inputs of the fans that differ, or all where something else does."""
    pairs = set(map(repr, one.fans)) ^ set(map(repr, other.fans))
    ids = [told.raw for told in batch if any(f"-{told.number}-" in pair for pair in pairs)]
    return ids or [told.raw for told in batch]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    taken, found = run(chosen.inputs, chosen.seed)
    for raw in found:
        print(repr(raw))
    print(f"{chosen.inputs:,} inputs of seed {chosen.seed}, {taken:,} taken: {len(found) or 'no'} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
