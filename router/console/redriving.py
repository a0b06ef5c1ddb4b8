"""The action `redrive`: dead letters of a destination once more, or a count of what would be sent."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping
from contextlib import ExitStack
from typing import Any

from router.agents.table import REASONS
from router.console.audit import Deed
from router.console.sight import Sight
from router.embedded.broker import recognised
from router.embedded.capacity import capacity_of, destination_topics
from router.errors import UsageError
from router.kafka.admin import Admin
from router.replay.current_rules import CurrentRules
from router.replay.dead_letters import Place, ends, letters
from router.replay.redrive import SKIPPED, Pace, Redrive, RedriveCounts
from router.replay.redrive_log import RedriveLog
from router.replay.redrive_writer import open_writer

RATE, FASTEST = 50, 10_000
_WORDS = REASONS | SKIPPED


def redrive(sight: Sight, deed: Deed, values: Mapping[str, Any]) -> str:
    """`code` chooses a reason, `rate` is events a second, `stay: dry` only counts. As `router dlq redrive` does it.

    kill -9 leaves what was sent in the log of redrives: the same action goes on where it was.
    """
    rate, code, dry = _rate(values), str(values.get("code") or ""), values.get("stay") == "dry"
    counts = _run(sight, deed.target, code, rate, dry=dry)
    left = "".join(f" {number:,} left: {_WORDS.get(why, why)}." for why, number in counts.skipped.most_common())
    if dry:
        return f"Would send {counts.sent:,} to {deed.target}, at {rate} a second in {counts.sent / rate:.0f} s.{left}"
    return f"{counts.sent:,} sent to {deed.target} once more.{left}"


def _rate(values: Mapping[str, Any]) -> int:
    text = str(values.get("rate") or RATE)
    if not text.isdecimal() or not 1 <= int(text) <= FASTEST:
        raise UsageError(f"expected a rate from 1 to {FASTEST:,} events a second, got {text[:20]!r}")
    return int(text)


def _run(sight: Sight, name: str, code: str, rate: int, *, dry: bool) -> RedriveCounts:
    """Raises Fenced when another redrive of this topology has begun."""
    loaded, topics, cluster = sight.loaded, sight.topics, recognised(sight.cluster)
    dead = topics.dead(name)
    with ExitStack() as stack:
        writer = None
        if not dry:  # opened before the log of redrives is read: it ends a redrive that still runs
            capacity = stack.enter_context(capacity_of(cluster, loaded.topology, destination_topics))
            writer = open_writer(cluster, topics.redrive_transactions, capacity)
            stack.callback(writer.close)
        redrives = RedriveLog(cluster, topics.redrives, {name: dead})
        done: Container[Place] = redrives.read()
        rules = CurrentRules(loaded, name)
        one = Redrive(
            topics, redrives, writer, done, lambda letter: rules.judge(letter.value or b"", letter.source),
            Pace(rate, time.monotonic, time.sleep), lambda: False,
        )  # fmt: skip
        found = letters(cluster, name, dead, ends(Admin(cluster), dead))
        return one.run(letter for letter in found if not code or letter.code == code)
