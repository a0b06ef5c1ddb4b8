"""The numbers of a page: what an operator asks for, and whether they add up."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from router.process.scrape import families
from router.process.snapshot import Snapshot, quantile, snapshot

SWITCHED_OFF = """\
# TYPE router_events_routed_total counter
router_events_routed_total{process="route",destination="crm",topic="events.raw",partition="0"} 40
"""
PAGE = """\
# TYPE router_native gauge
router_native{process="route-1",part="produce"} 1
router_native{process="route-2",part="produce"} 0
# TYPE router_events_received_total counter
router_events_received_total{process="route-1",topic="events.raw",partition="0"} 60
router_events_received_total{process="route-2",topic="events.raw",partition="1"} 40
# TYPE router_events_invalid_total counter
router_events_invalid_total{process="route-1",topic="events.raw",partition="0"} 1
# TYPE router_events_blocked_total counter
router_events_blocked_total{process="route-1",topic="events.raw",partition="0"} 3
# TYPE router_events_duplicate_total counter
router_events_duplicate_total{process="route-2",topic="events.raw",partition="1"} 5
# TYPE router_events_resolved_total counter
router_events_resolved_total{process="route-1",topic="events.raw",partition="0"} 56
router_events_resolved_total{process="route-2",topic="events.raw",partition="1"} 35
# TYPE router_identity_merges_total counter
router_identity_merges_total{process="route-1",partition="0"} 2
# TYPE router_route_lag_messages gauge
router_route_lag_messages{process="route-1",topic="events.raw",partition="0"} 7
# TYPE router_events_routed_total counter
router_events_routed_total{process="route-1",destination="crm",topic="events.raw",partition="0"} 50
router_events_routed_total{process="route-2",destination="crm",topic="events.raw",partition="1"} 30
router_events_routed_total{process="route-2",destination="lake",topic="events.raw",partition="1"} 35
# TYPE router_events_filtered_total counter
router_events_filtered_total{process="route-1",destination="crm",reason="event"} 9
router_events_filtered_total{process="route-2",destination="crm",reason="event"} 1
router_events_filtered_total{process="route-2",destination="crm",reason="integrations"} 4
# TYPE router_delivery_delivered_total counter
router_delivery_delivered_total{process="deliver",destination="crm",partition="0"} 70
router_delivery_delivered_total{process="deliver",destination="lake",partition="0"} 35
# TYPE router_delivery_dead_total counter
router_delivery_dead_total{process="deliver",destination="crm",partition="0"} 2
# TYPE router_delivery_pending gauge
router_delivery_pending{process="deliver",destination="crm"} 5
# TYPE router_delivery_lag_messages gauge
router_delivery_lag_messages{process="deliver",destination="crm"} 4
# TYPE router_delivery_discarded_total counter
router_delivery_discarded_total{process="deliver",destination="crm",code="400"} 2
# TYPE router_delivery_retries_total counter
router_delivery_retries_total{process="deliver",destination="crm",code="503"} 6
# TYPE router_delivery_retry_lane gauge
router_delivery_retry_lane{process="deliver",destination="crm"} 2
router_delivery_retry_lane{process="deliver-2",destination="crm"} 1
# TYPE router_delivery_retry_lane_age_seconds gauge
router_delivery_retry_lane_age_seconds{process="deliver",destination="crm"} 31.5
router_delivery_retry_lane_age_seconds{process="deliver-2",destination="crm"} 7
# TYPE router_delivery_paused gauge
router_delivery_paused{process="deliver",destination="crm",reason="refused"} 1
router_delivery_paused{process="deliver",destination="crm",reason="down"} 0
# TYPE router_end_to_end_p95_seconds gauge
router_end_to_end_p95_seconds{process="deliver",destination="crm"} 0.25
router_end_to_end_p95_seconds{process="deliver-2",destination="crm"} 0.5
router_end_to_end_p95_seconds{process="deliver",destination="lake"} NaN
# TYPE router_gateway_events_total counter
router_gateway_events_total{process="gateway",source="web",outcome="accepted"} 120
router_gateway_events_total{process="gateway",source="web",outcome="invalid"} 5
# TYPE router_plan_info gauge
router_plan_info{process="route-1",source="web",revision="24aef4a8cf30"} 1
router_plan_info{process="route-2",source="web",revision="9b1deb4d3b7d"} 1
router_plan_info{process="route-1",source="app",revision="24aef4a8cf30"} 1
router_plan_info{process="route-1",source="old",revision="24aef4a8cf30"} 0
# TYPE router_up gauge
router_up{process="route-1"} 1
router_up{process="route-2"} 0
# TYPE router_ready gauge
router_ready{process="route-1"} 1
# TYPE router_live gauge
router_live{process="route-1"} 1
# TYPE router_process_restarts_total counter
router_process_restarts_total{process="route-2"} 3
"""


@pytest.fixture
def seen() -> Snapshot:
    return snapshot(families(PAGE))


def test_totals_are_sums_over_partitions_and_processes(seen: Snapshot) -> None:
    assert (seen.received, seen.invalid, seen.blocked, seen.duplicates, seen.resolved) == (100, 1, 3, 5, 91)
    assert (seen.merged, seen.waiting, seen.accepted) == (2, 7, 120)
    assert seen.balanced


def test_a_destination_has_its_own_row_with_the_reasons(seen: Snapshot) -> None:
    crm, lake = seen.destinations
    assert (crm.routed, crm.delivered, crm.dead, crm.pending) == (80, 70, 2, 8)
    assert crm.paused == ("refused",)
    assert crm.filtered == {"event": 10, "integrations": 4}
    assert crm.discarded == {"400": 2}
    assert crm.retries == {"503": 6}
    assert (crm.retrying, crm.retrying_seconds, lake.retrying, lake.retrying_seconds) == (3, 31, 0, 0)
    assert crm.p95_seconds == 0.5
    assert (lake.name, lake.pending, lake.p95_seconds, lake.paused) == ("lake", 0, None, ())


def test_pending_adds_up_when_it_is_taken_or_waits(seen: Snapshot) -> None:
    assert all(row.balanced for row in seen.destinations)
    short = snapshot(
        families(PAGE.replace('delivered_total{process="deliver",destination="crm",partition="0"} 70', "x 1"))
    )
    assert not short.destinations[0].balanced


def test_a_redriven_event_is_final_twice_and_adds_up(seen: Snapshot) -> None:
    page = PAGE.replace(
        'dead_total{process="deliver",destination="crm",partition="0"} 2', 'dead_total{destination="crm"} 7'
    )
    redriven = '# TYPE router_delivery_redriven_total counter\nrouter_delivery_redriven_total{destination="crm"} 5\n'

    assert not snapshot(families(page)).destinations[0].balanced
    crm = snapshot(families(page + redriven)).destinations[0]
    assert (crm.redriven, crm.dead, crm.pending, crm.balanced) == (5, 7, seen.destinations[0].pending, True)


def test_events_of_a_replay_stand_beside_the_sums() -> None:
    totals = "".join(
        f'# TYPE router_replay_{end}_total counter\nrouter_replay_{end}_total{{destination="crm",partition="0"}} {n}\n'
        for end, n in (("delivered", 3), ("dead", 2))
    )
    crm = snapshot(families(PAGE + totals)).destinations[0]
    assert (crm.replayed, crm.balanced) == (5, True)


def test_a_missing_event_is_seen(seen: Snapshot) -> None:
    lost_one = PAGE.replace('events_resolved_total{process="route-2",topic="events.raw",partition="1"} 35', "x 34")
    assert not snapshot(families(lost_one)).balanced


def test_a_destination_that_is_switched_off_is_not_out_of_balance() -> None:
    """What was routed before waits in its topic; no process on the page could say how far it is."""
    off, on = (snapshot(families(text)).destinations for text in (SWITCHED_OFF, PAGE))

    assert [(row.name, row.served, row.pending, row.balanced) for row in off] == [("crm", False, 40, True)]
    assert [row.served for row in on] == [True, True]


def test_not_final_counts_what_no_worker_has_read_and_what_no_partner_has(seen: Snapshot) -> None:
    assert seen.not_routed == 20
    assert seen.not_final == 28


def test_plans_tell_the_revisions_in_force(seen: Snapshot) -> None:
    """Two of them while one worker has taken a new plan over and the other has not."""
    assert seen.plans == {"app": ("24aef4a8cf30",), "web": ("24aef4a8cf30", "9b1deb4d3b7d")}


def test_processes_tell_health_and_restarts(seen: Snapshot) -> None:
    rows = {row.name: row for row in seen.processes}
    assert {name: row.native for name, row in rows.items() if row.native is not None} == {
        "route-1": ("produce",), "route-2": (),
    }  # fmt: skip
    assert (rows["route-1"].up, rows["route-1"].ready, rows["route-1"].live) == (True, True, True)
    assert (rows["route-2"].up, rows["route-2"].ready, rows["route-2"].restarts) == (False, False, 3)


def test_the_page_of_a_single_process_is_read_as_well() -> None:
    alone = snapshot(families(PAGE.replace('process="route-1",', "").replace('{process="route-1"}', "")))
    assert alone.received == 100


def test_the_answer_for_programs_is_json(seen: Snapshot) -> None:
    answer = json.loads(json.dumps(seen.as_dict()))
    assert (answer["received"], answer["balanced"], answer["not_final"]) == (100, True, 28)
    assert answer["destinations"][0]["pending"] == 8


def test_an_empty_page_is_an_empty_snapshot() -> None:
    empty = snapshot([])
    assert empty.balanced
    assert (empty.received, empty.destinations, empty.processes, empty.not_final) == (0, (), (), 0)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=200))
def test_the_quantile_lies_in_the_bucket_of_the_true_one(values: list[float]) -> None:
    bounds = [0.5, 1.0, 5.0, 10.0, math.inf]
    counts = [(bound, float(sum(value <= bound for value in values))) for bound in bounds]
    exact = sorted(values)[math.ceil(0.95 * len(values)) - 1]
    estimate = quantile(0.95, counts)
    assert estimate is not None
    if exact > 10:
        assert estimate == 10
    else:
        upper = next(bound for bound in bounds if exact <= bound)
        lower = max([0.0, *(bound for bound in bounds if bound < upper)])
        assert lower <= estimate <= upper


def test_there_is_no_quantile_of_nothing() -> None:
    assert quantile(0.95, []) is None
    assert quantile(0.95, [(1.0, 0), (math.inf, 0)]) is None


def test_p95_falls_back_to_the_histogram_of_all_processes() -> None:
    registry = CollectorRegistry()
    seconds = Histogram("router_end_to_end_seconds", "", ("destination",), registry=registry, buckets=(0.1, 1, 10))
    for _ in range(100):
        seconds.labels("crm").observe(0.5)
    (row,) = snapshot(registry.collect()).destinations
    assert row.p95_seconds == pytest.approx(0.955)
