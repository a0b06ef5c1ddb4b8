"""Reading dead letters: each is read whatever it holds, grouped, selected, and its reason said in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UsageError
from router.fql import compile_query
from router.replay.dead_letters import DeadLetter, grouped
from router.replay.reasons import REASONS, page, reason_of
from router.replay.selection import Selection, moment, selection

RUNBOOK = Path(__file__).parents[2] / "ops" / "runbook.md"
NOW = 1_767_225_600_000
LETTER = DeadLetter(
    "crm", 0, 7, NOW, b"p1", b"{}", (), "400", "deliver", 1, "dest.crm:0:3", "web", "Order Completed", "track", None,
    {"messageId": "m1", "properties": {"total": 5}},
)  # fmt: skip


def test_groups_have_count_times_and_the_latest_as_sample() -> None:
    found = [
        replace(LETTER, time=NOW + 5, body={"messageId": "late"}),
        replace(LETTER, time=NOW - 5),
        replace(LETTER, code="ETIMEDOUT"),
        replace(LETTER, destination="ads"),
    ]
    groups = grouped(found)
    assert [(group.destination, group.code, group.count) for group in groups] == [
        ("ads", "400", 1), ("crm", "400", 2), ("crm", "ETIMEDOUT", 1),
    ]  # fmt: skip
    assert (groups[1].first, groups[1].last, groups[1].sample.message_id) == (NOW - 5, NOW + 5, "late")


@pytest.mark.parametrize(
    ("chosen", "matches"),
    [
        (Selection(), True),
        (Selection(reasons={"400"}, events={"Order Completed"}, sources={"web"}, ids={"m1"}), True),
        (Selection(reasons={"401"}), False),
        (Selection(events={"order completed"}), False),
        (Selection(sources={"app"}), False),
        (Selection(ids={"m2"}), False),
        (Selection(since=NOW), True),
        (Selection(since=NOW + 1), False),
        (Selection(until=NOW), False),
        (Selection(until=NOW + 1), True),
        (Selection(where=compile_query("properties.total > 4")), True),
        (Selection(where=compile_query("properties.total > 5")), False),
    ],
)
def test_a_selection_takes_what_meets_all_of_it(chosen: Selection, matches: bool) -> None:
    assert chosen.matches(LETTER) is matches


def test_what_is_no_event_meets_no_condition() -> None:
    assert not Selection(where=compile_query("type != 'x'")).matches(replace(LETTER, body=None))


def test_times_are_moments_or_ages() -> None:
    assert moment("", "--since", NOW) is None
    assert moment("now", "--since", NOW) == NOW
    assert moment("1h", "--since", NOW) == NOW - 3_600_000
    assert moment("2025-12-31T23:00:00Z", "--since", NOW) == NOW - 3_600_000
    with pytest.raises(UsageError, match=r"--since: expected a time .* got yesterday"):
        moment("yesterday", "--since", NOW)


@pytest.mark.parametrize(
    ("since", "until", "where", "words"),
    [("now", "1h", "", "--since before --until"), ("", "", "total >", "--where: ")],
)
def test_a_selection_that_cannot_be_is_wrong_usage(since: str, until: str, where: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        selection(reasons=(), events=(), sources=(), ids=(), since=since, until=until, where=where, now=NOW)


@pytest.mark.parametrize(
    ("code", "codes"),
    [
        ("400", "400, 422"), ("403", "401, 403"), ("418", "other 4xx"), ("503", "408, 425, 5xx"), ("429", "429"),
        ("ECONNRESET", "ECONNREFUSED, ECONNRESET, ECONNABORTED, EHOSTUNREACH, ENETUNREACH, EPIPE, ETIMEDOUT"),
        ("ENOSPC", "other E…"), ("EINTERNAL", "EINTERNAL"), ("MAPPING_FAILED", "MAPPING_FAILED"),
        ("NO_EMAIL", "any other"), ("", "any other"), ("40", "any other"),
    ],
)  # fmt: skip
def test_a_code_has_its_reason(code: str, codes: str) -> None:
    assert reason_of(code).codes == codes


@given(st.text())
def test_any_code_has_a_reason(code: str) -> None:
    assert reason_of(code) in REASONS


def test_the_runbook_has_the_table_of_reasons() -> None:
    assert page() in RUNBOOK.read_text(encoding="utf-8")
