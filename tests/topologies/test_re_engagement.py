"""The re-engagement story end to end: partners post, signed as they sign, and the next partner is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from router.config.loader import Loaded, load_topology
from router.destinations.base import Delivery, Kind
from router.destinations.registry import destination_types
from router.destinations.shared.hashing import sha256
from router.gateway.bodies import Items
from router.gateway.receivers import PostReceivers
from router.partner_sources.base import Post
from router.topology_tests.case_router import CaseRouter
from router.topology_tests.cases import Case
from tests.partner_sources.doubles.braze import BrazeDouble
from tests.partner_sources.doubles.braze import event as of_braze
from tests.partner_sources.doubles.customerio import CustomerioDouble
from tests.partner_sources.doubles.customerio import event as of_customerio
from tests.partner_sources.doubles.double import KEY, NOW
from tests.partners.braze import BrazePartner
from tests.partners.customerio import CustomerioPartner
from tests.partners.facebook_audiences import AUDIENCE, FacebookAudiencesPartner
from tests.partners.partner import HttpPartner

TOPOLOGY = Path(__file__).parents[2] / "topologies/re-engagement.yaml"
SECRETS = {"BRAZE_CURRENTS_TOKEN": KEY, "CUSTOMERIO_SIGNING_KEY": KEY}
BRAZE, CUSTOMERIO = BrazeDouble(), CustomerioDouble()
SHOP: list[dict[str, Any]] = [
    {"source": "shop", "type": "identify", "userId": "u42", "messageId": "m1", "traits": {"firstName": "Ada"}},
    {"source": "shop", "type": "track", "event": "Product Added", "userId": "u42", "messageId": "m2", "properties": {}},
]


def loaded() -> Loaded:
    return load_topology([TOPOLOGY], env=SECRETS, registry=destination_types())


def posted(topology: Loaded, source: str, post: Post) -> list[dict[str, Any]]:
    """The events of a post to /v1/hooks/SOURCE, as a test of the topology gives them."""
    receiver = PostReceivers.of(topology).find(source)
    receiver.clock = lambda: NOW
    items = receiver.take(post)
    assert isinstance(items, Items)
    return [{"source": source, **event} for event in items.values]


async def deliver(topology: Loaded, name: str, partner: HttpPartner, given: list[dict[str, Any]]) -> None:
    """What the topology gives that destination of these events, sent one by one to the partner's double."""
    events = CaseRouter(topology).outputs(Case(name="story", given=given, expect={}))[name]
    config = topology.topology.destinations[name]
    cls = destination_types()[config.type]
    connector = cls(name, cls.Settings.model_validate({**config.settings, **partner.settings}), 20.0)
    connector.map = config.map.compiled()
    await connector.open()
    try:
        for number, body in enumerate(events):
            value, key = orjson.dumps(body), f"{number:032x}"
            one = Delivery(value, body["profileId"], "shop", body["type"], body.get("event", ""), key, body)
            (outcome,) = await connector.send([one])
            assert outcome.kind == Kind.DELIVERED, outcome
    finally:
        await connector.close()


async def test_a_product_without_an_order_reaches_braze(tmp_path: Path) -> None:
    async with BrazePartner(tmp_path) as partner:
        await deliver(loaded(), "braze", partner, SHOP)

    assert [one["name"] for call in partner.calls for one in call.json.get("events", ())] == ["Product Added"]


async def test_the_push_that_braze_sent_comes_back_and_goes_to_customer_io(tmp_path: Path) -> None:
    topology = loaded()
    sent = of_braze("messages.pushnotification.Send", platform="ios")
    post = BRAZE.post(BRAZE.body([sent]))
    async with CustomerioPartner(tmp_path) as partner:
        await deliver(topology, "customerio", partner, [*SHOP, *posted(topology, "push", post)])

    (received,) = [one for call in partner.calls for one in call.json["batch"] if one["action"] == "event"]
    assert received["name"] == "Push Notification Received"
    assert received["identifiers"] == {"id": "u42"}
    assert received["attributes"]["campaign_name"] == "Abandoned cart"


async def test_the_mail_that_was_not_opened_comes_back_and_goes_to_the_audience(tmp_path: Path) -> None:
    topology = loaded()
    delivered, opened = (
        posted(topology, "mail", CUSTOMERIO.post(CUSTOMERIO.body([of_customerio("email", metric, number)])))
        for number, metric in enumerate(("delivered", "opened"))
    )
    async with FacebookAudiencesPartner(tmp_path) as partner:
        audience = topology.topology.destinations["unopened-mail"].settings["audiences"]["unopened-mail"]
        partner.settings["audiences"] = {"unopened-mail": {**audience, "id": AUDIENCE}}
        await deliver(topology, "unopened-mail", partner, delivered)
        await deliver(topology, "unopened-mail", partner, opened)

    assert [call.method for call in partner.calls] == ["POST", "DELETE"]
    assert all(sha256("ada@example.com") in str(call.json) for call in partner.calls)
