"""Mutated events through the native scanner and the agents: whatever it takes, the agents make the same of it.

`python -m ops.scan_fuzz [--inputs 200000] [--seed N]`. An input that comes out otherwise is printed as a Python
literal, and the status is 1. Inputs run in batches, through a pipeline with the scanner and through one without. Events
of the sources `web` and `lab` are the scanner's alone, at those of `app` and `shop` agents look as well; the plan
allows violations, omits them in `lab`, and blocks them in `shop`. With `--sanitize` the C
is compiled with AddressSanitizer and UndefinedBehaviorSanitizer for the run, where there is a compiler.
"""

from __future__ import annotations

import ctypes
import json
import random
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import orjson

from ops.sanitizers import fuzzed
from router.agents.agent import Agent
from router.agents.batch import Batch
from router.agents.bots import Bots
from router.agents.consent import Consent
from router.agents.decode import Decode
from router.agents.dedupe import Dedupe
from router.agents.emit import Emit
from router.agents.filter import FilterEvents
from router.agents.identify import Identify
from router.agents.pipeline import Pipeline
from router.agents.privacy import Privacy
from router.agents.route import Defaults, Route, Subscription
from router.agents.source_rules import SourceRules
from router.agents.validate import Validate
from router.agents.verdict import Enforcement
from router.config.filters import FilterConfig
from router.config.models import Enforce
from router.config.shape import EventRules, OmitRules
from router.dedupe.window_memory import MemoryWindow
from router.events.event import Limits
from router.events.topics import Topics
from router.identity import IdentityRules, Replica
from router.identity.store_memory import MemoryIdentityStore
from router.plan import Plan, compile_plan
from router.plan.model import Rule
from router.privacy.classes import DataClass, DataClasses

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
        "at": {"type": "string", "format": "date-time"},
        "email": {"format": "email"},
        "url": {"format": "uri"},
    },
}
TRAITS = {"properties": {"email": {"type": "string", "format": "email"}, "address": {"type": "object"}}}
CONTEXT = {
    "properties": {
        "locale": {"type": "string", "maxLength": 5},
        "page": {"type": "object", "properties": {"url": {"type": "string", "format": "uri"}}},
    }
}
PAGE = {"required": ["path"], "properties": {"path": {"type": "string", "pattern": "/[a-z]+"}}}
PLAN = Plan(
    "fuzz",
    rules=(
        Rule("track", "Order Completed", schemas={"properties": ORDER}),
        Rule("track", "Größe", schemas={"properties": {"properties": {"n": {"type": "integer"}}}}),
        Rule("track", "Counted", schemas={"properties": {"properties": {"n": {"multipleOf": 2}}}}),
        Rule("page", None, schemas={"properties": PAGE}),
        Rule("screen", "Start", schemas={"properties": PAGE}),
        Rule("identify", None, schemas={"traits": TRAITS}),
    ),
    common={"context": CONTEXT},
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
    "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00.5-23:59",
    "2026-01-01T00:00:00.123456+00:00", "1970-01-01T00:00:00.9999+00:01", "9999-12-31T23:59:59-00:01",
    "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00-00:00",
    "2026-01-01t00:00:00z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00",
)  # fmt: skip
FORMATTED = (
    *("2026-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00.5+01:00", "2026-02-29", "yesterday"),
    *("ada@example.com", "Ada.Lovelace+news@mail.example.co", "a@b", "@", "ada@exam_ple.com", "ü@example.com"),
    *("https://example.com/a?b=c#d", "http://localhost:8080", "/path", "https://example.com/%C3%A9", "https://a/ b"),
    *(),
)
CONTEXTS: tuple[dict[str, Any], ...] = (
    {"library": {"name": "js", "version": "2.1"}},
    {"library": {"name": "js"}, "page": {"url": "https://example.com/a", "path": "/a"}, "locale": "de-DE"},
    {"page": {"url": "/a"}},
    {"locale": "much too long"},
    {"traits": {"email": "Ada@Example.com", "phone": "+49301234567"}, "ip": "203.0.113.9"},
    {"traits": {"address": []}},
    {"traits": {"tags": []}, "externalIds": [{"id": "x1", "type": "crm", "collection": "users"}]},
    {"traits": "odd", "externalIds": 5},
    {"device": []},
    {"userAgent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
    {"consent": {"categoryPreferences": {"ads": True}}, "timezone": "Europe/Berlin"},
    {"consent": {"categoryPreferences": {"ads": False}}},
    {"protocols": {"event_version": 2}},
    {"integrations": {"crm": False}},
    {},
)
INTEGRATIONS: tuple[Any, ...] = (
    *({}, {"All": True}, {"All": False}, {"All": False, "CRM": True}, {"crm": False}, {"Ads": {"clickId": "c"}}),
    *({"crm": "maybe"}, {" CRM ": 0, "crm": True}, {"Segment.io": True}, None, []),
)
INSERTS = (
    *(b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98\x80", b"\\u00e9", b"\\ud800"),
    *(b"\\/", b'\\"', b"\x00", b"\n", b"\x7f", b"1e5", b"-0", b"0.0", b"01", b"1.", b".5", b"-", b"NaN", b"1.0", b" "),
    *(b"true", b"null", b"[]", b"{}", b'""', b",", b":", b"}", b"{", b'"', b"[", b"]", b"9999999999999999"),
    *(b'"userId":null,', b'"batch":[],', b'"a\\u0062":1,', b'"type":"page",', b'"_metadata":{"bundled":[]},'),
    *(b"\\ud83d\\ude00", b"\\u0022", b"\\u005C", b"\\u000A", b"\\u007f", b"\\u0000", b"\t", b" : ", b"[ ]", b"\r\n"),
)


class Told(NamedTuple):
    """A message as the agents read it; with a `write_key` as the gateway writes it."""

    raw: bytes
    number: int
    write_key: bytes = b""

    def value(self) -> bytes:
        return self.raw

    def key(self) -> bytes:
        return b"k"

    def headers(self) -> list[tuple[str, bytes]] | None:
        return [("write-key", self.write_key), ("received-at", b"1")] if self.write_key else None

    def timestamp(self) -> tuple[int, int]:
        return 2, AT + self.number

    def topic(self) -> str:
        return "events.raw"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number


def subscription(
    name: str, *sources: str, events: tuple[str, ...] = (), excluded: tuple[str, ...] = ()
) -> Subscription:
    types: frozenset[str] = frozenset()
    taken, left = frozenset(events), frozenset(excluded)
    return Subscription(name, sources, types, taken, left, (name,), ignores_integrations=False)


def shaping() -> list[Agent]:
    """Agents that look into events on their way to `ads`, which has those of `app`, and `mail`, those of `shop`."""
    filters = [
        {"if": "properties.total > 9", "then": "drop"},
        {"if": 'type = "identify"', "then": {"sample": 0.5, "by": "userId"}},
        {"if": 'properties.currency = "EUR"', "then": {"remove": ["properties.products", "context.library"]}},
    ]
    changing = [FilterConfig.model_validate(each) for each in filters]
    asked = 'event = "Größe" and properties.n = 1 or context.protocols.plan = "fuzz@abc" and context.locale = "de-DE"'
    drop = FilterConfig.model_validate({"if": asked, "then": "drop"})
    classes = DataClasses([DataClass("mail", "red", ("email",))])
    return [
        Bots({"app": "flag", "shop": "drop"}),
        Consent({"ads": ("ads",), "mail": ("ads",)}, assumed=True),
        FilterEvents({"ads": changing, "mail": [*changing[:2], drop]}),
        Privacy(classes, {"ads": {"mail": "hash"}}),
    ]


def pipeline(*, native: bool) -> Pipeline:
    """All agents that may meet the scanner, over memory."""
    replica = Replica(MemoryIdentityStore(), IdentityRules())

    def append(record: bytes) -> None:
        replica.apply_record(replica.position(), AT, record)

    first = Decode(
        TOPICS, cluster="c", limits=Limits(depth=8), sources=("web", "app", "shop", "lab"),
        source_of_topic={}, default_source="web",
        source_of_key={"web-key": "web", "app-key": "app", "shop-key": "shop", "lab-key": "lab"},
        clock=lambda: AT / 1000,
    )  # fmt: skip
    plan = compile_plan(PLAN)
    rules = {
        "web": Enforcement(plan, Enforce()),
        "app": Enforcement(None, Enforce()),
        "shop": Enforcement(plan, Enforce(violation="block")),
        "lab": Enforcement(plan, Enforce(violation="omit", unplanned_property="omit", common="omit")),
    }
    omitted = OmitRules(properties={"Counted": ("n*",)}, traits=())
    made = Pipeline(
        [
            first,
            Dedupe(MemoryWindow(TOPICS.window_ms), TOPICS.window_ms),
            SourceRules({"app": EventRules(block=("Gr*",), omit=omitted)}, DataClasses([]), {}),
            Validate(TOPICS, rules, clock=lambda: AT / 1000),
            Identify(replica, append, IdentityRules()),
            Route(
                [subscription("crm", excluded=("Counted",)), subscription("ads", "app"), subscription("mail", "shop")],
                TOPICS.destination, (TOPICS.resolved,), {"web": Defaults({"crm": True})},
            ),
            *shaping(),
            Emit(),
        ]
    )  # fmt: skip
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
    other = chance.random()
    if other < 0.15:
        name = chance.choice(("Start", "Other"))
        body |= {"type": chance.choice(("page", "screen")), "name": name, "properties": {"path": "/cart"}}
    elif other < 0.3:
        body |= {"event": chance.choice(("Größe", "Counted")), "properties": {"n": chance.choice((1, 2, "x"))}}
    elif other < 0.45:
        traits = {"email": chance.choice(FORMATTED), "plan": "pro", "address": chance.choice(({}, {"city": "Köln"}))}
        body |= {"type": chance.choice(("identify", "group")), "groupId": f"g{number % 7}", "traits": traits}
        del body["properties"], body["event"]
    if chance.random() < 0.3:
        body["userId"] = f"user-{number % 20}"
    if chance.random() < 0.3:
        body["context"] = dict(chance.choice(CONTEXTS))
    if chance.random() < 0.2:
        body["integrations"] = chance.choice(INTEGRATIONS)
    return body


def mutated(chance: random.Random, body: dict[str, Any]) -> bytes:
    """The event's bytes: as they are, with other values, or damaged."""
    way = chance.random()
    if way < 0.4:
        _change(chance, body)
    spelled = chance.random()
    if spelled < 0.8:
        text = orjson.dumps(body)
    elif spelled < 0.9:
        text = json.dumps(body, ensure_ascii=chance.random() < 0.7).replace("/", chance.choice(("/", "\\/"))).encode()
    else:
        text = json.dumps(body, indent=chance.choice((0, 1, "\t"))).encode()
    if way > 0.6:
        for _ in range(chance.randint(1, 2)):
            at, other = chance.randrange(len(text)), chance.choice(INSERTS)
            end = at + chance.choice((0, 0, len(other), 1, 5))
            text = text[:at] + other + text[end:]
    return text


def _change(chance: random.Random, body: dict[str, Any]) -> None:
    names = (
        *(*body, "sentAt", "originalTimestamp", "receivedAt", "profileId", "integrations", "traits", "extra", "name"),
        *("groupId", "previousId", "_metadata"),
    )
    for _ in range(chance.randint(1, 3)):
        name = chance.choice(names)
        if name in ("sentAt", "originalTimestamp", "timestamp", "receivedAt"):
            body[name] = chance.choice(TIMES)
        elif name == "properties" and isinstance(body.get(name), dict):
            key = chance.choice((*ORDER["properties"], "other"))
            body[name][key] = chance.choice((*WORDS, *NUMBERS, *FORMATTED, None, True, [], {}, [{"product_id": "p"}]))
        elif name == "context":
            body[name] = {**chance.choice(CONTEXTS), **chance.choice(CONTEXTS)}
        elif name == "integrations":
            body[name] = chance.choice(INTEGRATIONS)
        elif chance.random() < 0.2:
            body.pop(name, None)
        else:
            body[name] = chance.choice((*WORDS[:9], {}, [], {"a": 1.25}, {"company": []}, {"a": [[]]}, None, 7, True))


def batches(inputs: int, seed: int) -> Iterator[list[Told]]:
    chance = random.Random(seed)
    numbers = iter(range(inputs))
    keys = (
        b"",
        b"web-key",
        b"web-key",
        b"app-key",
        b"app-key",
        b"shop-key",
        b"shop-key",
        b"other-key",
        b"lab-key",
        b"lab-key",
    )
    while batch := [
        Told(mutated(chance, event(chance, n)), n, chance.choice(keys))
        for _, n in zip(range(BATCH), numbers, strict=False)
    ]:
        yield batch


def run(inputs: int, seed: int) -> tuple[int, list[bytes]]:
    """How many events the scanner took, and the inputs that came out otherwise than without it."""
    native, python = pipeline(native=True), pipeline(native=False)
    taken, found = 0, []
    for batch in batches(inputs, seed):
        if native.scan is not None:
            scanned = native.scan.events(batch, np.zeros(len(batch), dtype=np.int64))
            taken += len(batch) - len(scanned.left) if scanned else 0
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


def found(_: ctypes.CDLL, inputs: int, seed: int) -> int:
    """Prints the inputs that came out otherwise; the status."""
    taken, wrong = run(inputs, seed)
    for raw in wrong:
        print(repr(raw))
    print(f"{inputs:,} inputs of seed {seed}, {taken:,} taken: {len(wrong) or 'no'} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(fuzzed("ops.scan_fuzz", __doc__, 200_000, found))
