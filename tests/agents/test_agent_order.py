"""Where the order of agents must not matter, it cannot be told from what destinations get."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.agents.agent import Agent, Setup
from router.agents.bots import Bots
from router.agents.consent import Consent
from router.agents.filter import FilterEvents
from router.agents.pipeline import AGENTS, Pipeline
from router.config.loader import Loaded, load_topology
from router.dedupe.window_memory import MemoryWindow
from router.destinations.registry import destination_types
from router.events.records import Headers
from tests.agents.messages import message, track
from tests.identity.replicas import memory_replica

TEXT = """name: shop
sources: {web: {bots: drop}}
default_source: web
consent: {unknown: require}
destinations:
  crm: {type: webhook, settings: {url: "https://example.com"}, consent: [marketing]}
  ads:
    type: webhook
    settings: {url: "https://example.com"}
    consent: [advertising]
    filters:
      - {if: 'properties.total < 5', then: drop}
      - {then: {sample: 0.5, by: messageId}}
      - {then: {remove: [properties.note]}}
  lake: {type: file, settings: {path: ./out}}
"""
REFUSING = (Bots, Consent, FilterEvents)
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64)"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    path = tmp_path_factory.mktemp("order") / "t.yaml"
    path.write_text(TEXT)
    return load_topology([path], env={}, registry=destination_types())


def outputs(loaded: Loaded, refusing: Sequence[type[Agent]], bodies: Sequence[dict[str, Any]]) -> Any:
    """What each topic gets, with these agents in this order."""
    replica = memory_replica()

    def append(record: bytes) -> None:
        replica.apply_record(replica.position(), 0, record)

    order = iter(refusing)
    agents = [next(order) if agent in REFUSING else agent for agent in AGENTS]
    made = Pipeline.build(Setup(loaded, "c", MemoryWindow(1000), replica, append), agents)
    batch = made.run([message(body, of_offset=number) for number, body in enumerate(bodies)], {("events.raw", 0): 0})
    found: dict[str, list[tuple[bytes, bytes | None, Headers | None]]] = {}
    wanted = {topic for topics, *_ in batch.fans for topic in topics}
    for topic, value, key, headers in batch.outputs():
        if topic in wanted:
            found.setdefault(topic, []).append((value, key, headers))
    return found


EVENTS = st.lists(
    st.builds(
        lambda total, agent, consent: {
            "properties": {"total": total, "note": "n"},
            "context": {"userAgent": agent, "consent": {"categoryPreferences": consent}},
        },
        st.integers(0, 10),
        st.sampled_from([CRAWLER, BROWSER]),
        st.dictionaries(st.sampled_from(["marketing", "advertising"]), st.booleans()),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40)
@given(EVENTS)
def test_what_refuses_events_may_do_so_in_any_order(loaded: Loaded, events: list[dict[str, Any]]) -> None:
    bodies = [track(f"m{number}", **event) for number, event in enumerate(events)]
    first, *others = [outputs(loaded, order, bodies) for order in permutations(REFUSING)]

    assert all(other == first for other in others)


def test_the_law_sees_events_that_are_refused_and_others(loaded: Loaded) -> None:
    agreed = {"categoryPreferences": {"marketing": True, "advertising": True}}
    agents = [*[CRAWLER] * 20, *[BROWSER] * 20]
    bodies = [
        track(f"m{number}", properties={"total": 9}, context={"userAgent": agent, "consent": agreed})
        for number, agent in enumerate(agents)
    ]
    found = outputs(loaded, REFUSING, bodies)

    assert (len(found["dest.crm"]), len(found["dest.lake"])) == (20, 20)
    assert 0 < len(found["dest.ads"]) < 20
