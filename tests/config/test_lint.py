"""Contradictions between parts are errors, what is hardly meant is a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.loader import load_topology
from router.config.models import chosen
from router.destinations.registry import destination_types
from router.errors import FileError
from tests.config.topologies import load, problems, write


def topology(folder: Path, sources: str, destinations: str = "{}", more: str = "") -> Path:
    return write(folder, "t.yaml", f"name: t\nsources: {sources}\ndestinations: {destinations}\n{more}")


def warnings(path: Path, *, bootstrap: bool = False) -> list[str]:
    return [f"{w.path}: {w.message} ({w.hint})" for w in load(path, bootstrap=bootstrap).warnings]


def test_a_glob_that_matches_no_source_is_a_warning(tmp_path: Path) -> None:
    path = topology(tmp_path, "{web: {}, app-a: {}}", '{d: {type: pipe, sources: ["app-*", "wep", "!app-test"]}}')

    assert warnings(path) == [
        "destinations.d.sources[1]: expected a glob that matches a source, got wep, which matches none (web)",
        "destinations.d.sources[2]: expected a glob that matches a source, got !app-test, which matches none (app-a)",
    ]


def test_a_write_key_from_a_default_is_a_warning_only_on_a_cluster_of_ones_own(tmp_path: Path) -> None:
    path = topology(tmp_path, '{web: {write_keys: ["${KEY:-dev}", fixed]}}')

    assert warnings(path) == []
    assert warnings(path, bootstrap=True) == [
        "sources.web.write_keys[0]: "
        "expected a write key from the environment, got the default that stands in the file ()"
    ]
    assert not load(path, env={"KEY": "live"}, bootstrap=True).warnings


def test_enforcing_without_a_plan_is_a_warning_unless_it_comes_from_defaults(tmp_path: Path) -> None:
    own = topology(tmp_path, "{web: {enforce: {violation: block}}}")
    assert warnings(own) == ["sources.web.enforce: expected a plan beside it, got none: nothing is enforced ()"]

    inherited = topology(tmp_path, "{web: {}}", more="defaults: {source: {enforce: {violation: block}}}")
    assert warnings(inherited) == []


def test_an_event_that_no_plan_of_the_sources_knows_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "plan/plan.yaml", "name: shop\n")
    write(
        tmp_path,
        "plan/events/o.yaml",
        "type: track\nevent: Order Completed\ndescription: d\nproperties: {type: object}\n",
    )
    destinations = "{d: {type: pipe, sources: [web], events: [Order Completed, Order Complete], except: []}}"

    path = topology(tmp_path, "{web: {plan: plan}, app: {}}", destinations)
    assert warnings(path) == [
        "destinations.d.events[1]: "
        "expected an event that a plan of its sources knows, got Order Complete (Order Completed)"
    ]

    filters = """[{if: 'event = "Order Complete" or event in ["Order Completed"]', then: drop}]"""
    filtered = f"{{d: {{type: pipe, sources: [web], filters: {filters}}}}}"
    assert warnings(topology(tmp_path, "{web: {plan: plan}, app: {}}", filtered)) == [
        "destinations.d.filters[0].if: "
        "expected an event that a plan of its sources knows, got Order Complete (Order Completed)"
    ]

    everybody = topology(tmp_path, "{web: {plan: plan}, app: {}}", destinations.replace("sources: [web], ", ""))
    assert warnings(everybody) == []


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ([], {"web", "app-a", "app-b"}),
        (["*"], {"web", "app-a", "app-b"}),
        (["web", "app-*", "!app-b"], {"web", "app-a"}),
        (["!app-*"], {"web"}),
        (["!app-*", "app-b"], {"web", "app-b"}),
        (["none"], set()),
    ],
)
def test_globs_choose_in_order(globs: list[str], expected: set[str]) -> None:
    assert {name for name in ("web", "app-a", "app-b") if chosen(globs, name)} == expected


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("{a: {topics: [x, x]}}", "sources.a.topics[1]: expected each topic once, got x twice"),
        ("{a: {topics: [dest.d]}}", "sources.a.topics[0]: expected a topic of yours, got dest.d"),
        ("{a: {topics: [t.dedupe-changelog]}}", "expected a topic of yours, got t.dedupe-changelog"),
        ('{a: {write_keys: [""]}}', "sources.a.write_keys[0]: expected a write key, got an empty text"),
        ("{a: {enforce: {forward_blocked_to: a}}}", "forward_blocked_to: expected another source, got a itself"),
        ("{a: {enforce: {forward_violations_to: bb}}}", "forward_violations_to: expected one of a, got bb"),
    ],
)
def test_a_contradiction_between_parts_is_an_error(tmp_path: Path, sources: str, expected: str) -> None:
    found = problems(topology(tmp_path, sources, "{d: {type: pipe}}"))

    assert len(found) == 1
    assert expected in found[0]


def test_a_topic_with_the_prefix_of_the_router_belongs_to_the_router(tmp_path: Path) -> None:
    path = topology(tmp_path, "{a: {topics: [eu.events.raw, events.raw]}}", more="topics: {prefix: eu.}")

    assert problems(path) == [
        "t.yaml:2:24: sources.a.topics[0]: expected a topic of yours, got eu.events.raw, which is the router's own"
    ]


def test_the_same_write_key_twice_in_one_source_is_no_contradiction(tmp_path: Path) -> None:
    assert problems(topology(tmp_path, "{a: {write_keys: [k, k]}}")) == []


def test_what_a_kafka_destination_writes_may_not_come_back(tmp_path: Path) -> None:
    """Neither to a topic that one of its sources reads nor to one of the router's; in another cluster it may."""
    text = """
        name: t
        guarantee: at_least_once
        sources: {web: {topics: [a.events]}, app: {}}
        destinations:
          one: {type: kafka, settings: {topic: a.events, bootstrap: "b:1"}}
          two: {type: kafka, sources: [app], settings: {topic: a.events, bootstrap: "b:1"}}
          three: {type: kafka, settings: {topic: events.raw, bootstrap: "b:1"}}
          four: {type: kafka, settings: {topic: a.events, bootstrap: "b:1", mirror: true}}
          five: {type: kafka, settings: {topic: other, exactly_once: true}}
    """
    path = write(tmp_path, "t.yaml", text)

    with pytest.raises(FileError) as found:
        load_topology([path], env={}, registry=destination_types())

    assert [f"{one.path}: {one.message.partition(' (in')[0]}" for one in found.value.problems] == [
        "destinations.one.settings.topic: expected a topic that none of its sources reads, got a.events: "
        "what it writes there comes back as events of source web, for ever",
        "destinations.three.settings.topic: expected a topic of yours, got events.raw, which is the router's own",
        "destinations.five.settings.exactly_once: expected guarantee: exactly_once for it, got at_least_once",
    ]
