"""The ecommerce story end to end: what the topology routes, as its connectors send it, to doubles of the partners."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import orjson

from router.config.loader import load_topology
from router.destinations.base import Delivery, Kind
from router.destinations.http import HttpDestination
from router.destinations.registry import destination_types
from router.destinations.warehouse import Warehouse, WarehouseSettings
from router.topology_tests.case_router import CaseRouter
from router.topology_tests.cases import read_tests
from tests.partners.amplitude import AmplitudePartner
from tests.partners.ga4 import NOW, Ga4Partner
from tests.partners.klaviyo import KlaviyoPartner
from tests.partners.mixpanel import MixpanelPartner
from tests.partners.partner import HttpPartner

TESTS = read_tests(Path(__file__).parents[2] / "topologies/ecommerce.test.yaml")
LOADED = load_topology(TESTS.topology, env={}, registry=destination_types(), placeholders=True)
ORDER, VISIT = 0, 1  # tests of the topology


def deliveries(case: int, name: str) -> list[Delivery]:
    """What that test of the topology gives the destination."""
    events = CaseRouter(LOADED).outputs(TESTS.cases.tests[case])[name]
    return [
        Delivery(orjson.dumps(body), body["profileId"], "web", body["type"], body.get("event", ""), f"{n:032x}", body)
        for n, body in enumerate(events)
    ]


async def deliver(partner: HttpPartner, case: int) -> None:
    """With the topology's settings; address and credentials are the double's. One event at a time."""
    config, cls = LOADED.topology.destinations[partner.type], destination_types()[partner.type]
    connector = cls(partner.type, cls.Settings.model_validate({**config.settings, **partner.settings}), 20.0)
    assert isinstance(connector, HttpDestination)
    connector.clock = lambda: NOW
    await connector.open()
    outcomes = [outcome for event in deliveries(case, partner.type) for outcome in await connector.send([event])]
    await connector.close()
    assert {outcome.kind for outcome in outcomes} <= {Kind.DELIVERED, Kind.UNCONFIRMED}
    assert outcomes


async def test_google_has_the_purchase_of_the_session_and_nobody_s_id(tmp_path: Path) -> None:
    async with Ga4Partner(tmp_path) as partner:
        await deliver(partner, ORDER)
        await deliver(partner, VISIT)

    purchase, *others = partner.events
    assert purchase["name"] == "purchase"
    assert (purchase["params"]["transaction_id"], purchase["params"]["value"]) == ("1", 9.5)
    assert purchase["params"]["currency"] == "EUR"
    assert [one["name"] for one in others] == ["page_view", "view_item", "add_to_cart"]
    assert not [call for call in partner.calls if b"u1" in call.body or b"ada@" in call.body]


async def test_mixpanel_has_the_paid_order_and_its_revenue_once(tmp_path: Path) -> None:
    async with MixpanelPartner(tmp_path) as partner:
        await deliver(partner, ORDER)

    imported, update = partner.calls
    assert [one["properties"]["revenue"] for one in imported.json] == [9.5]
    assert [one["$append"]["$transactions"]["$amount"] for one in update.json] == [9.5]


async def test_amplitude_has_the_paid_order_and_no_pages(tmp_path: Path) -> None:
    async with AmplitudePartner(tmp_path) as partner:
        await deliver(partner, ORDER)
        await deliver(partner, VISIT)

    items = [item for call in partner.calls for item in call.json["events"]]
    assert [item["event_type"] for item in items] == ["Order Completed", "Product Viewed", "$identify", "Product Added"]
    assert items[0]["revenue"] == 9.5
    assert {item.get("device_id") for item in items[1:]} == {"a1"}


async def test_klaviyo_has_what_its_mail_is_about(tmp_path: Path) -> None:
    async with KlaviyoPartner(tmp_path) as partner:
        await deliver(partner, ORDER)
        await deliver(partner, VISIT)

    sent = b" ".join(call.body for call in partner.calls)
    assert sent.count(b"Viewed Product") == 1
    assert b"ada@example.com" in sent


async def test_tables_have_both_orders_and_sql_says_which_is_paid(tmp_path: Path) -> None:
    shop = tmp_path / "shop.duckdb"
    connector = Warehouse("bi", WarehouseSettings(url=f"duckdb:///{shop}"), 20.0)
    by_source = {"w1": "web", "o1": "orders"}

    await connector.open()
    orders = [replace(one, source=by_source[one.body["messageId"]]) for one in deliveries(ORDER, "bi")]
    outcomes = await connector.send([*orders, *deliveries(VISIT, "bi")])
    await connector.close()

    assert {outcome.kind for outcome in outcomes} == {Kind.DELIVERED}
    with duckdb.connect(str(shop), read_only=True) as database:
        both = "web.order_completed AS site JOIN orders.order_completed AS paid USING (order_id)"
        assert database.sql(f"SELECT site.total, paid.total FROM {both}").fetchall() == [(9.5, 9.5)]
        assert database.sql("SELECT email FROM web.users").fetchall() == [("ada@example.com",)]
