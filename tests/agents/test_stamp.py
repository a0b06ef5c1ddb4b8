"""Each event says which revision of the plan it was held against; what the plan blocks says so beside it."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.agents.agent import Rejected
from router.agents.batch import Batch
from router.agents.dedupe import Dedupe
from router.agents.emit import Emit
from router.agents.identify import Identify
from router.agents.pipeline import Pipeline
from router.agents.route import Route
from router.agents.validate import Validate
from router.agents.verdict import Enforcement, mark
from router.config.models import Enforce
from router.dedupe.window import First
from router.events.parser import Repairs
from router.events.topics import Topics
from router.identity import IdentityRules
from router.metrics import VIOLATIONS
from router.plan import Plan, compile_plan
from router.plan.model import Rule
from tests.agents.messages import decode, message, track
from tests.identity.replicas import memory_replica

PLAN = Plan(
    "shop",
    rules=(Rule("track", "Order Completed", schemas={"properties": {"properties": {"total": {"type": "number"}}}}),),
    common={"context": {"type": "object", "properties": {"ip": {}}, "additionalProperties": False}},
    revision="0123456789ab",
)
STAMP = "shop@0123456789ab"
RULES = Enforcement(compile_plan(PLAN), Enforce())
TOPICS = Topics("shop", partitions=1)
LANES = {(TOPICS.raw, 0): 0, (TOPICS.keyed, 0): 1}
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["protocols", "plan", "omitted", "x"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"context": {"protocols": {"plan": STAMP}}}),
        ({"context": None}, {"context": {"protocols": {"plan": STAMP}}}),
        ({"context": {"ip": "1"}}, {"context": {"ip": "1", "protocols": {"plan": STAMP}}}),
        (
            {"context": {"protocols": {"event_version": 2, "plan": "told"}}},
            {"context": {"protocols": {"event_version": 2, "plan": STAMP}}},
        ),
        ({"context": {"protocols": None}}, {"context": {"protocols": {"plan": STAMP}}}),
        ({"context": {"protocols": "odd"}}, {"context": {"protocols": "odd"}}),
        ({"context": ["odd"]}, {"context": ["odd"]}),
    ],
)
def test_the_stamp_stands_in_the_context(before: dict[str, Any], after: dict[str, Any]) -> None:
    mark(before, RULES.reference)
    assert before == after


@given(context=JSON)
def test_any_context_takes_the_stamp_or_stays(context: Any) -> None:
    body = {"context": copy.deepcopy(context)}
    mark(body, RULES.reference)
    stamped = copy.deepcopy(body)
    mark(body, RULES.reference)

    assert body == stamped
    if stamped["context"] != context:
        assert stamped["context"].pop("protocols").pop("plan") == STAMP


def test_without_a_plan_nothing_is_written() -> None:
    body: dict[str, Any] = {"context": {}}
    mark(body, Enforcement(None, Enforce()).reference)
    assert body == {"context": {}}


def test_a_plan_without_revision_stamps_its_name() -> None:
    assert Enforcement(compile_plan(Plan("shop")), Enforce()).reference == "shop"


class Nothing:
    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[First | None]:
        return [None] * len(keys)


def outputs(body: dict[str, Any], enforce: Enforce | None = None, *, plan: bool = True) -> tuple[Batch, dict[str, Any]]:
    """A batch of one event, and its records by topic: value and headers."""
    sources = {"web": Enforcement(compile_plan(PLAN) if plan else None, enforce or Enforce())}
    replica = memory_replica()

    def append(record: bytes) -> None:
        replica.apply_record(replica.position(), 0, record)

    pipeline = Pipeline(
        [
            decode(TOPICS),
            Dedupe(Nothing(), TOPICS.window_ms),
            Validate(TOPICS, sources),
            Identify(replica, append, IdentityRules()),
            Route([], TOPICS.destination, (TOPICS.resolved,)),
            Emit(),
        ]
    )
    batch = pipeline.run([message(body)], LANES)
    return batch, {topic: (orjson.loads(value), dict(headers or ())) for topic, value, _, headers in batch.outputs()}


@pytest.mark.parametrize("properties", [{"total": 1}, {"total": "x"}])
def test_what_passes_is_stamped_and_the_stamp_breaks_no_plan(properties: dict[str, Any]) -> None:
    batch, found = outputs(track(properties=properties, context={"ip": "1"}))

    assert found[TOPICS.resolved][0]["context"] == {"ip": "1", "protocols": {"plan": STAMP}}
    assert batch.counts[VIOLATIONS, ("web", "violation")] == (properties["total"] == "x")


def test_the_stamp_stands_beside_what_was_omitted() -> None:
    _, found = outputs(track(properties={"total": "x"}), Enforce(violation="omit"))
    assert found[TOPICS.resolved][0]["context"]["protocols"] == {"omitted": {"/properties/total": "x"}, "plan": STAMP}


def test_a_blocked_event_stays_as_it_came_and_names_the_revision_in_a_header() -> None:
    _, found = outputs(track(properties={"total": "x"}, context={"ip": "1"}), Enforce(violation="block"))
    value, headers = found[TOPICS.blocked]

    assert value["context"] == {"ip": "1"}
    assert headers["plan"] == STAMP.encode()


def test_an_event_of_a_source_without_plan_is_not_stamped() -> None:
    _, found = outputs(track(), plan=False)
    assert "context" not in found[TOPICS.resolved][0]


def test_an_event_on_its_way_round_whose_source_has_gone_is_kept_with_that_reason() -> None:
    gone = message(track(), of_topic=TOPICS.keyed, of_headers=[("source", b"gone"), ("received-at", b"1")])
    (taken,) = decode(TOPICS).items(gone, 0, Repairs())

    assert isinstance(taken, Rejected)
    assert taken.invalid.reason == "unknown_source"
