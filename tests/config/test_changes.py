"""What differs between two topologies, what a running process can take over, and what it runs then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.config.changes import Change, added_destinations, changes, follow
from router.config.loader import Loaded
from tests.config.topologies import load, write
from tests.transform.functions import module

PLAN = "type: track\nevent: Order Completed\nproperties: {type: object, properties: {total: {type: number}}}\n"
BASE = """
name: shop
topics: {partitions: 3}
sources:
  web: {write_keys: [one, two], plan: ./plan}
  orders: {topics: [orders.events], plan: ./plan}
destinations:
  crm: {type: pipe, events: [Order Completed], settings: {token: s3cret}, delivery: {rate: 10/s}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "plan/plan.yaml", "name: shop\n")
    write(tmp_path, "plan/events/order-completed.yaml", PLAN)
    return tmp_path


def loaded(folder: Path, text: str = BASE) -> Loaded:
    return load(write(folder, "t.yaml", text))


def told(found: list[Change]) -> list[tuple[str, str, bool]]:
    return [(change.path, change.what, change.restart) for change in found]


def edited(folder: Path, old: str, new: str) -> list[tuple[str, str, bool]]:
    """The changes that one replacement in the base topology makes."""
    assert BASE.count(old) == 1
    return told(changes(loaded(folder), loaded(folder, BASE.replace(old, new))))


def test_the_same_files_have_no_changes(folder: Path) -> None:
    assert changes(loaded(folder), loaded(folder)) == []


@pytest.mark.parametrize(
    ("old", "new", "path", "what"),
    [
        ("[Order Completed]", "[Signed Up]", "destinations.crm.events", "[Order Completed] -> [Signed Up]"),
        ("events: [Order Completed]", "except: [A]", "destinations.crm.except", "nothing -> [A]"),
        ("rate: 10/s", "rate: 20/s", "destinations.crm.delivery.rate", "10 -> 20"),
        ("rate: 10/s", "retry: {first: 3s}", "destinations.crm.delivery.retry.first", "10 -> 3"),
        ("type: pipe,", "type: pipe, enabled: false,", "destinations.crm.enabled", "true -> false"),
        ("[one, two]", "[two, three, four]", "sources.web.write_keys", "2 added, 1 removed"),
        ("[one, two]", "[two]", "sources.web.write_keys", "none added, 1 removed"),
        (
            "two], plan",
            "two], enforce: {track: {common: omit}}, plan",
            "sources.web.enforce.track.common",
            "nothing -> omit",
        ),
        ("{partitions: 3}", "{partitions: 3, resolved: false}", "topics.resolved", "true -> false"),
        ("name: shop", "name: shop\ndefault_source: web", "default_source", "nothing -> web"),
        ("name: shop", "name: shop\nlimits: {depth: 9}", "limits.depth", "32 -> 9"),
        ("name: shop", "name: shop\ngateway: {events_per_second: 5}", "gateway.events_per_second", "nothing -> 5"),
        ("name: shop", "name: shop\nmask: [email]", "mask", "nothing -> [email]"),
        (
            "name: shop",
            "name: shop\nidentity: {blocked: {add: [guest-*]}}",
            "identity.blocked.add",
            "nothing -> [guest-*]",
        ),
    ],
)
def test_what_can_be_swapped_in(folder: Path, old: str, new: str, path: str, what: str) -> None:
    assert (path, what, False) in edited(folder, old, new)
    assert not any(restart for _, _, restart in edited(folder, old, new))


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("name: shop", "name: other", "name"),
        ("name: shop", "name: shop\nguarantee: at_least_once", "guarantee"),
        ("name: shop", "name: shop\npartitioning: keyed", "partitioning"),
        ("name: shop", "name: shop\ndedupe: {window: 1h}", "dedupe.window"),
        ("name: shop", "name: shop\ngateway: {ack_timeout: 1s}", "gateway.ack_timeout"),
        ("partitions: 3", "partitions: 4", "topics.partitions"),
        ("partitions: 3", "partitions: 3, prefix: a.", "topics.prefix"),
        ("partitions: 3", "partitions: 3, retention: 1d", "topics.retention"),
        ("[orders.events]", "[orders.events, more.events]", "sources.orders.topics"),
        ("orders: {topics", "shop: {topics", "sources.shop.topics"),
    ],
)
def test_what_needs_a_restart_stays_as_it_was(folder: Path, old: str, new: str, path: str) -> None:
    before, after = loaded(folder), loaded(folder, BASE.replace(old, new))
    kept, found = follow(before, after)

    assert path in [change.path for change in found if change.restart]
    assert kept.topology.model_dump(exclude={"sources"}) == before.topology.model_dump(exclude={"sources"})
    assert owners(kept) == owners(before)


def owners(of: Loaded) -> dict[str, str]:
    return {topic: name for name, source in of.topology.sources.items() for topic in source.topics}


def test_beside_what_needs_a_restart_the_rest_is_taken_over(folder: Path) -> None:
    after = loaded(folder, BASE.replace("partitions: 3", "partitions: 9").replace("rate: 10/s", "rate: 5/s"))
    kept, found = follow(loaded(folder), after)

    assert [change.path for change in found] == ["topics.partitions", "destinations.crm.delivery.rate"]
    assert kept.topology.topics.partitions == 3
    assert kept.topology.destinations["crm"].delivery.rate == 5


def test_no_value_of_a_setting_and_no_write_key_is_shown(folder: Path) -> None:
    text = BASE.replace("s3cret", "n3w").replace("[one, two]", "[three]")
    found = changes(loaded(folder), loaded(folder, text))

    assert ("destinations.crm.settings.token", "changed", False) in told(found)
    shown = " ".join(map(str, found))
    assert not any(secret in shown for secret in ("s3cret", "n3w", "one,", "two", "three"))


def test_an_edited_plan_is_told_with_what_changed_in_it(folder: Path) -> None:
    before = loaded(folder)
    write(folder, "plan/events/order-completed.yaml", PLAN.replace("type: object,", "type: object, required: [total],"))
    write(folder, "plan/events/signed-up.yaml", "type: track\nevent: Signed Up\n")
    write(folder, "plan/common.yaml", "context: {type: object}\n")
    after = loaded(folder)
    old, new = before.plans["web"].plan.stamp, after.plans["web"].plan.stamp
    what = f"{old} -> {new}: Order Completed changed, Signed Up added, common schemas changed"

    assert told(changes(before, after)) == [("sources.web.plan", what, False), ("sources.orders.plan", what, False)]
    assert follow(before, after)[0].plans == after.plans


def test_a_plan_given_or_taken_is_told(folder: Path) -> None:
    before, after = loaded(folder), loaded(folder, BASE.replace("[one, two], plan: ./plan", "[one, two]"))
    stamp = before.plans["web"].plan.stamp

    assert told(changes(before, after)) == [("sources.web.plan", f"{stamp} -> none", False)]
    assert told(changes(after, before)) == [("sources.web.plan", f"none -> {stamp}", False)]


def test_sources_come_and_go(folder: Path) -> None:
    after = loaded(
        folder, BASE.replace("  web: {write_keys: [one, two], plan: ./plan}\n", "  app: {write_keys: [two]}\n")
    )
    kept, found = follow(loaded(folder), after)

    assert told(found) == [("sources.app", "added", False), ("sources.web", "removed", False)]
    assert list(kept.topology.sources) == ["app", "orders"]
    assert list(kept.plans) == ["orders"]


def test_a_source_with_topics_that_goes_stays_for_its_topics_without_its_keys(folder: Path) -> None:
    before = loaded(folder, BASE.replace("{topics: [orders.events]", "{topics: [orders.events], write_keys: [k]"))
    after = loaded(folder, BASE.replace("orders: {topics: [orders.events]", "erp: {write_keys: [k]"))
    kept, found = follow(before, after)

    assert ("sources.orders", True) in [(change.path, change.restart) for change in found]
    assert kept.topology.sources["orders"].topics == ("orders.events",)
    assert kept.topology.sources["orders"].write_keys == ()
    assert kept.plans["orders"] is before.plans["orders"]
    assert len(kept.topology.sources["erp"].write_keys) == 1


def test_a_source_that_stays_for_its_topics_forwards_to_none_that_is_gone(folder: Path) -> None:
    forwarding = "{topics: [orders.events], enforce: {forward_blocked_to: web}"
    before = loaded(folder, BASE.replace("{topics: [orders.events]", forwarding))
    kept, _ = follow(before, loaded(folder, "name: shop\nsources: {app: {}}\n"))

    assert list(kept.topology.sources) == ["app", "orders"]
    assert kept.topology.sources["orders"].enforce.forward_blocked_to is None


@pytest.mark.parametrize("new_source", [False, True])
def test_the_first_forward_of_a_keyed_topology_needs_a_restart(folder: Path, new_source: bool) -> None:
    keyed = BASE.replace("name: shop", "name: shop\npartitioning: keyed")
    forward = "enforce: {violation: block, forward_violations_to: orders}"
    if new_source:
        after = loaded(folder, keyed.replace("sources:", f"sources:\n  app: {{plan: ./plan, {forward}}}"))
    else:
        after = loaded(folder, keyed.replace("[one, two]", f"[one, two], {forward}"))
    kept, found = follow(loaded(folder, keyed), after)
    name = "app" if new_source else "web"

    assert (f"sources.{name}.enforce.forward_violations_to", "nothing -> orders", True) in told(found)
    assert kept.topology.sources[name].enforce.forward_violations_to is None
    assert kept.topology.sources[name].enforce.violation == "block"
    assert told(changes(kept, after)) == [(f"sources.{name}.enforce.forward_violations_to", "nothing -> orders", True)]


def test_a_forward_where_events_go_round_anyway_is_taken_over(folder: Path) -> None:
    found = edited(folder, "[one, two]", "[one, two], enforce: {forward_blocked_to: orders}")
    assert found == [("sources.web.enforce.forward_blocked_to", "nothing -> orders", False)]


def test_destinations_come_and_go(folder: Path) -> None:
    before, after = loaded(folder), loaded(folder, BASE.replace("  crm:", "  mail:"))
    kept, found = follow(before, after)

    assert told(found) == [
        ("destinations.mail", "added", False),
        ("destinations.crm", "removed; events not yet delivered stay in its topic", False),
    ]
    assert added_destinations(before, after) == ["mail"]
    assert list(kept.topology.destinations) == list(kept.connector_settings) == ["mail"]


def test_an_added_destination_without_topics_stays_out_until_they_are_there(folder: Path) -> None:
    before, after = loaded(folder), loaded(folder, BASE + "  mail: {type: pipe}\n")
    kept, found = follow(before, after, without=["mail"])

    assert [(change.path, change.restart) for change in found] == [("destinations.mail", True)]
    assert "router topics apply" in str(found[0])
    assert list(kept.topology.destinations) == ["crm"]
    assert list(follow(kept, after)[0].topology.destinations) == ["crm", "mail"]


def test_a_destination_that_is_switched_on_needs_its_topics_too(folder: Path) -> None:
    before = loaded(folder, BASE.replace("type: pipe,", "type: pipe, enabled: false,"))
    after = loaded(folder, BASE.replace("rate: 10/s", "rate: 20/s"))
    kept, found = follow(before, after, without=added_destinations(before, after))

    assert added_destinations(before, after) == ["crm"]
    assert [(change.path, change.restart) for change in found] == [
        ("destinations.crm.enabled", True),
        ("destinations.crm.delivery.rate", False),
    ]
    assert kept.topology.destinations["crm"].enabled is False
    assert kept.topology.destinations["crm"].delivery.rate == 20


def test_a_destination_that_comes_into_the_environment_needs_its_topics_too(folder: Path) -> None:
    text = BASE.replace("name: shop", "name: shop\nenvironment: prod")
    before = loaded(folder, text.replace("type: pipe,", "type: pipe, labels: {environment: qa},"))
    after = loaded(folder, text)
    kept, found = follow(before, after, without=added_destinations(before, after))

    assert added_destinations(before, after) == ["crm"]
    assert [(change.path, change.restart) for change in found] == [("destinations.crm.labels", True)]
    assert kept.topology.enabled_destinations == []
    assert follow(before, after)[0].topology.enabled_destinations == ["crm"]


def test_another_environment_needs_a_restart(folder: Path) -> None:
    labelled = BASE.replace("type: pipe,", "type: pipe, labels: {environment: qa},")
    before = loaded(folder, labelled.replace("name: shop", "name: shop\nenvironment: prod"))
    after = loaded(folder, labelled.replace("name: shop", "name: shop\nenvironment: qa"))
    kept, found = follow(before, after)

    assert told(found) == [("environment", "prod -> qa", True)]
    assert added_destinations(before, after) == []
    assert (kept.topology.environment, kept.topology.enabled_destinations) == ("prod", [])


NAMES = st.sampled_from(["a", "b", "c"])
SOURCES = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "plan": st.just("./plan"),
        "enforce": st.fixed_dictionaries({}, optional={"forward_blocked_to": NAMES, "common": st.just("block")}),
    },
)
DESTINATIONS = st.fixed_dictionaries(
    {"type": st.just("pipe")},
    optional={
        "enabled": st.booleans(),
        "types": st.just(["track"]),
        "settings": st.fixed_dictionaries({"port": st.integers(1, 3)}),
        "delivery": st.fixed_dictionaries({"rate": st.sampled_from(["1/s", "2/s"])}),
    },
)


@st.composite
def topologies(draw: st.DrawFn) -> dict[str, Any]:
    sources: dict[str, Any] = draw(st.dictionaries(NAMES, SOURCES, min_size=1))
    for name, source in sources.items():
        target = source.get("enforce", {}).get("forward_blocked_to")
        if target is not None and (target == name or target not in sources):
            del source["enforce"]["forward_blocked_to"]
    for topic in ("x.one", "x.two"):
        owner = draw(st.sampled_from([None, *sources]))
        if owner:
            sources[owner].setdefault("topics", []).append(topic)
    return {
        "name": draw(st.sampled_from(["t", "u"])),
        "partitioning": draw(st.sampled_from(["auto", "keyed"])),
        "topics": {"partitions": draw(st.integers(1, 2)), "resolved": draw(st.booleans())},
        "gateway": {"max_in_flight": draw(st.integers(1, 2)), "ack_timeout": draw(st.sampled_from(["1s", "2s"]))},
        "sources": sources,
        "destinations": draw(st.dictionaries(NAMES, DESTINATIONS)),
    }


def meaning(loaded: Loaded) -> tuple[object, ...]:
    """Settings as their connector reads them: a default that is spelled out changes nothing."""
    plain = {name: each.model_copy(update={"settings": {}}) for name, each in loaded.topology.destinations.items()}
    return loaded.topology.model_copy(update={"destinations": plain}), loaded.connector_settings


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=topologies(), new=topologies())
def test_following_keeps_what_is_fixed_and_leaves_only_that_to_change(folder: Path, old: Any, new: Any) -> None:
    before, after = loaded(folder, json.dumps(old)), loaded(folder, json.dumps(new))
    kept, found = follow(before, after)
    again, left = follow(kept, after)

    assert all(change.restart for change in left)
    assert {change.path for change in left} == {change.path for change in found if change.restart}
    assert again == kept
    assert owners(kept) == owners(before)
    assert kept.topology.name == before.topology.name
    assert kept.connector_settings.keys() == kept.topology.destinations.keys()
    assert kept.plans.keys() == {name for name, source in kept.topology.sources.items() if source.plan}
    targets = {source.enforce.forward_blocked_to for source in kept.topology.sources.values()} - {None}
    assert targets <= kept.topology.sources.keys()
    assert (changes(before, after) == []) == (meaning(before) == meaning(after))


def test_another_code_of_a_transform_is_a_change(folder: Path) -> None:
    text = BASE.replace("{write_keys: [one, two],", "{transform: 'acme.clean:event', write_keys: [one, two],")
    module(folder)
    before = loaded(folder, text)
    module(folder, "def event(event):\n    return event\n")
    after = loaded(folder, text)

    assert told(changes(before, after)) == [("sources.web.transform", "its code has changed", False)]
    assert follow(before, after)[0].functions == after.functions
    assert changes(after, loaded(folder, text)) == []


def test_a_source_that_stays_for_its_topics_keeps_its_transform(folder: Path) -> None:
    module(folder)
    own = "orders: {transform: 'acme.clean:event',"
    before = loaded(folder, BASE.replace("orders: {", own))
    after = loaded(folder, BASE.replace("  orders: {topics: [orders.events], plan: ./plan}\n", ""))

    following, _ = follow(before, after)

    assert following.functions == before.functions
