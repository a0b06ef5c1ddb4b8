"""`router status`: what an operator sees, and that it finds the reason why an event did not arrive."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from rich.console import Console

from router.cli.status_screen import picture, seconds
from router.config.options import parse_address
from router.process.health import Check, Health, Report
from router.process.scrape import families
from router.process.serve import MetricsServer, bind
from router.process.snapshot import DestinationRow
from router.status.kafka import completed
from router.status.pages import Look, look
from tests.cli.lines import Line
from tests.process.test_snapshot import PAGE

NOWHERE = "127.0.0.1:1"


class Page(Collector):
    """A metrics page as text, served by a real server."""

    def __init__(self, text: str) -> None:
        self.text = text

    def collect(self) -> Iterator[Metric]:
        yield from families(self.text)


@pytest.fixture
def health() -> Health:
    health = Health()
    health.ready("route-1", True)
    health.ready("route-2", False, "not running")
    return health


@pytest.fixture
def page() -> Page:
    return Page(PAGE)


@pytest.fixture
def address(page: Page, health: Health) -> Iterator[str]:
    registry = CollectorRegistry()
    registry.register(page)
    with MetricsServer(bind(("127.0.0.1", 0)), health, registry) as server:
        yield "{}:{}".format(*server.address)


def test_it_shows_the_revision_of_each_source_s_plan(line: Line, address: str) -> None:
    shown = line("status", "--metrics", address).out
    assert "24aef4a8cf30, 9b1deb4d3b7d" in next(row for row in shown.splitlines() if row.strip().startswith("web"))

    told = json.loads(line("status", "--metrics", address, "--json").out)
    assert told["plans"] == {"app": ["24aef4a8cf30"], "web": ["24aef4a8cf30", "9b1deb4d3b7d"]}


def test_nothing_there_is_status_3_and_says_where_it_looked(line: Line) -> None:
    ended = line("status", "--metrics", NOWHERE)

    assert ended.status == 3
    assert NOWHERE in ended.err


def test_totals_destinations_and_processes_are_shown(line: Line, address: str) -> None:
    ended = line("status", "--metrics", address)

    rows = [row.split() for row in ended.out.splitlines()]
    assert ended.status == 0
    assert rows[0] == ["received", "invalid", "duplicates", "blocked", "resolved", "merged", "waiting"]
    assert ["events", "100", "1", "5", "3", "91", "2", "7"] in rows
    assert ["crm", "80", "70", "8", "2", "500", "ms", "-", "paused:", "refused"] in rows
    assert ["lake", "35", "35", "0", "0", "-", "-", "up", "to", "date"] in rows
    assert ["route-2", "3", "down:", "not", "running"] in rows


def test_the_reasons_name_place_count_and_the_command_that_shows_more(line: Line, address: str) -> None:
    out = line("status", "--metrics", address).out

    assert "invalid     1: not an event; router tap events.invalid" in out
    assert "blocked     3: by the tracking plan; router tap events.blocked" in out
    assert "crm: 10 filtered: its name is not in `events`, or is in `except`" in out
    assert "crm: 4 filtered: its integrations object switches the destination off" in out
    assert "crm: 8 wait, none is lost: the partner refuses our credentials or settings" in out
    assert "crm: 6 × 503 answered with a fault and tried again\n    503: the partner has a fault of its own\n" in out
    assert "crm: 2 given up (2 × 400); router dlq list crm" in out


REFUSED = """\
# TYPE router_gateway_events_total counter
router_gateway_events_total{process="gateway",source="none",outcome="unknown_write_key"} 3
router_gateway_events_total{process="gateway",source="web",outcome="no_id"} 2
router_gateway_events_total{process="gateway",source="web",outcome="accepted"} 7
router_gateway_events_total{process="gateway",source="test",outcome="other_environment"} 1
# TYPE router_violations_total counter
router_violations_total{process="route",source="web",class="unplanned_event"} 4
"""


def test_what_the_gateway_refused_is_shown_by_reason_and_what_the_plan_says(
    line: Line, address: str, page: Page
) -> None:
    """A wrong write key is what newcomers do first."""
    page.text = REFUSED
    out, answer = line("status", "--metrics", address).out, line("status", "--metrics", address, "--json").answer

    assert "3 × unknown_write_key (none): no source has this write key; compare it with `write_keys`" in out
    assert "2 × no_id (web): " in out
    assert "1 × other_environment (test): the source is labelled with another environment than the topology's" in out
    assert "accepted" not in out
    assert "4 × unplanned_event (web): the plan does not have the event; router tap events.violations" in out
    assert answer["refused"] == {
        "none": {"unknown_write_key": 3}, "web": {"no_id": 2}, "test": {"other_environment": 1},
    }  # fmt: skip
    assert answer["violations"] == {"web": {"unplanned_event": 4}}


def test_a_held_destination_is_shown_with_what_the_partner_said(line: Line, address: str, health: Health) -> None:
    why = (
        "held back: the partner refuses us (401: bad key), since 2026-01-01T00:00:00Z; next try at 2026-01-01T00:00:09Z"
    )
    health.live("deliver deliver.crm", True, why)
    health.live("deliver deliver.lake", True, "nothing to deliver")

    out = " ".join(line("status", "--metrics", address).out.split())

    assert why in out
    assert "nothing to deliver" not in out


BACKLOG = """\
# TYPE router_route_lag_messages gauge
router_route_lag_messages{topic="events.raw",partition="0"} 30
# TYPE router_route_oldest_seconds gauge
router_route_oldest_seconds{topic="events.raw",partition="0"} 90
router_route_oldest_seconds{topic="events.raw",partition="1"} 0
# TYPE router_delivery_oldest_seconds gauge
router_delivery_oldest_seconds{destination="crm"} 150
router_delivery_oldest_seconds{destination="lake"} 0
# TYPE router_events_stopped_total counter
router_events_stopped_total{agent="dedupe",source="web",reason="other_event"} 2
router_events_stopped_total{agent="decode",source="",reason="not_json"} 1
"""


def test_it_shows_how_long_events_wait_and_why_they_ended_by_source(line: Line, address: str, page: Page) -> None:
    page.text = BACKLOG
    out, answer = line("status", "--metrics", address).out, line("status", "--metrics", address, "--json").answer

    assert "the oldest of 30 waiting messages came 90 s ago" in out
    assert ["crm", "0", "0", "0", "0", "-", "2.5", "min"] in [row.split()[:8] for row in out.splitlines()]
    assert "2 × other_event (web): its messageId was received before, within the window, under another type" in out
    assert "1 × not_json (no source): not JSON" in out
    assert (answer["oldest_seconds"], [row["oldest_seconds"] for row in answer["destinations"]]) == (90, [150, None])
    assert answer["stopped"] == {"": {"not_json": 1}, "web": {"other_event": 2}}


def test_files_that_were_refused_are_shown_once_with_file_and_line(line: Line, address: str, health: Health) -> None:
    why = "reload refused: shop.yaml:3:1: sourcess: expected a known key, got sourcess"
    health.live("gateway reload", True, why)
    health.live("route reload", True, why)
    health.live("deliver reload", True, "")

    out = " ".join(line("status", "--metrics", address).out.split())

    assert out.count(why) == 1


def test_rates_are_those_between_two_looks(
    line: Line, address: str, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_: float) -> None:
        page.text = PAGE.replace('destination="crm",partition="0"} 70', 'destination="crm",partition="0"} 90')

    monkeypatch.setattr("router.cli.status.time.sleep", wait)
    shown, answer = line("status", "--metrics", address, "--rates"), None
    page.text = PAGE
    answer = line("status", "--metrics", address, "--rates", "--json").answer["rates"]

    assert "events/s received" in shown.out
    assert (answer["received"], answer["destinations"]["lake"]) == (0, {"routed": 0, "final": 0})
    assert answer["destinations"]["crm"]["final"] > 0


def test_a_topology_needs_a_broker(line: Line) -> None:
    for options in ([], ["--metrics", NOWHERE]):
        none = line("status", "topologies/shop.yaml", *options)

        assert none.status == 2
        assert "expected --bootstrap" in none.err


def test_totals_of_kafka_are_completed_by_what_processes_know(address: str) -> None:
    """The page is of a process that has just started: it counts from 0, as a gateway's always does."""
    row = DestinationRow("crm", routed=900, delivered=890, dead=4, waiting=6, asked=False, paused=("operator",))
    page = look([parse_address(address)])
    kafka = replace(page.seen, received=1_000, waiting=7, destinations=(row,), refused={}, processes=())
    paused = Report(True, {"deliver.crm": Check(True, "paused")})

    both = completed(Look(kafka, Report(True), paused), page)

    (crm,) = both.seen.destinations
    known = next(each for each in page.seen.destinations if each.name == "crm")
    assert (both.seen.received, both.seen.waiting, crm.delivered, crm.waiting) == (1_000, 7, 890, 6)
    assert (both.seen.processes, both.seen.refused) == (page.seen.processes, page.seen.refused)
    assert set(crm.paused) == {"operator", *known.paused}
    assert (crm.asked, crm.served, crm.retries, crm.p95_seconds) == (
        True, known.served, known.retries, known.p95_seconds,
    )  # fmt: skip
    assert both.live.checks["deliver.crm"].ok


def screen(at: Look) -> str:
    console = Console(width=200)
    with console.capture() as shown:
        console.print(picture(at.seen, at.ready, at.live))
    return shown.get()


def test_kafka_alone_does_not_say_that_what_waits_is_being_delivered(address: str) -> None:
    """A warehouse that refuses us is held back, which its process says and no topic."""
    row = DestinationRow("crm", routed=9, delivered=4, waiting=5, asked=False)
    page = look([parse_address(address)])
    seen = replace(page.seen, destinations=(replace(row, name="crm"),))
    held = replace(page.seen, destinations=(DestinationRow("crm", paused=("refused",)),))
    alone = Look(seen, Report(True), Report(True))

    assert "pending; why it waits is on the page of its process" in screen(alone)
    assert "paused: refused" in screen(completed(alone, page._replace(seen=held)))


def test_every_key_of_the_json_is_documented(line: Line, address: str) -> None:
    answer = line("status", "--metrics", address, "--json").answer
    text = (Path(__file__).parents[2] / "ops/metrics.md").read_text("utf-8")
    documented = set(re.findall(r"`(\w+)`", text.partition("## `router status --json`")[2].partition("\n## ")[0]))

    assert {*answer, *answer["destinations"][0], *answer["processes"][0]} <= documented


def test_several_pages_are_added_up_and_one_that_is_silent_is_down(line: Line, address: str) -> None:
    ended = line("status", "--metrics", address, "--metrics", NOWHERE)

    rows = [row.split() for row in ended.out.splitlines()]
    assert ended.status == 0
    assert ["events", "100", "1", "5", "3", "91", "2", "7"] in rows
    assert [address, "route-2", "3", "down:", "not", "running"] in rows
    assert [NOWHERE, "0", "down:"] in [row[:3] for row in rows]
    assert line("status", "--metrics", NOWHERE, "--metrics", "127.0.0.1:2").status == 3


def test_two_processes_with_pages_of_their_own_are_one_picture(line: Line, health: Health) -> None:
    texts = [PAGE, REFUSED.replace('process="gateway",', "").replace('process="route",', "")]
    with ExitStack() as stack:
        named = []
        for text in texts:
            registry = CollectorRegistry()
            registry.register(Page(text))
            server = stack.enter_context(MetricsServer(bind(("127.0.0.1", 0)), health, registry))
            named.append("{}:{}".format(*server.address))
        answer = line("status", "--metrics", named[0], "--metrics", named[1], "--json").answer

    assert (answer["received"], answer["accepted"]) == (100, 127)
    assert answer["refused"]["web"] == {"invalid": 5, "no_id": 2}
    assert {row["name"].split()[0] for row in answer["processes"]} == set(named)


def test_it_says_whether_the_numbers_add_up(line: Line, address: str, page: Page) -> None:
    assert "adds up: 100 = 1 + 5 + 3 + 91" in line("status", "--metrics", address).out

    page.text = PAGE.replace('events_resolved_total{process="route-2",topic="events.raw",partition="1"} 35', "x 34")
    assert "does not add up (yet): 100 received are not 1 + 5 + 3 + 56" in line("status", "--metrics", address).out


def test_programs_get_json(line: Line, address: str) -> None:
    answer = line("status", "--metrics", address, "--json").answer

    assert (answer["received"], answer["balanced"]) == (100, True)
    assert answer["destinations"][0]["name"] == "crm"
    assert answer["ready"]["checks"]["route-2"] == {"ok": False, "why": "not running"}


def test_a_router_that_has_seen_nothing_is_shown_with_zeros(line: Line, address: str, page: Page) -> None:
    page.text = ""

    ended = line("status", "--metrics", address)

    assert ended.status == 0
    assert ["events", *"0000000"] in [row.split() for row in ended.out.splitlines()]


def test_watch_goes_on_until_ctrl_c_and_ends_with_0(address: str) -> None:
    command = [sys.executable, "-m", "router", "status", "--watch", "--json", "--metrics", address]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert watching.stdout is not None
        answers = [json.loads(watching.stdout.readline()) for _ in range(2)]
        assert [answer["received"] for answer in answers] == [100, 100]
        watching.send_signal(2)
        assert watching.wait(300) == 0
    finally:
        watching.kill()
        watching.communicate()


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.035, "35 ms"), (1.25, "1.25 s"), (119, "119 s"), (150, "2.5 min")]
)
def test_durations_are_short(value: float | None, shown: str) -> None:
    assert seconds(value) == shown
