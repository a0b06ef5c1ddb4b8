"""How old the oldest dead letter is, as Kafka has it: redriven ones wait no longer, whoever looks."""

from __future__ import annotations

from dataclasses import replace

from router.delivery.dead_ages import DeadLetterAges
from router.replay.dead_letters import DeadLetter
from router.replay.redrive_log import RedriveLog
from tests.delivery.conftest import Staging
from tests.delivery.stage import Stage
from tests.replay.test_dead_letters import LETTER

FIRST, SECOND, THIRD = 1_767_225_600, 1_767_225_700, 1_767_225_800  # seconds since 1970
NAMES = ("crm", "mail")
WEBHOOK = {"type": "webhook", "settings": {"url": "https://crm.example/e"}}


def ages(one: Stage) -> DeadLetterAges:
    return DeadLetterAges(one.cluster, one.topics, lambda: NAMES, lambda since: None)


def die(one: Stage, at: int) -> None:
    one.produce(one.topics.dead("crm"), b"{}", b"one key, so one partition", None, at=at * 1000)
    one.flush()


def letters(one: Stage) -> list[DeadLetter]:
    found = one.read(one.topics.dead("crm"))
    return [replace(LETTER, partition=message.partition() or 0, offset=message.offset() or 0) for message in found]


def redrive(one: Stage, *redriven: DeadLetter) -> None:
    """What `router dlq redrive` writes into its log."""
    log = RedriveLog(one.cluster, one.topics.redrives, {"crm": one.topics.dead("crm")})
    for topic, value, key, headers in log.records(redriven):
        one.produce(topic, value, key, headers)
    one.flush()


def test_the_oldest_dead_letter_is_the_first_that_was_not_redriven(embedded_stage: Staging) -> None:
    one = embedded_stage({"crm": WEBHOOK, "mail": WEBHOOK})
    follower = ages(one)
    assert follower.look(NAMES) == {"crm": None, "mail": None}

    die(one, FIRST)
    die(one, SECOND)
    assert follower.look(NAMES) == {"crm": FIRST, "mail": None}

    first, second = letters(one)
    redrive(one, first)
    assert follower.look(NAMES) == ages(one).look(NAMES) == {"crm": SECOND, "mail": None}

    redrive(one, second)
    assert follower.look(NAMES) == ages(one).look(NAMES) == {"crm": None, "mail": None}

    die(one, THIRD)
    assert follower.look(NAMES) == ages(one).look(NAMES) == {"crm": THIRD, "mail": None}
    assert follower.look(["mail"]) == {"mail": None}
