"""The action `redrive`: dead letters of a destination once more, or a count of what would be sent; and its Stop."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping
from contextlib import ExitStack
from typing import Any

from router.agents.table import REASONS
from router.console.audit import Deed
from router.console.jobs import Job
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

KIND = "redrive"
RATE, FASTEST = 50, 10_000
_WORDS = REASONS | SKIPPED


def redrive(sight: Sight, deed: Deed, values: Mapping[str, Any]) -> str | None:
    """`code` chooses a reason, `rate` is events a second, `stay: dry` only counts. As `router dlq redrive` does it.

    None: it goes on as a job, which says at its end what was done. kill -9 leaves what was sent in the log of redrives:
    the same action goes on where it was.
    """
    rate, code, name = _rate(values), str(values.get("code") or ""), deed.target
    if values.get("stay") == "dry":
        counts = _run(sight, Job(KIND, name, deed), code, rate, dry=True)
        return f"Would send {counts.sent:,} to {name}, at {rate} a second in {counts.sent / rate:.0f} s.{_left(counts)}"
    dead = sight.topics.dead(name)
    whole = sum(at.high - at.low for at in ends(Admin(sight.cluster), dead).values())
    sight.jobs.start(KIND, name, deed, lambda job: _redriven(sight, job, code, rate), whole)
    return None


def stop_redrive(sight: Sight, deed: Deed, _: Mapping[str, Any]) -> str:
    """What is under way is sent; the rest stays."""
    sight.jobs.stop(KIND, deed.target)
    return f"The redrive of {deed.target} stops after what is under way."


def _redriven(sight: Sight, job: Job, code: str, rate: int) -> str:
    counts = _run(sight, job, code, rate, dry=False)
    ended = "Stopped: " if job.asked_to_stop.is_set() else ""
    return f"{ended}{counts.sent:,} sent to {job.target} once more.{_left(counts)}"


def _left(counts: RedriveCounts) -> str:
    return "".join(f" {number:,} left: {_WORDS.get(why, why)}." for why, number in counts.skipped.most_common())


def _rate(values: Mapping[str, Any]) -> int:
    text = str(values.get("rate") or RATE)
    if not text.isdecimal() or not 1 <= int(text) <= FASTEST:
        raise UsageError(f"expected a rate from 1 to {FASTEST:,} events a second, got {text[:20]!r}")
    return int(text)


def _run(sight: Sight, job: Job, code: str, rate: int, *, dry: bool) -> RedriveCounts:
    """Raises Fenced when another redrive of this topology has begun."""
    name, stop = job.target, job.asked_to_stop
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
            Pace(rate, time.monotonic, stop.wait), stop.is_set,
        )  # fmt: skip
        found = letters(cluster, name, dead, ends(Admin(cluster), dead))
        return one.run((letter for letter in found if not code or letter.code == code), job.advance)
