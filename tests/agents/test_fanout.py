"""Fanout: source globs, call types, event names, and the integrations object by Segment's rules."""

from __future__ import annotations

from typing import Any

import pytest

from router.agents.fanout import Choice, Fanout, Route, route_of
from router.config.models import DestinationConfig
from tests.agents.messages import event, track

SOURCES = ("web", "app-ios", "app-test")


def route(name: str = "crm", *, names: tuple[str, ...] = ("Webhooks",), ignores: bool = False, **config: Any) -> Route:
    return route_of(name, DestinationConfig(type="webhook", **config), names, ignores=ignores)


def choose(*routes: Route, source: str = "web", **body: Any) -> Choice:
    sent = event(track(**body), source=source)
    fanout = Fanout(routes, SOURCES, lambda name: f"dest.{name}", ())
    return fanout(source, sent.type, sent.name, sent.body.get("integrations", {}))


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
    assert {source for source in SOURCES if route(sources=globs).takes_source(source)} == taken


def test_several_destinations_of_several_sources() -> None:
    """Each destination gets the sources it asks for, with its topic."""
    both, app = route("both"), route("app", sources=["app-*"])

    assert choose(both, app).topics == ("dest.both",)
    assert choose(both, app, source="app-ios").chosen == ("both", "app")


def test_types_and_event_names() -> None:
    """Types filter call types; events and except filter track names only; a refusal has its reason."""
    config = DestinationConfig.model_validate({"type": "webhook", "except": ["Order Completed"]})
    excluding = route_of("crm", config, (), ignores=False)
    assert choose(route(types=["identify"])).refused == (("crm", "type"),)
    assert choose(route(events=["Other"])).refused == (("crm", "event"),)
    assert choose(excluding).refused == (("crm", "event"),)
    assert choose(route(events=["Other"]), type="page").chosen == ("crm",)


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
        ({"webhooks": False}, True),
        ({"crm": None}, True),
        ({"crm": True, "Webhooks": False}, True),
        ({"All": "no"}, True),
    ],
)
def test_integrations_object(integrations: dict[str, Any], sent: bool) -> None:
    """A name overrides All, case counts, a non-boolean is true, the nearest name decides."""
    choice = choose(route(integration="Other Name"), integrations=integrations)

    assert bool(choice.chosen) == sent
    assert sent or choice.refused == (("crm", "integrations"),)


def test_a_type_name_acts_on_all_its_instances() -> None:
    """The name Segment gives a type switches off every destination of that type."""
    assert choose(route("one"), route("two"), integrations={"Webhooks": False}).chosen == ()


def test_the_archive_ignores_integrations() -> None:
    """Warehouse and archive get everything."""
    assert choose(route("lake", ignores=True), integrations={"All": False, "lake": False}).chosen == ("lake",)


def test_unknown_integrations_are_counted() -> None:
    """A key that names nothing is counted, so that a typo is seen."""
    assert choose(route(), integrations={"All": True, "Webhook": True, "crm": True}).unknown == 1
