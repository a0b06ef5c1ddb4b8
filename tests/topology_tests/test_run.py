"""Cases run through the real agents: what each output holds, how time passes, how a mismatch is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from router.config.loader import Loaded, load_topology
from router.destinations.registry import destination_types
from router.topology_tests.case_router import CaseRouter
from router.topology_tests.cases import CaseFile, lint, read_tests
from router.topology_tests.run import CaseOutcome, run
from tests.config.topologies import write

TOPOLOGY = """\
name: t
default_source: web
sources:
  web:
    write_keys: [web-key]
    plan: plan
    enforce: {unplanned_event: block, unplanned_property: omit, violation: block, forward_blocked_to: quarantine}
  app: {write_keys: [app-key]}
  quarantine: {}
  off: {enabled: false}
destinations:
  crm: {sources: [web, app], types: [track, identify]}
  quarantined: {sources: [quarantine]}
  dark: {enabled: false}
defaults: {destination: {type: webhook, settings: {url: "https://example.com"}}}
"""
EVENT = """\
type: track
event: Order Completed
description: Paid
properties:
  type: object
  required: [total]
  properties: {total: {type: number}}
"""
ORDER = {"source": "web", "type": "track", "event": "Order Completed", "userId": "u1", "properties": {"total": 5}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "t.yaml", TOPOLOGY)
    write(tmp_path, "plan/plan.yaml", "name: shop\n")
    write(tmp_path, "plan/events/order-completed.yaml", EVENT)
    return tmp_path


def load(tests: CaseFile) -> Loaded:
    return load_topology(tests.topology, env={}, registry=destination_types(), placeholders=True)


def outcome(folder: Path, given: list[dict[str, Any]], expect: dict[str, Any], **case: Any) -> CaseOutcome:
    """The outcome of one case."""
    tests = {"tests": [{"name": "a case", "given": given, "expect": expect, **case}]}
    path = write(folder, "t.test.yaml", yaml.safe_dump(tests, sort_keys=False))
    read = read_tests(path)
    loaded = load(read)
    assert lint(read, loaded.topology.sources, loaded.topology.destinations) == []
    (only,) = run(read, loaded)
    return only


def mismatches(outcome: CaseOutcome) -> list[str]:
    return [f"{problem.path}: {problem.message}" for problem in outcome.problems]


def passes(folder: Path, given: list[dict[str, Any]], expect: dict[str, Any], **case: Any) -> None:
    """Assert that the case passes, and that expecting anything else of any of its outputs fails."""
    assert mismatches(outcome(folder, given, expect, **case)) == []
    for name, value in expect.items():
        other = value + 1 if isinstance(value, int) else [*value, {}]
        assert not outcome(folder, given, {name: other}, **case).passed


def test_an_event_reaches_the_clean_stream_and_its_destinations(folder: Path) -> None:
    passes(
        folder,
        [ORDER],
        {
            "resolved": [{"event": "Order Completed", "receivedAt": "2026-01-01T00:00:00.000Z"}],
            "crm": [{"userId": "u1", "properties": {"total": 5}}],
            "quarantined": [],
            "dark": [],
            "blocked": [],
            "invalid": [],
            "violations": [],
            "duplicates": 0,
        },
    )


def test_a_repeat_within_the_window_is_a_duplicate_and_a_later_one_is_not(folder: Path) -> None:
    order = {**ORDER, "messageId": "m1"}

    passes(
        folder,
        [order, {**order, "at": "2026-01-01T23:59:59Z"}, {**order, "at": "2026-01-02T00:00:00Z"}],
        {"crm": [{"messageId": "m1"}, {"receivedAt": "2026-01-02T00:00:00.000Z"}], "duplicates": 1},
    )


def test_time_passes_by_a_second_an_event_from_now_and_from_at(folder: Path) -> None:
    passes(
        folder,
        [ORDER, ORDER, {**ORDER, "at": "2026-03-01T10:00:00+02:00"}, ORDER],
        {
            "resolved": [
                {"receivedAt": "2025-12-31T23:00:00.000Z"},
                {"receivedAt": "2025-12-31T23:00:01.000Z"},
                {"receivedAt": "2026-03-01T08:00:00.000Z"},
                {"receivedAt": "2026-03-01T08:00:01.000Z"},
            ]
        },
        now="2025-12-31T23:00:00Z",
    )


def test_a_blocked_event_comes_out_whole_with_its_violations_and_is_forwarded(folder: Path) -> None:
    passes(
        folder,
        [{**ORDER, "properties": {"total": "much", "extra": 1}}],
        {
            "resolved": 1,
            "crm": [],
            "quarantined": [{"event": "Order Completed", "properties": {"total": "much", "extra": 1}}],
            "blocked": [{"source": "web", "properties": {"total": "much"}}],
            "violations": 2,
        },
    )


def test_an_omitted_property_does_not_reach_a_destination(folder: Path) -> None:
    passes(
        folder,
        [{**ORDER, "properties": {"total": 5, "extra": 1}}],
        {
            "crm": [{"properties": {"total": 5, "extra": None}}],
            "violations": [{"class": "unplanned_property", "path": "/properties/extra", "source": "web"}],
            "blocked": [],
        },
    )


def test_what_is_no_event_comes_out_with_its_reason(folder: Path) -> None:
    passes(
        folder,
        [
            {"source": "web", "raw": '{"type": "track"'},
            {"source": "web", "raw": ""},
            {"source": "web", "type": "trak", "userId": "u1"},
            {"source": "off", "type": "track", "event": "E", "userId": "u1"},
            {"source": "app", "raw": '{"type":"track","event":"E","userId":"u"}\n{"type":"nope","userId":"u"}\n'},
        ],
        {
            "invalid": [
                {"reason": "not_json", "raw": '{"type": "track"'},
                {"reason": "empty"},
                {"reason": "unknown_type", "type": "trak", "source": "web"},
                {"reason": "source_disabled", "event": "E"},
                {"reason": "unknown_type", "type": "nope", "source": "app"},
            ],
            "resolved": [{"event": "E"}],
        },
    )


def test_what_is_of_another_environment_sends_and_gets_nothing(folder: Path) -> None:
    text = TOPOLOGY.replace(
        "  app: {write_keys: [app-key]}", "  app: {write_keys: [app-key], labels: {environment: qa}}"
    )
    text = text.replace("  dark: {enabled: false}", "  sandbox: {types: [page], labels: {environment: qa}}")
    write(folder, "t.yaml", text + "environment: prod\n")
    event = {"type": "track", "event": "Anything", "userId": "u1"}

    passes(
        folder,
        [ORDER, {**event, "writeKey": "app-key"}, {**event, "source": "app"}],
        {
            "crm": [{"event": "Order Completed"}],
            "sandbox": [],
            "invalid": [{"reason": "other_environment", "source": "app"}, {"reason": "other_environment"}],
            "filtered": [{"destination": "sandbox", "reason": "environment", "count": 1}],
        },
    )


def test_without_a_source_the_write_key_decides_and_then_the_default_source(folder: Path) -> None:
    event = {"type": "track", "event": "Anything", "userId": "u1"}

    passes(
        folder,
        [{**event, "writeKey": "app-key"}, {**event, "writeKey": "none"}, event],
        {"invalid": [{"reason": "unknown_source"}], "blocked": [{"source": "web"}], "resolved": 2},
    )


def test_a_batch_body_is_its_events(folder: Path) -> None:
    items = [{"type": "page", "userId": "u1"}, {"type": "track", "event": "E", "userId": "u1"}, {"type": "x"}]

    passes(folder, [{"source": "app", "batch": items}], {"resolved": 2, "crm": [{"event": "E"}], "invalid": 1})


def test_what_a_destination_does_not_get_is_told_with_the_reason(folder: Path) -> None:
    page = {"source": "app", "type": "page", "userId": "u1"}

    passes(
        folder,
        [page, {**page, "type": "track", "event": "E", "integrations": {"All": False}}],
        {
            "filtered": [
                {"destination": "crm", "reason": "integrations", "count": 1},
                {"destination": "crm", "reason": "type", "count": 1},
            ]
        },
    )


def test_a_visitor_who_logs_in_keeps_one_profile(folder: Path) -> None:
    track = {"source": "app", "type": "track", "event": "E", "anonymousId": "a1"}
    given = [
        track,
        {"source": "app", "type": "identify", "anonymousId": "a1", "userId": "u1"},
        track,
        {"source": "app", "type": "track", "event": "E", "userId": "u1"},
    ]
    path = write(folder, "t.test.yaml", yaml.safe_dump({"tests": [{"name": "n", "given": given, "expect": {}}]}))

    read = read_tests(path)
    outputs = CaseRouter(load(read)).outputs(read.cases.tests[0])

    profiles = [event["profileId"] for event in outputs["crm"]]
    assert len(set(profiles[1:])) == 1
    assert outputs["merges"]


def test_each_case_starts_from_nothing(folder: Path) -> None:
    case = {"name": "a", "given": [{**ORDER, "messageId": "m1"}], "expect": {"crm": 1, "duplicates": 0}}
    path = write(folder, "t.test.yaml", yaml.safe_dump({"tests": [case, {**case, "name": "b"}]}))
    read = read_tests(path)

    assert [outcome.passed for outcome in run(read, load(read))] == [True, True]


def test_a_mismatch_is_told_by_its_place_with_both_lists(folder: Path) -> None:
    write(
        folder,
        "t.test.yaml",
        """\
        tests:
          - name: totals
            given: [{source: web, type: track, event: Order Completed, userId: u1, properties: {total: 5}}]
            expect:
              crm: [{event: Order Completed, properties: {total: 6}}]
              duplicates: 1
              blocked: [{}]
        """,
    )
    read = read_tests(folder / "t.test.yaml")

    (only,) = run(read, load(read))

    assert [str(problem).replace(f"{folder}/", "") for problem in only.problems] == [
        "t.test.yaml:5:58: tests[0].expect.crm[0].properties.total: expected 6, got 5",
        "t.test.yaml:6:19: tests[0].expect.duplicates: expected 1, got 0",
        "t.test.yaml:7:16: tests[0].expect.blocked: expected 1 item, got 0",
    ]
    assert (only.line, only.passed) == (2, False)
    assert "-    total: 6\n+    total: 5" in only.differences[0]
