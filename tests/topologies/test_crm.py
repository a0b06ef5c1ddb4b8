"""The story of rows and of the past: what the database and the file that ship with the topology are made into."""

from __future__ import annotations

from pathlib import Path

from router.cli.history.database import Database
from router.config.loader import load_topology
from router.destinations.registry import destination_types
from router.events.event import Body
from router.history.csv_rows import csv_rows
from router.history.map_file import check_columns, load_map
from router.history.row_events import RowEvents
from router.history.rows import HistoryFile

FOLDER = Path(__file__).parents[2] / "topologies"
LOADED = load_topology([FOLDER / "crm.yaml"], env={}, registry=destination_types())


def pulled(source: str) -> list[Body]:
    """The events of a first pull, without what they are known by."""
    database = Database.of(LOADED, source)
    made = database.rows()
    with database.asked() as ask:
        events = [made.event(row, made.key(row) or b"") for row in ask(None).rows]
    assert all(isinstance(event, dict) for event in events), events
    return [event for event in events if isinstance(event, dict)]


def test_each_customer_of_the_database_says_who_somebody_is() -> None:
    ada, ben, cleo, dan = pulled("customers")

    assert (ada["type"], ada["userId"], ada["traits"]["lifetime_value"]) == ("identify", 1, 1240.5)
    assert [one["traits"]["churn_risk"] for one in (ada, ben, cleo, dan)] == [0.05, 0.62, 0.21, 0.4]
    assert dan["traits"]["email"] is None


def test_tickets_are_objects() -> None:
    events = pulled("tickets")

    assert {(event["event"], event["integrations"]["All"]) for event in events} == {("Tickets", False)}
    assert [event["properties"]["status"] for event in events] == ["open", "closed"]


def test_orders_of_the_past_keep_their_time_and_one_has_none_that_can_be_read() -> None:
    document, mapping = load_map(FOLDER / "crm/orders.map.yaml")
    orders = FOLDER / "crm/orders-2025.csv"
    file = HistoryFile(orders, orders.name)
    with orders.open("rb") as stream:
        rows = list(csv_rows(stream, file))
    check_columns(document, file.columns, file.name)
    made = [RowEvents("", mapping).event(number, row.value) for number, row in enumerate(rows)]

    *good, bad = made
    assert bad == "timestamp: expected a time such as 2026-01-31T12:00:00Z or 1769860800"
    assert [(one["timestamp"], one["properties"]["total"]) for one in good if isinstance(one, dict)] == [
        ("2025-03-04T10:12:00.000Z", 99.5),
        ("2025-05-17T21:03:11.000Z", 310),
        ("2025-11-28T07:45:00.000Z", 41),
    ]
