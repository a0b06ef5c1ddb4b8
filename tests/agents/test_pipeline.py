"""Adding an agent: its file and a line in the list; its reasons and counters then show wherever those of others do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import orjson
import pytest
from prometheus_client import CollectorRegistry, Counter

from router import metrics
from router.agents import table
from router.agents.agent import Agent, Ending, Setup
from router.agents.batch import Batch
from router.agents.events import Events
from router.agents.pipeline import AGENTS, Pipeline
from router.agents.route import Choice
from router.agents.totals import Totals
from router.config.loader import load_topology
from router.dedupe.window_memory import MemoryWindow
from router.destinations.registry import destination_types
from router.events.event import Event
from router.worker.partition import decode_totals, encode_totals, export_counts
from tests.agents.messages import message, track
from tests.identity.replicas import memory_replica

TEXT = """name: shop
sources: {web: {}}
default_source: web
destinations:
  crm: {type: file, settings: {path: ./out}}
  ads: {type: file, settings: {path: ./out}}
"""
SIZES = Counter("router_test_sizes", "Sizes asked for", ["source"], registry=CollectorRegistry())


class Suppress(Agent):
    """Drops events of users who asked not to be followed."""

    name = "suppress"
    ending = Ending("suppressed", "Events of suppressed users, dropped", "suppressed", "their users asked for it")
    reasons: ClassVar = {"user": "its user is suppressed"}
    counters = (SIZES,)

    @classmethod
    def build(cls, setup: Setup) -> Self:
        return cls()

    def prepare(self, event: Event) -> bool:
        event.keep = event.body["userId"] == "u-gone"
        return bool(event.keep)

    def process(self, events: Events, batch: Batch) -> Events:
        gone = [row for row, event in events.objects.items() if event.keep]
        self.end(events.ended(gone), "user", batch)
        batch.count(SIZES, "web", number=len(events))
        return events.without(gone)


class Trim(Agent):
    """Gives one destination a body of its own."""

    name = "trim"
    reasons: ClassVar = {"trimmed": "nothing would be left"}

    @classmethod
    def build(cls, setup: Setup) -> Self:
        return cls()

    def prepare(self, event: Event) -> None:
        choice: Choice = event.choice
        if event.body.get("properties"):
            event.choice = choice.with_bodies({"crm": {"messageId": event.body["messageId"]}})


def pipeline(folder: Path, *more: type[Agent], behind: str, text: str = TEXT) -> Pipeline:
    """The pipeline of a topology with further agents behind one of its own."""
    (folder / "t.yaml").write_text(text)
    loaded = load_topology([folder / "t.yaml"], env={}, registry=destination_types())
    replica = memory_replica()

    def append(record: bytes) -> None:
        replica.apply_record(replica.position(), 0, record)

    setup = Setup(loaded, "c", MemoryWindow(1000), replica, append)
    at = 1 + [agent.name for agent in AGENTS].index(behind)
    return Pipeline.build(setup, [*AGENTS[:at], *more, *AGENTS[at:]])


def run(made: Pipeline, *bodies: dict[str, Any]) -> Batch:
    messages = [message(body, of_offset=number) for number, body in enumerate(bodies)]
    return made.run(messages, {("events.raw", 0): 0})


def test_an_agent_that_drops_events_is_counted_wherever_others_are(tmp_path: Path) -> None:
    made = pipeline(tmp_path, Suppress, behind="dedupe")

    batch = run(made, track("m1", userId="u1"), track("m2", userId="u-gone"), track("m2", userId="u-gone"))

    assert batch.received == {0: 3}
    assert batch.ended == {"suppressed": {0: 1}, "duplicate": {0: 1}, "resolved": {0: 1}}
    assert batch.counts[metrics.STOPPED, ("suppress", "web", "user")] == 1
    assert batch.counts[metrics.SOURCE_RESOLVED, ("web",)] == 1
    totals = Totals()
    totals.add(batch, 0)
    read = decode_totals(encode_totals(totals, ["crm", "ads"]))
    assert read.counts == {"received": 3, "suppressed": 1, "duplicate": 1, "resolved": 1, "invalid": 0, "blocked": 0}


def test_its_counters_are_exported_with_the_batch(tmp_path: Path) -> None:
    stopped = metrics.STOPPED.labels("suppress", "web", "user")
    before = stopped._value.get()

    export_counts(run(pipeline(tmp_path, Suppress, behind="dedupe"), track(userId="u-gone")))

    assert stopped._value.get() == before + 1
    assert SIZES.labels("web")._value.get() == 1


def test_the_table_has_what_it_declares() -> None:
    agents = [*AGENTS[:2], Suppress, *AGENTS[2:]]

    assert [ending.name for ending in table.endings(agents)] == [
        *("invalid", "duplicate", "suppressed", "blocked", "resolved")
    ]
    assert table.families(agents)["router_events_suppressed"] == "Events of suppressed users, dropped"
    assert table.reasons(agents)["user"] == "its user is suppressed"


def test_a_reason_that_is_not_declared_is_refused() -> None:
    with pytest.raises(ValueError, match="one of its reasons"):
        Suppress().end([], "mood", Batch())


def test_no_two_agents_share_a_name_or_a_reason() -> None:
    """A reason's text is looked up by its name alone."""
    names = [agent.name for agent in AGENTS]
    reasons = [reason for agent in AGENTS for reason in agent.reasons]

    assert len(set(names)) == len(names)
    assert len(set(reasons)) == len(reasons)


def test_a_destination_gets_its_own_bytes_and_the_others_share_the_events(tmp_path: Path) -> None:
    """In each topic the batch's order stays."""
    made = pipeline(tmp_path, Trim, behind="route")

    batch = run(made, track("m1", properties={"total": 1}), track("m2"), track("m3", properties={"total": 3}))

    found = [(topic, orjson.loads(value)) for topic, value, *_ in batch.outputs()]
    sizes = [len(body) for topic, body in found if topic == "dest.crm"]
    assert sizes[0] == sizes[2] == len(("messageId", "profileId")) < sizes[1]
    for topic in ("events.resolved", "dest.crm", "dest.ads"):
        assert [body["messageId"] for of, body in found if of == topic] == ["m1", "m2", "m3"]
    assert [body.get("properties") for topic, body in found if topic == "dest.ads"] == [
        {"total": 1},
        None,
        {"total": 3},
    ]
    assert len(batch.fans) == 5


def test_untouched_events_are_one_output_for_all_topics(tmp_path: Path) -> None:
    batch = run(pipeline(tmp_path, behind="route"), track())

    assert [topics for topics, *_ in batch.fans] == [("events.resolved", "dest.crm", "dest.ads")]


@pytest.mark.parametrize("resolved", [True, False])
def test_headers_that_the_body_says_as_well_are_the_clean_streams(tmp_path: Path, *, resolved: bool) -> None:
    """A destination has them only beside a body of its own, which may say something else, or nothing."""
    made = pipeline(tmp_path, Trim, behind="route", text=TEXT + f"topics: {{resolved: {str(resolved).lower()}}}\n")
    said, own = ("source", b"web"), ("traceparent", b"00")
    full = [said, ("type", b"track"), ("event", b"Order Completed")]

    batch = run(made, track("m1"), track("m2", properties={"total": 1}))
    (traced,) = made.run([message(track("m3"), of_headers=[own])], {("events.raw", 0): 0}).fans

    found = [(topic, headers) for topic, _, _, headers in batch.outputs()]
    clean = [("events.resolved", full)] if resolved else []
    assert found[: 2 + len(clean)] == [*clean, ("dest.crm", [said]), ("dest.ads", [said])]
    assert found[2 + len(clean) :] == [*clean, ("dest.ads", [said]), ("dest.crm", full)]
    assert traced[3].others == [said, own]


@pytest.mark.parametrize("call", ["track", "identify"])
def test_a_topology_that_shapes_nothing_has_no_step_for_it(tmp_path: Path, call: str) -> None:
    """Rules, functions, bots, consent, filters and personal data cost an event nothing where nobody asks for them."""
    path = tmp_path / "t.yaml"
    path.write_text(TEXT)
    loaded = load_topology([path], env={}, registry=destination_types())
    setup = Setup(loaded, "", MemoryWindow(0), None, lambda record: None)
    agents = {agent.name: agent.build(setup) for agent in AGENTS if agent.name != "identify"}
    shaping = ("transform", "source_rules", "bots", "consent", "filter", "privacy")

    steps = {name: agents[name].compile(("web", call, "Order Completed")) for name in shaping}

    assert steps == dict.fromkeys(shaping)
    assert [name for name in shaping if agents[name].expands()] == []
