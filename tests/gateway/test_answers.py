"""Answers: a documented status for every outcome, in one form, that repeats nothing of the request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.events.event import REASONS
from router.gateway.answers import FAULTS, Fault, accepted, all_refused, refused


def body(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


@pytest.mark.parametrize("code", sorted({*FAULTS, *REASONS}))
def test_every_code_has_a_status_and_words(code: str) -> None:
    """A client can rely on `error.code` and `error.message` for any refusal."""
    answer = refused(code)
    assert 400 <= answer.status < 600
    assert body(answer)["error"]["code"] == code
    assert len(body(answer)["error"]["message"]) > 5


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("not_json", 400),
        ("no_id", 400),
        ("bad_gzip", 400),
        ("no_write_key", 401),
        ("unknown_write_key", 401),
        ("other_environment", 403),
        ("source_disabled", 404),
        ("not_found", 404),
        ("method_not_allowed", 405),
        ("body_timeout", 408),
        ("too_large", 413),
        ("body_too_large", 413),
        ("inflated_too_large", 413),
        ("unsupported_encoding", 415),
        ("rate_limited", 429),
        ("head_too_large", 431),
        ("broker_unavailable", 503),
        ("not_acknowledged", 503),
        ("overloaded", 503),
        ("no_room", 503),
    ],
)
def test_the_documented_statuses(code: str, status: int) -> None:
    assert refused(code).status == status


def test_an_item_is_named_by_index_and_path() -> None:
    error = body(refused("message_id_too_long", item=3))["error"]
    assert (error["item"], error["path"]) == (3, "/batch/3/messageId")
    assert body(refused("message_id_too_long"))["error"]["path"] == "/messageId"


def test_a_partly_accepted_batch_is_a_success_that_names_what_was_refused() -> None:
    """SDKs throw a batch away on 400 and repeat it on 503: only 200 loses nothing and repeats nothing."""
    answer = accepted(2, [Fault("no_id", 1)])
    assert answer.status == 200
    found = body(answer)
    assert (found["success"], found["accepted"]) == (True, 2)
    assert [(item["item"], item["code"], item["path"]) for item in found["rejected"]] == [
        (1, "no_id", "/batch/1/userId")
    ]


def test_a_fully_accepted_request_has_the_same_form() -> None:
    assert body(accepted(1)) == {"success": True, "accepted": 1, "rejected": []}


def test_a_fully_refused_batch_has_the_status_its_items_share() -> None:
    assert all_refused([Fault("too_large", 0), Fault("too_large", 1)]).status == 413
    assert all_refused([Fault("unknown_write_key", 0)]).status == 401
    mixed = all_refused([Fault("too_large", 0), Fault("no_id", 1)])
    assert mixed.status == 400
    assert body(mixed)["error"]["item"] == 0
    assert len(body(mixed)["rejected"]) == 2


@pytest.mark.parametrize(("wait", "told"), [(0, 0), (0.01, 1), (1.0, 1), (1.2, 2)])
def test_the_time_to_wait_is_told_in_whole_seconds_rounded_up(wait: float, told: int) -> None:
    assert refused("rate_limited", retry_after=wait).retry_after == told
