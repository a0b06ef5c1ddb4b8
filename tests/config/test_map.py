"""`map` in a topology: read as it is spelt, applied by the connector, and every fault at its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from router.config.changes import changes
from router.config.loader import Loaded, load_topology
from router.delivery.manager import connector_of
from router.destinations.http import HttpDestination, HttpRequest, Skip
from router.destinations.registry import destination_types
from router.errors import FileError
from tests.config.topologies import write
from tests.deliveries import delivery

HEAD = "name: t\nsources: {web: {}}\ndestinations:\n"
HOOK = "  crm:\n    type: webhook\n    settings: {url: 'https://x.example/'}\n    map: "
PAGE = (Path(__file__).parents[2] / "topologies/README.md").read_text("utf-8")
SECTION = PAGE.partition("\n## Changing what a destination is sent")[2].partition("\n## ")[0]
EXAMPLE = "".join(re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL))


def loaded(folder: Path, destinations: str, **env: str) -> Loaded:
    return load_topology([write(folder, "t.yaml", destinations)], env=env, registry=destination_types())


def faults(folder: Path, destinations: str) -> str:
    with pytest.raises(FileError) as refused:
        loaded(folder, HEAD + destinations)
    return "\n".join(str(one).rpartition("/")[2] for one in refused.value.problems)


def sent(topology: Loaded, name: str, call: str, **fields: Any) -> Any:
    connector = connector_of(topology, name)
    assert isinstance(connector, HttpDestination)
    event = delivery(1, type=call, **fields)
    event.type, event.event = call, fields.get("event", "")
    (made,) = connector.mapped([event])
    return made.reason if isinstance(made, Skip) else orjson.loads(made.body) if isinstance(made, HttpRequest) else None


def test_the_example_of_the_page(tmp_path: Path) -> None:
    """Renamed, constant, template, first, converted; switched off; for one event."""
    topology = loaded(tmp_path, f"name: t\nsources: {{web: {{}}}}\n{EXAMPLE}", CIO_SITE="s", CIO_KEY="k")
    order = {"timestamp": "2026-01-02T03:04:05Z", "properties": {"revenue": 9.5}}

    (person,) = sent(topology, "cio", "identify", traits={"plan_type": "gold"})["batch"]
    (event,) = sent(topology, "cio", "track", event="Order Completed", **order)["batch"]
    (other,) = sent(topology, "cio", "track", event="Other", **order)["batch"]

    assert person["attributes"]["plan"] == "gold"
    assert event["name"] == "purchase"
    assert other["name"] == "Other"
    assert event["attributes"] == {
        "revenue": 9.5, "tier": "gold", "label": "Order Completed by u1", "total": 9.5, "at": 1767323045,
    }  # fmt: skip
    assert sent(topology, "cio", "page") == "mapping"
    assert sent(topology, "cio", "track", event="Debug Shown") == "mapping"


@pytest.mark.parametrize(
    ("destinations", "problem"),
    [
        (HOOK + "{track: {a: {path: b, as: unix_second}}}", "t.yaml:7:36: destinations.crm.map.track.a.as"),
        (HOOK + "{track: {a: {path: b, as: unix_second}}}", "got unix_second (did you mean unix_seconds?)"),
        (HOOK + "{track: {a.b: 1}}", "destinations.crm.map.track.a.b: expected a path, or {value: 1} for a constant"),
        (HOOK + "{events: {A B: {x: {first: []}}}}", "destinations.crm.map.events.A B.x.first: expected a list"),
        (HOOK + "{track: true}", "destinations.crm.map.track: expected false, or targets"),
        (HOOK + "{tracks: {}}", "destinations.crm.map.tracks: expected"),
        (HOOK + "{track: {$: event}}", "expected the name of a target, got $"),
        ("  lake: {type: file, settings: {path: x}, map: {page: false}}", "lake.map: expected no map, got one"),
        (
            "  any: {type: http, settings: {url: 'https://x.example/'}, map: {track: {a: event}}}",
            "destinations.any.map.track: expected false, got targets: what http sends is not changed by a map",
        ),
        (
            "  any: {type: http, settings: {url: 'https://x.example/'}, map: {events: {A: {a: event}}}}",
            "destinations.any.map.events.A: expected false, got targets",
        ),
    ],
)  # fmt: skip
def test_faults_are_named_at_their_place(tmp_path: Path, destinations: str, problem: str) -> None:
    assert problem in faults(tmp_path, destinations)


def test_a_webhook_gets_the_event_with_the_map_over_it(tmp_path: Path) -> None:
    topology = loaded(tmp_path, HEAD + HOOK + "{track: {properties.name: {value: x}, who: userId}, group: false}")

    changed = sent(topology, "crm", "track", event="A")

    assert (changed["properties"], changed["who"], changed["messageId"]) == ({"name": "x"}, "u1", "m1")
    assert sent(topology, "crm", "group") == "mapping"
    assert sent(topology, "crm", "page")["properties"] == {"name": "Zoë ☃ \u2028"}


@pytest.mark.parametrize(
    "says",
    [
        {"integrations": {"cio": {"tier": "gold"}}},
        {"integrations": {"Lifecycle Mails": {"tier": "gold"}}},
        {"integrations": {"CUSTOMER.IO": {"tier": "gold"}, "All": False}},
        {"options": {"integrations": {"Customer.io (Actions)": {"tier": "gold"}}}, "integrations": {"cio": True}},
        {"context": {"integrations": {"Customer.io": {"tier": "gold"}}}},
    ],
)
def test_the_options_of_an_event_reach_the_map_by_any_name(tmp_path: Path, says: dict[str, Any]) -> None:
    targets = r"{track: {attributes.a: integrations.cio.tier, attributes.b: 'integrations.Customer\.io.tier'}}"
    named = "integration: lifecycle mails, settings: {site_id: a, api_key: b}"
    cio = f"  cio: {{type: customerio, {named}, map: {targets}}}"
    topology = loaded(tmp_path, HEAD + cio)

    (item,) = sent(topology, "cio", "track", event="A", **says)["batch"]

    assert (item["attributes"]["a"], item["attributes"]["b"]) == ("gold", "gold")


@pytest.mark.parametrize("says", [{}, {"integrations": {"cio": True}}, {"integrations": {"Slack": {"tier": "gold"}}}])
def test_without_options_there_is_nothing_to_map(tmp_path: Path, says: dict[str, Any]) -> None:
    targets = "{track: {attributes.a: integrations.cio.tier}}"
    cio = f"  cio: {{type: customerio, settings: {{site_id: a, api_key: b}}, map: {targets}}}"
    topology = loaded(tmp_path, HEAD + cio)

    (item,) = sent(topology, "cio", "track", event="A", **says)["batch"]

    assert "a" not in item.get("attributes", {})


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({"All": False, "amplitude": {"session_id": 7}}, {"session_id": 7}),
        ({"PRODUCT analytics ": {"session_id": 7}}, {"session_id": 7}),
        ({"amp": True, "Mixpanel": {"session_id": 7}}, {}),
        (["Amplitude"], {}),
    ],
)
def test_a_connector_reads_the_options_by_any_name(tmp_path: Path, says: Any, expected: dict[str, Any]) -> None:
    named = "integration: Product Analytics, settings: {api_key: a}"
    connector = connector_of(loaded(tmp_path, f"{HEAD}  amp: {{type: amplitude, {named}}}"), "amp")

    assert connector.options(delivery(1, type="track", integrations=says)) == expected


def test_a_mapping_of_fields_to_themselves_and_to_each_other_ends(tmp_path: Path) -> None:
    """All are read from the event, none from what a target before it has set."""
    swapped = "{userId: userId, event: messageId, messageId: event, properties: {whole: $}}"
    topology = loaded(tmp_path, HEAD + HOOK + f"{{track: {swapped}}}")

    changed = sent(topology, "crm", "track", event="A")

    assert (changed["userId"], changed["event"], changed["messageId"]) == ("u1", "m1", "A")
    assert changed["properties"]["whole"]["messageId"] == "m1"


def test_a_change_of_the_map_is_named_without_its_values(tmp_path: Path) -> None:
    before = loaded(tmp_path, HEAD + HOOK + "{track: {a: {value: hush}}}")
    after = loaded(tmp_path, HEAD + HOOK + "{track: {a: {value: hush-2}}}")

    assert [str(one) for one in changes(before, after)] == ["destinations.crm.map.track: changed"]
    assert "hush" not in repr(after.topology.destinations["crm"])
