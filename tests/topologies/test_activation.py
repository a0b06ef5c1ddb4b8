"""The activation story end to end: what the topology routes, as its connectors send it, to doubles of the partners."""

from __future__ import annotations

from pathlib import Path

import orjson

from router.config.loader import load_topology
from router.destinations.base import Delivery, Kind
from router.destinations.registry import destination_types
from router.topology_tests.case_router import CaseRouter
from router.topology_tests.cases import read_tests
from tests.partners.hubspot import HubspotPartner
from tests.partners.intercom import IntercomPartner
from tests.partners.iterable import IterablePartner
from tests.partners.partner import HttpPartner

TESTS = read_tests(Path(__file__).parents[2] / "topologies/activation.test.yaml")
LOADED = load_topology(TESTS.topology, env={}, registry=destination_types(), placeholders=True)
STEPS = ["Account Created", "First Project Created", "Team Member Invited", "Onboarding Completed"]
MILESTONE = "Activation Milestone Reached"


def deliveries(name: str) -> list[Delivery]:
    """What the first test of the topology gives that destination."""
    events = CaseRouter(LOADED).outputs(TESTS.cases.tests[0])[name]
    return [
        Delivery(orjson.dumps(body), body["profileId"], "web", body["type"], body.get("event", ""), f"{n:032x}", body)
        for n, body in enumerate(events)
    ]


async def deliver(partner: HttpPartner) -> None:
    """With the topology's settings and map; address and credentials are the double's. One event at a time."""
    config = LOADED.topology.destinations[partner.type]
    cls = destination_types()[partner.type]
    connector = cls(partner.type, cls.Settings.model_validate({**config.settings, **partner.settings}), 20.0)
    connector.map = config.map.compiled()
    await connector.open()
    outcomes = [outcome for event in deliveries(partner.type) for outcome in await connector.send([event])]
    await connector.close()
    assert {outcome.kind for outcome in outcomes} == {Kind.DELIVERED}


async def test_iterable_has_the_user_and_the_steps(tmp_path: Path) -> None:
    async with IterablePartner(tmp_path) as partner:
        await deliver(partner)

    first, *others = partner.calls
    assert (first.path, first.json["userId"], first.json["dataFields"]["role"]) == ("/api/users/update", "u1", "owner")
    assert [call.json["eventName"] for call in others] == [*STEPS, MILESTONE]


async def test_hubspot_has_the_contact_in_its_company_and_the_milestone(tmp_path: Path) -> None:
    async with HubspotPartner(tmp_path) as partner:
        await deliver(partner)

    contact, company = partner.records["contact", "ada@example.com"], partner.records["company", "acme"]
    assert (contact["firstname"], contact["role"], company["name"]) == ("Ada", "owner", "Acme")
    assert partner.associations == {(contact["id"], company["id"])}
    names = [
        one["eventName"] for call in partner.calls if call.path.startswith("/events") for one in call.json["inputs"]
    ]
    assert names == ["pe42_activation_milestone_reached"]


async def test_intercom_has_the_contact_its_company_and_every_step(tmp_path: Path) -> None:
    """The milestone by the name that its tours wait for."""
    async with IntercomPartner(tmp_path) as partner:
        await deliver(partner)

    ((record, contact),) = partner.contacts.items()
    assert contact["custom_attributes"] == {"role": "owner"}
    assert partner.members == {(record, partner.companies["acme"]["id"])}
    names = [call.json["event_name"] for call in partner.calls if call.path == "/events"]
    assert names == [*STEPS[:3], "Feature Used", STEPS[3], "activated"]
