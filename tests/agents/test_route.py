"""Route: source globs, call types, event names, and the integrations object by Segment's rules."""

from __future__ import annotations

from typing import Any

import pytest

from router.agents.route import Choice, Route, Subscription, subscription
from router.config.models import DestinationConfig
from tests.agents.messages import event, track

SOURCES = ("web", "app-ios", "app-test")


def wanted(
    name: str = "crm", *, names: tuple[str, ...] = ("Webhooks",), ignores: bool = False, **config: Any
) -> Subscription:
    return subscription(name, DestinationConfig(type="webhook", **config), names, ignores=ignores)


def choose(*subscriptions: Subscription, source: str = "web", **body: Any) -> Choice:
    sent = event(track(**body), source=source)
    Route(subscriptions, lambda name: f"dest.{name}").compile((source, sent.type, sent.name))(sent)
    choice: Choice = sent.choice
    return choice


@pytest.mark.parametrize(
    ("globs", "taken"),
    [
        (["*"], {"web", "app-ios", "app-test"}),
        (["web", "app-*", "!app-test"], {"web", "app-ios"}),
        (["!app-*"], {"web"}),
        (["!app-*", "app-ios"], {"web", "app-ios"}),
        (["none"], set()),
    ],
)
def test_source_globs(globs: list[str], taken: set[str]) -> None:
    """Globs in order; `!` takes back."""
    assert {source for source in SOURCES if wanted(sources=globs).takes_source(source)} == taken


def test_several_destinations_of_several_sources() -> None:
    """Each destination gets the sources it asks for, with its topic."""
    both, app = wanted("both"), wanted("app", sources=["app-*"])

    assert choose(both, app).topics == ("dest.both",)
    assert choose(both, app, source="app-ios").chosen == ("both", "app")


def test_types_and_event_names() -> None:
    """Types filter call types; events and except filter track names only; a refusal has its reason."""
    config = DestinationConfig.model_validate({"type": "webhook", "except": ["Order Completed"]})
    excluding = subscription("crm", config, ())
    assert choose(wanted(types=["identify"])).refused == (("crm", "type"),)
    assert choose(wanted(events=["Other"])).refused == (("crm", "event"),)
    assert choose(excluding).refused == (("crm", "event"),)
    assert choose(wanted(events=["Other"]), type="page").chosen == ("crm",)


@pytest.mark.parametrize(
    ("integrations", "sent"),
    [
        ({}, True),
        ({"All": True}, True),
        ({"All": False}, False),
        ({"All": False, "crm": True}, True),
        ({"All": False, "Webhooks": {"option": 1}}, True),
        ({"All": False, "Other Name": True}, True),
        ({"crm": False}, False),
        ({"Webhooks": False}, False),
        ({"webhooks": False}, False),
        ({"all": False}, False),
        ({"ALL": False, " CRM ": True}, True),
        ({"all": "false"}, False),
        ({"crm": "off"}, False),
        ({"crm": " No "}, False),
        ({"crm": "0"}, False),
        ({"crm": 0}, False),
        ({"crm": "on"}, True),
        ({"Crm": True, "crm": False}, False),
        ({"crm": None}, True),
        ({"crm": True, "Webhooks": False}, True),
        ({"All": "no"}, False),
    ],
)
def test_integrations_object(integrations: dict[str, Any], sent: bool) -> None:
    """A name overrides All, however it is written; the nearest name decides."""
    choice = choose(wanted(integration="Other Name"), integrations=integrations)

    assert bool(choice.chosen) == sent
    assert sent or choice.refused == (("crm", "integrations"),)


def test_a_type_name_acts_on_all_its_instances() -> None:
    """The name Segment gives a type switches off every destination of that type."""
    assert choose(wanted("one"), wanted("two"), integrations={"Webhooks": False}).chosen == ()


def test_the_archive_ignores_integrations() -> None:
    """Warehouse and archive get everything."""
    assert choose(wanted("lake", ignores=True), integrations={"All": False, "lake": False}).chosen == ("lake",)


def test_unknown_integrations_are_counted() -> None:
    """A key that names nothing is counted, so that a typo is seen."""
    assert choose(wanted(), integrations={"All": True, "Webhook": True, "crm": True}).unknown == 1


@pytest.mark.parametrize(
    "body",
    [
        {"options": {"integrations": {"crm": False}}},
        {"context": {"integrations": {"all": "off"}}},
        {"options": {"integrations": {"All": False}}, "integrations": {"Other": True}},
    ],
)
def test_it_is_read_wherever_libraries_put_it(body: dict[str, Any]) -> None:
    assert choose(wanted(), **body).refused == (("crm", "integrations"),)


def test_the_top_level_decides_before_options() -> None:
    sent = choose(wanted(), integrations={"crm": True}, options={"integrations": {"crm": False}})

    assert sent.chosen == ("crm",)


@pytest.mark.parametrize(
    "body",
    [{"integrations": {"crm": "maybe"}}, {"options": {"integrations": "none"}}, {"context": {"integrations": []}}],
)
def test_what_is_not_understood_is_counted_and_switches_nothing_off(body: dict[str, Any]) -> None:
    choice = choose(wanted(), **body)

    assert (choice.chosen, choice.unknown) == (("crm",), 1)


@pytest.mark.parametrize("body", [{"options": "x"}, {"options": {}}, {"integrations": {}}, {"context": {}}])
def test_an_event_that_says_nothing_shares_the_choice_of_its_kind(body: dict[str, Any]) -> None:
    route, key = Route([wanted()], lambda name: f"dest.{name}"), ("web", "track", "Order Completed")
    prepare = route.compile(key)
    sent, plain = event(track(**body)), event(track())
    prepare(sent)
    prepare(plain)

    assert sent.choice is plain.choice


@pytest.mark.parametrize(
    ("metadata", "sent"),
    [
        ({"bundled": ["Segment.io", "Google Analytics 4"]}, False),
        ({"bundled": ["google analytics 4 "]}, False),
        ({"bundled": ["Segment.io"], "unbundled": ["Google Analytics 4"]}, True),
        ({"bundled": ["Google Analytics 4"], "failedInitializations": ["Google Analytics 4"]}, True),
        ({"bundled": "Google Analytics 4"}, True),
        ({"bundled": [None, {}]}, True),
        (None, True),
        ([], True),
    ],
)
def test_what_the_page_has_sent_to_a_destination_is_not_sent_again(metadata: Any, sent: bool) -> None:
    """Where the page says that its own script did not start, the router sends in its place."""
    google = wanted("ga", names=("Google Analytics 4",), device_mode={})
    found = choose(google, wanted("crm"), _metadata=metadata)
    assert found.chosen == (("ga", "crm") if sent else ("crm",))
    assert found.refused == (() if sent else (("ga", "device_mode"),))


def test_a_destination_that_no_page_serves_gets_what_pages_sent() -> None:
    assert choose(wanted("ga", names=("Segment.io",)), _metadata={"bundled": ["Segment.io"]}).chosen == ("ga",)
