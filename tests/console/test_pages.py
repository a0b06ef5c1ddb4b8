"""Pages as pure functions: what they say of counts and records, and that nothing that comes from outside is markup."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import router.console
from router.config.options import RunOptions
from router.console.access import ConsoleUser
from router.console.delivery_errors import DeliverySummary, LetterList, LetterRow, summary
from router.console.operations import KafkaSide, LagRow, TopicRow
from router.console.over_time import OverTime, ask
from router.console.pages.destination import DestinationPage, settings_text
from router.console.pages.destinations import destinations
from router.console.pages.find import find
from router.console.pages.operations import operations
from router.console.pages.overview import overview
from router.console.pages.plans import plans
from router.console.pages.source import source
from router.console.pages.sources import sources
from router.console.sight import LatestCounts
from router.console.text import duration, number, share, visible
from router.insights.schema import (
    EventRow,
    EventsAnswer,
    Freshness,
    LeftOut,
    People,
    Period,
    ViolationExample,
    ViolationRow,
    ViolationsAnswer,
)
from router.mask import Mask
from router.process.snapshot import ProcessRow
from router.replay.dead_letters import DeadLetter
from router.trace.step import StoryStep
from router.trace.story import EventStory
from router.trace.tracer import Traced
from tests.console.pages import HOSTILE, KEY, SECRET, SPAN, VIEWER, counts, html, inert, shop

CONSOLE = Path(router.console.__file__).parent
SOURCES = sorted(path for kind in ("html", "js", "py") for path in CONSOLE.rglob(f"*.{kind}"))
FORBIDDEN = (
    *("|safe", "| safe", "Markup(", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"),
    *("DOMParser", "createPolicy", "autoescape=False", "autoescape false"),
)


def test_the_overview_begins_with_the_worst_and_names_its_destination(tmp_path: Path) -> None:
    page = html(overview(shop(tmp_path).topology, counts(), SPAN))

    assert inert(page)
    concerns = page[page.index("Needs attention") : page.index("Funnel")]
    assert "does not answer" in concerns
    assert "Waiting: 6, none is lost" in concerns
    assert 'href="/destinations/crm"' in concerns
    rows = re.findall(r'href="/destinations/(\w+)"', page[page.index('id="destinations-table"') :])
    assert rows == ["crm", "ads", "off"]
    assert "10 received = 1 invalid + 3 duplicates + 2 blocked + 4 resolved" in page


def test_the_overview_says_when_counts_do_not_add_up(tmp_path: Path) -> None:
    page = html(overview(shop(tmp_path).topology, counts(received=12), SPAN))

    assert "does not add up by 2; at rest it must" in page


def test_a_process_that_is_down_and_lost_messages_come_first(tmp_path: Path) -> None:
    made = overview(
        shop(tmp_path).topology, counts(lost=4, processes=(ProcessRow("route", False, False, False),)), SPAN
    )

    assert [one.subject for one in made.values["concerns"]][:3] == ["The input", "crm", "route"]


def test_without_an_answer_the_overview_says_so_and_keeps_what_it_knew(tmp_path: Path) -> None:
    topology = shop(tmp_path).topology
    never = html(overview(topology, LatestCounts(None, 0, "no answer (Connection refused)"), SPAN))
    later = html(overview(topology, LatestCounts(counts().look, 1, "no answer (Connection refused)"), SPAN))

    assert "Counts are not available: no answer (Connection refused)" in never
    assert "no process answers" in never
    assert "What you see is from" in later
    assert "10 received" in later


def record(outcome: str, code: str, count: int, **more: Any) -> dict[str, Any]:
    return {
        "destination": "crm",
        "outcome": outcome,
        "code": code,
        "count": count,
        "time": "2026-11-27T14:00:00Z",
    } | more


SAMPLE = {
    "origin": "dest.crm:0:1", "event": {"event": HOSTILE, "email": "ada@example.com"},
    "request": f"POST https://crm.example/e\n\n{HOSTILE}", "response": f"400\n\nbad {SECRET}", "detail": "",
}  # fmt: skip


def test_the_delivery_log_is_grouped_by_outcome_and_code_with_its_newest_samples() -> None:
    records = [record("delivered", "", 7), record("retry", "errors.awaiting-retry.503", 2)]
    records += [record("dead", "errors.discarded.400", 1, samples=[SAMPLE | {"origin": str(n)}]) for n in range(5)]
    records += [record("filtered", "mapping", 3), record("dead", "x", 9) | {"destination": "ads"}, {"outcome": 7}]
    made = summary(records, "crm")

    assert (made.accepted, made.filtered) == (7, {"mapping": 3})
    assert [(group.outcome, group.count, group.reason.codes) for group in made.errors] == [
        ("dead", 5, "400, 422"), ("retry", 2, "408, 425, 5xx"),
    ]  # fmt: skip
    assert [one["origin"] for one in made.errors[0].samples] == ["4", "3", "2"]


def test_a_partner_s_answer_is_one_click_from_its_destination_and_masked(tmp_path: Path) -> None:
    loaded, mask = shop(tmp_path), Mask(["email"], [SECRET])
    seen = summary([record("dead", "errors.discarded.400", 1, samples=[SAMPLE])], "crm")
    page = html(DestinationPage(loaded, counts(), "crm", "delivery", SPAN, mask).shown(summary=seen))

    assert inert(page)
    assert re.search('<details class="error" data-row data-keep="[^"]+" open>', page)
    assert "the partner rejects the data" in page
    assert "bad ***" in page
    assert SECRET not in page
    assert "ada@example.com" not in page


def test_the_settings_say_of_a_secret_only_that_it_is_set(tmp_path: Path) -> None:
    text = settings_text(shop(tmp_path), "crm", Mask((), [SECRET]))

    assert SECRET not in text
    assert "https://crm.example/e" in text
    assert "- Order Completed" in text
    assert "secret: '***'" in text


def test_a_viewer_sees_what_may_be_done_but_cannot(tmp_path: Path) -> None:
    shown = DestinationPage(shop(tmp_path), counts(), "crm", "delivery", SPAN).shown(summary=DeliverySummary())

    assert 'data-opens="pause-dialog"' in html(shown)
    assert 'data-opens="pause-dialog"' not in html(shown, VIEWER)
    assert "Needs the role operator" in html(shown, VIEWER)


def test_dead_letters_are_listed_with_what_may_be_redriven(tmp_path: Path) -> None:
    letter = DeadLetter(
        "crm", 0, 7, 1_790_000_000_000, None, b"{}", (), HOSTILE, "deliver", 9, "dest.crm:0:1", "web", HOSTILE, "track",
        None, {"messageId": HOSTILE},
    )  # fmt: skip
    found = LetterList([LetterRow(letter, False), LetterRow(letter, True)], True, {HOSTILE: 1})
    page = html(DestinationPage(shop(tmp_path), counts(), "crm", "letters", SPAN).shown(letters=found))

    assert inert(page)
    assert "2 dead letters, 1 not redriven" in page
    assert re.search(r"<button[^>]* data-begins disabled", page)  # a dry run comes first
    assert 'data-opens="redrive"' in page
    viewer = DestinationPage(shop(tmp_path), counts(), "crm", "letters", SPAN).shown(letters=found)
    assert 'data-opens="redrive"' not in html(viewer, VIEWER)
    assert "It cannot tell repeats" in page or "It knows our key" in page or "written over" in page


def test_the_page_of_a_source_shows_no_write_key(tmp_path: Path) -> None:
    options = RunOptions(gateway=("127.0.0.1", 8080))
    page = html(source("web", shop(tmp_path).topology, options, counts(stopped={"web": {"plan": 3}}), SPAN))

    assert inert(page)
    assert KEY not in page
    assert "a-wr…" in page
    assert "3 × plan" in page
    assert "http://127.0.0.1:8080/v1/track" in page
    assert re.findall(r'id="tab-(\w+)"', page) == ["curl", "python", "node", "web", "kotlin", "swift"]
    assert "Show the write key" in page
    assert "Show the write key" not in html(source("web", shop(tmp_path).topology, options, counts(), SPAN), VIEWER)


def test_the_schema_of_a_source_counts_by_name_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    at = datetime(2026, 11, 27, 14, tzinfo=UTC)
    row = EventRow(
        source="web", type="track", event=HOSTILE, resolved=1_200, blocked=34, invalid=0, violations=7,
        people=People(estimate=900, error=0.016, since=at), first_seen=at, last_seen=at, trend=(0, 4, 2),
    )  # fmt: skip
    answer = EventsAnswer(
        period=Period(since=at, until=at, step=60, window="minute"), rows=(row,), total_rows=1,
        freshness=Freshness(now=at, counted_to=at, age_seconds=14, began=at, catching_up=True, skipped=0, outside=0),
        left_out=LeftOut(events=41_022, names="names beyond the bound"),
    )  # fmt: skip
    page = html(source("web", shop(tmp_path).topology, RunOptions(), counts(), SPAN, OverTime(answer)))

    assert inert(page)
    assert ">1,234<" in page
    assert "≈ 900" in page
    assert "Not by name: 41 k events. names beyond the bound" in page
    assert 'points="0.0,23.0 60.0,1.0 120.0,12.0"' in page
    assert "Counting is behind" in page


def test_without_insights_the_page_says_so_and_shows_the_rest(tmp_path: Path) -> None:
    page = html(
        source("web", shop(tmp_path).topology, RunOptions(), counts(), SPAN, OverTime(None, "insights is not running"))
    )

    assert "Events by name are not available: insights is not running" in page
    assert "Live events" in page


async def test_insights_that_are_away_are_an_answer_too() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        found = await ask(taken.getsockname(), "/v1/events", EventsAnswer, since="1h")

    assert found.answer is None
    assert "does not answer" in found.away
    assert "not running" in (await ask(None, "/v1/events", EventsAnswer)).away


def test_violations_are_shown_by_rule_and_field_with_samples(tmp_path: Path) -> None:
    at = datetime(2026, 11, 27, 14, tzinfo=UTC)
    sample = ViolationExample(message_id=HOSTILE, received_at="14:00", message="expected a number")
    row = ViolationRow(
        source="web", event=HOSTILE, rule="track", violation_class="violation", type="Type", path="/properties/total",
        count=12, allowed=2, blocked=10, first_seen=at, last_seen=at, trend=(1, 2), samples=(sample,),
    )  # fmt: skip
    answer = ViolationsAnswer(
        period=Period(since=at, until=at, step=60, window="minute"), rows=(row,), total_rows=1,
        freshness=Freshness(
            now=at, counted_to=None, age_seconds=None, began=at, catching_up=False, skipped=0, outside=0
        ),
        left_out=LeftOut(events=0, names=""),
    )  # fmt: skip
    page = html(plans(shop(tmp_path), counts(plans={"web": ("abc", "def")}), SPAN, OverTime(answer)))

    assert inert(page)
    assert "10 blocked, 2 let through" in page
    assert "/properties/total" in page
    assert "not yet the same on all workers" in page
    assert "not available: insights was not asked" in html(plans(shop(tmp_path), counts(), SPAN))


def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    shown = source("wbe", shop(tmp_path).topology, RunOptions(), counts(), SPAN)

    assert shown.status == 404
    assert 'href="/sources/web"' in html(shown)


def test_lists_have_every_source_and_destination(tmp_path: Path) -> None:
    topology = shop(tmp_path).topology

    assert 'href="/sources/web"' in html(sources(topology, counts(), SPAN))
    page = html(destinations(topology, counts(), SPAN))
    assert [f"/destinations/{name}" in page for name in ("crm", "ads", "off")] == [True] * 3
    assert "switched off" in page
    assert "partner down" in page


def test_a_story_tells_what_is_recorded_from_what_is_recomputed() -> None:
    steps = [
        StoryStep(1_000, "received", "received", HOSTILE),
        StoryStep(1_350, "crm", "filtered", "filtered: event", destination="crm", recomputed=True),
    ]
    story = EventStory("m1", "web", "track", HOSTILE, "u1", "", "p1", 1_000, steps)
    page = html(find(HOSTILE, "24h", Traced(HOSTILE, 0, [story], notes=[HOSTILE]), ""))

    assert inert(page)
    assert "+350 ms" in page
    assert "recomputed with the files in force now" in page
    assert "crm: filtered" in page


def test_what_is_not_found_is_said_with_what_was_looked_at() -> None:
    page = html(find("x1", "7d", Traced("x1", 0, notes=["nothing found since yesterday"]), ""))

    assert "No event with <em>x1</em> was found" in page
    assert "nothing found since yesterday" in page


def test_operations_show_kafka_s_side_and_say_when_it_is_away() -> None:
    deed = {"time": "now", "who": HOSTILE, "role": "operator", "action": "pause", "target": "crm", "outcome": "done"}
    kafka = KafkaSide(
        [TopicRow("events.raw", 12, 12, 40), TopicRow("shop.audit", 1, 0, 0)],
        [LagRow("shop.route", "events.raw", 3, 17), LagRow("shop.route", "events.raw", 4, 0)], [], [deed],
    )  # fmt: skip
    page = html(operations(counts(), kafka, ""))

    assert inert(page)
    assert "missing: router topics apply" in page
    assert page.count('<td data-label="Topic">events.raw</td>') == 1
    assert "Kafka does not answer: no broker" in html(operations(counts(), None, "no broker"))


def test_what_is_renewed_has_its_place_also_while_there_is_nothing_to_show() -> None:
    """An open page puts what is new where something stood: a part that is left out at first would never come."""
    lasting = ("tab", "not still", "person", "counts", "else")  # of the address and of who asks: the same at each look
    found = {}
    for path in CONSOLE.rglob("*.html"):
        for name, conditions in places(path.read_text()):
            found[path.name, name] = [one for one in conditions if not one.startswith(lasting)]

    assert len(found) > 30
    assert {place: conditions for place, conditions in found.items() if conditions} == {}


def places(template: str) -> Iterator[tuple[str, list[str]]]:
    """Parts that are renewed, each with the conditions it stands under; of a chain, that of its branch."""
    under: list[str] = []
    for tag in re.finditer(r'{%-?\s*(\w+)(.*?)-?%}|data-live="([^"]+)"', template):
        kind, condition, name = tag[1], (tag[2] or "").strip(), tag[3]
        if name:
            yield name, [one for one in under if one]
        elif kind in ("if", "for"):
            under.append(condition)
        elif kind in ("elif", "else"):
            under[-1] = condition or kind
        elif kind in ("endif", "endfor"):
            under.pop()


def test_keys_and_navigation_lead_to_every_section() -> None:
    page = html(find("", "24h", None, ""), ConsoleUser("v", "viewer"))

    assert re.findall(r'data-key="(\w)"', page) == ["o", "s", "d", "p", "u", "i", "w"]


def test_numbers_and_texts() -> None:
    assert [number(n) for n in (0, 9_999, 12_345, 4_512_000, None)] == ["0", "9,999", "12.3 k", "4.51 M", "–"]
    assert [number(n) for n in (999_499, 999_950, 999_999_999, 2.5e12)] == ["999 k", "1 M", "1 G", "2500 G"]
    assert [duration(s) for s in (0.035, 1.31, 240, 10_800, 864_000)] == ["35 ms", "1.3 s", "4 min", "3 h", "10 days"]
    assert [share(*pair) for pair in ((1, 0), (5, 5), (99_999, 100_000), (1, 3), (3, 100_000))] == [
        "–",
        "100 %",
        "99.99 %",
        "33.33 %",
        "0.01 %",
    ]
    assert visible("a\u202eb\x00c") == "a⟨U+202E⟩b⟨U+0000⟩c"
    assert visible("x" * 500, 80) == "x" * 39 + "…" + "x" * 39


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_turns_text_into_markup(path: Path) -> None:
    text = path.read_text("utf-8")

    assert [one for one in FORBIDDEN if one in text] == []
    if path.suffix == ".html":
        assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", text) == []
