"""The fast way of decoding is a shortcut only: whatever a message holds, the pipeline does the same without it."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.agents.agent import Setup
from router.agents.batch import Batch, Fresh
from router.agents.decode import Decode
from router.agents.dedupe import Dedupe
from router.agents.emit import Emit
from router.agents.identify import Identify
from router.agents.nesting import BLOCK, UNKNOWN, nesting_bounds
from router.agents.pipeline import Pipeline
from router.agents.route import Route, subscription
from router.agents.validate import Forward, Validate
from router.agents.verdict import Enforcement
from router.config.loader import Loaded
from router.config.models import DestinationConfig, Enforce, Topology
from router.dedupe.window_memory import MemoryWindow
from router.events.event import Event, Limits
from router.events.topics import Topics
from router.identity import IdentityRules
from router.plan import Plan, compile_plan
from router.plan.model import Rule
from tests.agents.messages import AT, FakeMessage, decode, message, track
from tests.agents.test_validate import BLOCK as BLOCKING
from tests.agents.test_validate import PLAN as WIDE
from tests.identity.replicas import memory_replica

TOPICS = Topics("shop", partitions=1)
LANES = {(TOPICS.raw, 0): 0, (TOPICS.keyed, 0): 1, ("shop.app", 0): 2}
LIMITS = Limits(event_bytes=2000, depth=6, keys=60, message_id=20)
NARROW = Plan("narrow", rules=(Rule("track", "Ping", schemas={"properties": {"required": ["n"]}}),), revision="abc")
RULES = {
    "web": Enforcement(compile_plan(WIDE), Enforce()),
    "app": Enforcement(compile_plan(WIDE), BLOCKING),
    "till": Enforcement(compile_plan(NARROW), Enforce(unplanned_property="omit")),
    "free": Enforcement(None, Enforce()),
    "off": Enforcement(None, Enforce()),
}
DESTINATIONS = {
    "lake": DestinationConfig(type="file"),
    "crm": DestinationConfig(type="webhook", types=["identify", "track"], sources=["web", "app"]),
    "ads": DestinationConfig(type="webhook", events=["Ping"], integration="Ads"),
}


def pipeline(default: str | None = "web", *, rekey: bool = True) -> Pipeline:
    """Sources: a wide plan (versions, common schemas), lenient and strict; a narrow one; none; one switched off."""
    first = decode(
        TOPICS,
        *RULES,
        limits=LIMITS,
        source_of_topic={"shop.app": "app"},
        source_of_key={f"key-{name}": name for name in RULES},
        default_source=default,
        refused={"off": "source_disabled"},
        rekey=rekey,
    )
    replica = memory_replica()

    def append(record: bytes) -> None:
        replica.apply_record(replica.position(), AT, record)

    wanted = [subscription(name, config, (), ignores=name == "lake") for name, config in DESTINATIONS.items()]
    return Pipeline(
        [
            first,
            Dedupe(MemoryWindow(TOPICS.window_ms), TOPICS.window_ms),
            Validate(TOPICS, RULES, {"app": Forward(blocked_to="free", violations_to="free")}),
            Identify(replica, append, IdentityRules()),
            Route(wanted, TOPICS.destination, (TOPICS.resolved,)),
            Emit(),
        ]
    )


def without_the_fast_way(made: Pipeline) -> Pipeline:
    made.decode.fast = lambda *_: None  # type: ignore[method-assign]
    made.scan = None
    return made


ODD = st.sampled_from([None, "", 0, 7, True, 1.5, [], ["x"], {}, {"a": 1}, "0000", "x" * 30, "é\U0001f600"])
TIMES = st.sampled_from(
    ["2026-01-01T00:00:00Z", "2025-12-31T23:59:59.123+02:00", "2026-01-01", "9999-12-31T23:59:59Z", "yesterday", "", 5]
)
TRAITS = st.fixed_dictionaries({}, optional={"email": st.sampled_from(["A@x.io", "b"]), "plan": ODD, "name": ODD})
CONTEXT: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {},
    optional={
        "ip": ODD,
        "locale": st.just("en"),
        "traits": st.one_of(TRAITS, ODD),
        "externalIds": st.just([{"type": "card", "id": "c1"}]),
        "protocols": st.one_of(ODD, st.fixed_dictionaries({"event_version": st.sampled_from([0, 3, "3"])})),
        "deep": st.just({"a": {"b": {"c": {"d": {}}}}}),
    },
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "order_id": st.one_of(st.just("o1"), ODD),
        "total": st.one_of(st.just(9.5), ODD),
        "products": st.just([{"product_id": "p1", "price": "much"}]),
        "n": ODD,
        "new": ODD,
        "path": ODD,
        "many": st.just({str(n): n for n in range(70)}),
    },
)
BODIES = st.fixed_dictionaries(
    {
        "type": st.one_of(st.sampled_from(["track", "page", "screen", "identify", "group", "alias"]), ODD),
        "messageId": st.one_of(st.sampled_from(["m1", "m2", "m3", "m4"]), ODD),
    },
    optional={
        "event": st.one_of(st.sampled_from(["Order Completed", "Signed Up", "Ping", "Pong"]), ODD),
        "name": st.one_of(st.just("Home"), ODD),
        "userId": st.one_of(st.sampled_from(["u1", "u2"]), ODD),
        "anonymousId": st.one_of(st.sampled_from(["a1", "a2"]), ODD),
        "previousId": st.sampled_from(["a1", "u2"]),
        "groupId": st.sampled_from(["g", 3]),
        "timestamp": TIMES,
        "originalTimestamp": TIMES,
        "sentAt": TIMES,
        "receivedAt": TIMES,
        "context": st.one_of(CONTEXT, ODD),
        "properties": st.one_of(PROPERTIES, ODD),
        "traits": st.one_of(TRAITS, ODD),
        "integrations": st.one_of(st.sampled_from([{"All": False, "Ads": True}, {"crm": False}, {"Nobody": 1}]), ODD),
        "writeKey": st.sampled_from(["key-app", "key-till", "key-free", "key-off", "key-none", 5]),
        "profileId": st.just("p_0"),
        "batch": st.just([track("m9")]),
        "payload": st.just(1),
        "schema": st.just(1),
    },
)
HEADERS = st.sampled_from(
    [
        None,
        [],
        [("write-key", b"key-till")],
        [("write-key", None)],
        [("write-key", b"key-off")],
        [("trace", b"t")],
        [("write-key", b"key-app"), ("trace", b"t")],
        [("source", b"free"), ("origin", b"events.raw:0:3")],
    ]
)
VALUES = st.one_of(
    BODIES.map(orjson.dumps),
    BODIES.map(lambda body: b" " + orjson.dumps(body)),
    st.lists(BODIES.map(orjson.dumps), min_size=2, max_size=3).map(b"\n".join),
    st.lists(BODIES, max_size=3).map(lambda items: orjson.dumps({"batch": items, "writeKey": "key-free"})),
    st.sampled_from([None, b"", b"{", b"[]", b"{}", b"7", b'{"type":"track"}\n', b"\xff", b"[" * 9 + b"]" * 9]),
)
MESSAGES = st.builds(
    FakeMessage,
    raw=VALUES,
    of_key=st.sampled_from([b"k", b"k", b"k", None]),
    of_headers=HEADERS,
    at=st.sampled_from([AT, AT + 1, AT + 25 * 3_600_000]),
    kind=st.sampled_from([2, 2, 2, 1]),
    of_topic=st.sampled_from([TOPICS.raw, TOPICS.raw, TOPICS.keyed, "shop.app"]),
    of_offset=st.integers(0, 9),
)


@given(
    batches=st.lists(st.lists(MESSAGES, max_size=6), min_size=1, max_size=2),
    default=st.sampled_from(["web", "free", None]),
    rekey=st.booleans(),
)
def test_the_pipeline_does_the_same_without_it(
    batches: list[list[FakeMessage]], default: str | None, rekey: bool
) -> None:
    short, long = pipeline(default, rekey=rekey), without_the_fast_way(pipeline(default, rekey=rekey))
    pending: Fresh = {}
    for messages in batches:
        got, expected = short.run(messages, LANES, pending), long.run(messages, LANES, pending)

        assert got == expected
        pending = got.fresh


def test_only_a_redrive_can_call_an_event_redriven() -> None:
    """A producer's headers pass, but none that the router gives a meaning on its own topics."""
    own = [
        ("redriven", b"dest.crm.dead:0:1"),
        ("first-origin", b"dest.crm:0:1"),
        ("replay", b"r1"),
        ("traceparent", b"00"),
    ]
    batch = pipeline().run([message(track(), of_headers=own)], LANES)

    headers = [headers for topic, _, _, headers in batch.outputs() if topic == TOPICS.destination("crm")]
    assert [[pair for pair in each or () if pair in own] for each in headers] == [[("traceparent", b"00")]]


def taken(**fields: Any) -> Event | None:
    made = message(track(**fields))
    return pipeline().decode.fast(made, made.value(), 0)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"sentAt": "2026-01-01T00:00:01Z", "originalTimestamp": "2026-01-01T00:00:00Z"},
        {"userId": "u1", "integrations": {}, "context": {"library": {"name": "analytics-python"}}},
        {"integrations": {"All": False}, "writeKey": "key-free", "properties": {"order_id": 7}},
    ],
)
def test_it_takes_what_sdks_send(fields: dict[str, Any]) -> None:
    event = taken(**fields)

    assert event is not None
    assert event.body["messageId"] == "m1"
    assert event.source == ("free" if "writeKey" in fields else "web")


@pytest.mark.parametrize("fields", [{"event": ""}, {"message_id": ""}, {"anonymousId": 5}, {"context": None}])
def test_it_leaves_the_rest(fields: dict[str, Any]) -> None:
    assert taken(**fields) is None


@example(values=[b"0"] * 4)
@given(values=st.lists(st.one_of(st.none(), st.binary(max_size=40), st.text("{}[]a", max_size=40).map(str.encode))))
def test_nesting_is_bounded_for_each_value(values: list[bytes | None]) -> None:
    """A row of digits may go on in the values behind: they are looked at as one text."""
    values = values * (1 if len(values) > 40 else 4)
    data, start = b"".join(value or b"" for value in values), 0

    for value, bound in zip([value or b"" for value in values], nesting_bounds(values), strict=True):
        digits = re.search(rb"[0-9:-?]{16}", data[start : start + len(value) + 15])
        suspect = digits or re.search(rb"[\[{]\]|\[[\x00- ]|[\[{]$", value)
        assert bound == value.count(b"{") + value.count(b"[") or (bound == UNKNOWN and suspect)
        start += len(value)


@given(
    st.lists(
        st.sampled_from([b'{"a":123456}', b'{"a":[1]}', b'{"a":"10:00:00"}', b"{}", b""]),
        max_size=6,
    ),
    st.sampled_from([b'"a":[]', b'"a":[ ]', b'"a":[\n]', b'"a":-9223372036854775809', b'"a":18446744073709551616']),
    st.integers(0, 20),
)
def test_what_the_fast_way_would_change_is_looked_at_closer(around: list[bytes], text: bytes, pad: int) -> None:
    values = [*around, b'{"%s":1,%s}' % (b"x" * pad, text), *around]

    bounds = nesting_bounds(values)

    assert bounds[len(around)] == UNKNOWN
    assert UNKNOWN not in bounds[: len(around)] + bounds[len(around) + 1 :]


def test_nesting_is_bounded_across_blocks() -> None:
    values = [b"[" * (number % 7) for number in range(3 * BLOCK + 5)]

    assert nesting_bounds(values) == [number % 7 for number in range(3 * BLOCK + 5)]


def test_the_batches_that_are_compared_hold_something() -> None:
    """So that equal does not mean empty."""
    batch: Batch = pipeline().run([message(track(properties={"order_id": "o1", "total": 1, "odd": 1}))], LANES)

    assert [topic for topic, *_ in batch.outputs()] == [TOPICS.violations, TOPICS.resolved, "dest.lake", "dest.crm"]


def test_what_a_partner_posted_has_its_source_by_a_key_that_only_the_gateway_writes() -> None:
    topology = Topology.model_validate(
        {
            "name": "shop",
            "sources": {"web": {"write_keys": ["k"]}, "mail": {"type": "customerio", "settings": {"signing_key": "x"}}},
        }
    )
    setup = Setup(Loaded(topology, (), (), {}, {}), "c", seen=MemoryWindow(1), identities=None, append=lambda _: None)
    agent = Decode.build(setup)
    for headers in ([("write-key", b"hook:mail")], [("write-key", b"hook:mail"), ("received-at", b"1")]):
        (event,) = agent.take(message(track(), of_headers=headers), 0, Batch())
        assert event.source == "mail"
