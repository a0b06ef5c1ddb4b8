"""From records to a story: what `router trace` prints of each thing that can become of an event."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.loader import Loaded
from router.trace.records import FailedAttempt, GroupProgress
from router.trace.text import lines
from tests.trace.found import AT, ORDER, WEBHOOK, Found, message, topology

RECEIVED = "2026-01-01T00:00:00.000Z  received  events.raw:3:7"


@pytest.fixture
def shop(tmp_path: Path) -> Loaded:
    return topology(tmp_path, {"crm": WEBHOOK})


def test_an_event_that_was_delivered(shop: Loaded) -> None:
    found = Found(shop).resolved().routed("crm").committed("crm", 10).logged("crm", 0.3, "delivered", 210)

    assert found.lines() == [
        "track Order Completed  messageId m1  source web  user u1",
        RECEIVED,
        "+0.004 s  plan  no violation reported (beyond ten of the same in a second, only their number is)",
        "+0.004 s  profile  p_1",
        "+0.210 s  crm  delivered after 1 attempt, 210 ms after it was received, from dest.crm:1:9",
    ]
    assert found.story().states == {"crm": "delivered"}


def test_a_repeat_names_the_first(shop: Loaded) -> None:
    found = Found(shop).resolved()
    found.evidence.received.append(message("events.raw:3:11", 2, ORDER))

    assert "+2.000 s  received  events.raw:3:11, a repeat of events.raw:3:7: dropped" in found.lines()


def test_an_event_that_the_plan_blocks(shop: Loaded) -> None:
    found = Found(shop).seen(blocked=True)
    violations = '[{"class": "violation", "path": "/properties/total", "message": "expected a number, got a string"}]'
    found.evidence.blocked.append(
        message("events.blocked:3:2", 0.01, found.stored, source="web", violations=violations)
    )

    assert found.lines()[2:] == [
        "+0.010 s  plan  blocked: violation at /properties/total: expected a number, got a string; "
        "kept in events.blocked:3:2"
    ]


def test_violations_that_are_allowed(shop: Loaded) -> None:
    found = Found(shop).resolved()
    record = {"messageId": "m1", "class": "common", "path": "/context/ip", "message": "missing", "outcome": "allowed"}
    found.evidence.violations.append(message("events.violations:3:2", 0.01, record))

    assert "+0.004 s  plan  1 violation, allowed: common at /context/ip: missing" in found.lines()


def test_a_message_that_is_no_event(shop: Loaded) -> None:
    found = Found(shop, {"messageId": "m1", "type": "track"})
    headers = {"error_code": "no_event", "error_stage": "parse", "origin": "events.raw:3:7"}
    found.evidence.invalid.append(message("events.invalid:3:0", 0.01, found.body, **headers))
    found.evidence.route["events.raw", 3] = GroupProgress(8)

    assert found.lines()[1:] == [
        RECEIVED,
        "+0.010 s  decode  no_event: a track call without an `event` name; kept in events.invalid:3:0, "
        "received in events.raw:3:7",
    ]


def test_a_message_that_no_worker_has_read(shop: Loaded) -> None:
    found = Found(shop)
    found.evidence.route["events.raw", 3] = GroupProgress(2)

    assert found.lines()[1:] == [RECEIVED + ", waits for a route worker, 5 before it"]


def test_a_message_of_which_nothing_more_is_known(shop: Loaded) -> None:
    found = Found(shop)
    found.evidence.route["events.raw", 3] = GroupProgress(8)

    assert "a repeat of an event before --since, or what it wrote is gone" in found.lines()[1]


@pytest.mark.parametrize(
    ("config", "body", "said"),
    [
        ({"types": ["identify"]}, {}, "type: its call type is not in `types` (destinations.crm.types)"),
        (
            {"events": ["Signed Up"]}, {},
            "event: its name is not in `events`, or is in `except` (destinations.crm.events)",
        ),
        ({"sources": ["app"]}, {}, "source: it takes nothing from the source web (destinations.crm.sources)"),
        ({"enabled": False}, {}, "disabled: the destination is switched off (destinations.crm.enabled)"),
        ({}, {"integrations": {"crm": False}}, "integrations: its integrations object switches the destination off"),
        (
            {"filters": [{"if": f"properties.total {test}", "then": "drop"} for test in ("> 99", "< 10")]},
            {}, "filter: a filter drops it (destinations.crm.filters[1])",
        ),
        (
            {"filters": [{"then": {"sample": 0}}]}, {},
            "sample: it is not in the sample that a filter takes (destinations.crm.filters[0])",
        ),
        (
            {"consent": ["marketing"]}, {"context": {"consent": {"categoryPreferences": {"marketing": False}}}},
            "consent: the person has not agreed to a category that the destination needs (destinations.crm.consent)",
        ),
    ],
)  # fmt: skip
def test_an_event_that_a_rule_keeps_from_a_destination(
    tmp_path: Path, config: dict[str, object], body: dict[str, object], said: str
) -> None:
    """No record says it: the agents are asked again with today's files, and the line has a star."""
    found = Found(topology(tmp_path, {"crm": WEBHOOK | config}), ORDER | body).resolved()

    assert found.lines()[-2:] == [
        f"+0.004 s  crm  filtered: {said}*",
        "* recomputed with the files as they are now",
    ]


def test_an_event_that_todays_rules_would_send_but_was_not(shop: Loaded) -> None:
    assert (
        "  crm  not there: today's files would send it; those at the time did not" in Found(shop).resolved().lines()[-2]
    )


def test_an_event_that_waits(shop: Loaded) -> None:
    found = Found(shop).resolved().routed("crm").committed("crm", 4, 6)
    sample = FailedAttempt(AT + 60_000, "errors.awaiting-retry.503", "dest.crm:1:9", "503\nserver: x")
    found.evidence.destinations["crm"].attempts.append(sample)

    assert (
        found.lines()[-2:]
        == [
            "now  crm  waiting in dest.crm:1:9, 5 before it",
            "+60.000 s  crm  attempt failed: 503: 503",
        ][::-1]
    )


def test_an_event_under_retry_names_the_next_try(shop: Loaded) -> None:
    found = Found(shop).resolved().routed("crm").committed("crm", 10)
    headers = {"error_code": "503", "attempts": "2", "origin": "dest.crm:1:9", "retry_at": str(AT + 20_000)}
    found.evidence.destinations["crm"].retries.append(message("dest.crm.retry:1:0", 1, found.stored, **headers))

    assert found.lines()[-1] == (
        "+1.000 s  crm  under retry in dest.crm.retry:1:0 after 2 attempts, the last one: 503; "
        "next try at 2026-01-01T00:00:20.000Z"
    )
    found.evidence.destinations["crm"].retried[1] = GroupProgress(1)
    assert "final: " in found.lines()[-1]


def test_an_event_behind_one_that_is_under_retry(shop: Loaded) -> None:
    found = Found(shop).resolved().routed("crm").committed("crm", 10)
    headers = {"attempts": "0", "origin": "dest.crm:1:9", "retry_at": "0"}
    found.evidence.destinations["crm"].retries.append(message("dest.crm.retry:1:0", 1, found.stored, **headers))

    assert found.lines()[-1] == (
        "+1.000 s  crm  waits in dest.crm.retry:1:0 behind an earlier event of its profile, which is under retry"
    )


def test_a_dead_event_and_its_redrive(shop: Loaded) -> None:
    found = Found(shop).resolved().routed("crm").committed("crm", 10)
    found.dead("crm", 2, 0.2, "404", "404 Not Found\nno such list")

    (line,) = found.lines()[4:]
    assert line == (
        "+0.200 s  crm  dead after 1 attempt: 404: the address does not exist, or no longer; the partner's "
        "answer: 404 Not Found no such list; correct the URL or the resource's name in the topology, then redrive; "
        "kept in dest.crm.dead:1:2"
    )
    assert found.story().states == {"crm": "dead"}

    found.evidence.redriven.add("dest.crm.dead:1:2")
    found.routed("crm", 20, 600, redriven="dest.crm.dead:1:2").committed("crm", 21)
    found.logged("crm", 601, "delivered", None)
    assert found.lines()[4].endswith("no such list; it was redriven; kept in dest.crm.dead:1:2")
    assert found.lines()[5:] == [
        "+10.0 min  crm  redriven, from dest.crm.dead:1:2 to dest.crm:1:20",
        "+10.0 min  crm  delivered after 1 attempt, from dest.crm:1:20",
    ]
    assert found.story().states == {"crm": "delivered"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("mapping", "mapping: the destination's mapping does not send it (destinations.crm.map)"),
        ("cap", "cap: the person has had as many messages as it allows (destinations.crm.delivery.cap)"),
        ("transform", "transform: the destination's function gives nothing for it (destinations.crm.transform)"),
    ],
)
def test_an_event_that_delivery_keeps_back(shop: Loaded, code: str, said: str) -> None:
    found = Found(shop).resolved().routed("crm").committed("crm", 10).logged("crm", 0.3, "filtered", None, 0, code)

    assert found.lines()[-1] == f"+0.300 s  crm  not sent: {said}"
    assert found.story().states == {"crm": "filtered"}


def test_an_event_that_the_delivery_log_does_not_name(tmp_path: Path) -> None:
    found = Found(topology(tmp_path, {"crm": WEBHOOK | {"delivery": {"log": "none"}}}))
    found.resolved().routed("crm").committed("crm", 4, 9)

    assert found.lines()[-1].endswith("which does not name it (destinations.crm.delivery.log)")


def test_masked_values_are_left_out(shop: Loaded) -> None:
    body = ORDER | {"userId": "ada@example.com", "traits": {"email": "ada@example.com"}}
    found = Found(shop, body).resolved().routed("crm").committed("crm", 10)
    found.dead("crm", 2, 0.2, "400", "400 bad address ada@example.com")

    assert "ada@" in "\n".join(found.lines())
    assert "ada@" not in "\n".join(found.lines("email", "userId"))


def test_what_comes_from_outside_cannot_move_the_cursor(shop: Loaded) -> None:
    found = Found(shop, ORDER | {"event": "\x1b[2J[/red]"}).resolved().routed("crm").committed("crm", 10)
    found.dead("crm", 2, 0.2, "400", "\x1b[2J")

    assert "\x1b" not in "\n".join(found.lines())


def test_the_story_as_an_object(shop: Loaded) -> None:
    """What a program gets with --json."""
    answer = (
        Found(shop).resolved().routed("crm").committed("crm", 10).dead("crm", 2, 0.2, "404", "no").story().as_dict()
    )

    assert answer["destinations"] == {"crm": "dead"}
    assert {name: answer[name] for name in ("messageId", "source", "profileId", "received")} == {
        "messageId": "m1", "source": "web", "profileId": "p_1", "received": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip
    dead = answer["steps"][-1]
    assert (dead["time"], dead["state"], dead["code"], dead["answer"]) == (
        "2026-01-01T00:00:00.200Z",
        "dead",
        "404",
        "no",
    )
    assert (dead["place"], dead["recomputed"]) == ("dest.crm.dead:1:2", False)


def test_columns_are_as_wide_as_they_must_be(shop: Loaded) -> None:
    found = Found(shop).resolved().routed("crm").committed("crm", 10).logged("crm", 0.3, "delivered", 210)

    texts = [line.text for line in lines(found.story())][1:]
    assert texts[0] == "  2026-01-01T00:00:00.000Z  received  events.raw:3:7"
    assert texts[2] == "                  +0.004 s  profile   p_1"
