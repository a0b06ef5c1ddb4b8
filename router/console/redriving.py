"""The action `redrive`: dead letters of a destination once more, or a count of what would be sent; and its Stop."""

from __future__ import annotations

import re
import time
from collections.abc import Container, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

from router.agents.table import REASONS
from router.console.audit import Deed
from router.console.jobs import Job
from router.console.rates import given_rate
from router.console.sight import Sight
from router.embedded.broker import recognised
from router.embedded.capacity import capacity_of, destination_topics
from router.errors import UsageError
from router.kafka.admin import Admin, Watermarks
from router.replay.current_rules import CurrentRules
from router.replay.dead_letters import DeadLetter, Place, ends, letters
from router.replay.redrive import SKIPPED, Pace, Redrive, RedriveCounts
from router.replay.redrive_log import RedriveLog
from router.replay.redrive_writer import open_writer

KIND = "redrive"
RATE, FASTEST = 50, 10_000
MOST_CHOSEN = 2_000
_PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,18})\Z")
_WORDS = REASONS | SKIPPED | {"redriven": "redriven before"}  # there is no option here


def redrive(sight: Sight, deed: Deed, values: Mapping[str, Any]) -> str | None:
    """`code` chooses a reason, `rate` is events a second, `stay: dry` only counts. As `router dlq redrive` does it.

    `place` chooses letters by partition:offset, one or a list; without, all that wait are meant.
    None: it goes on as a job, which says at its end what was done. kill -9 leaves what was sent in the log of redrives:
    the same action goes on where it was.
    """
    rate, name = given_rate(values, FASTEST) or RATE, deed.target
    wanted = WantedLetters(str(values.get("code") or ""), chosen_places(values.get("place")))
    if values.get("stay") == "dry":
        counts = _run(sight, Job(KIND, name, deed), wanted, rate, dry=True)
        seconds = counts.sent / rate
        return (
            f"Would send {counts.sent:,}{wanted.words} to {name}, at {rate} a second in {seconds:.0f} s.{_left(counts)}"
        )
    bounds = ends(Admin(sight.cluster), sight.topics.dead(name))
    whole = len(wanted.places) or sum(at.high - at.low for at in bounds.values())
    sight.jobs.start(KIND, name, deed, lambda job: _redriven(sight, job, wanted, rate), whole)
    return None


class WantedLetters(NamedTuple):
    """Those of a reason code, and of these places (partition, offset); empty means all."""

    code: str = ""
    places: frozenset[tuple[int, int]] = frozenset()

    @property
    def words(self) -> str:
        return f" of {len(self.places):,} chosen" if self.places else ""

    def within(self, bounds: Mapping[int, Watermarks]) -> Mapping[int, Watermarks]:
        """Where they lie: what is outside need not be read."""
        if not self.places:
            return bounds
        found = {}
        for number, at in bounds.items():
            own = [offset for partition, offset in self.places if partition == number and at.low <= offset < at.high]
            if own:
                found[number] = Watermarks(min(own), max(own) + 1)
        return found

    def wants(self, letter: DeadLetter) -> bool:
        chosen = not self.places or (letter.partition, letter.offset) in self.places
        return chosen and (not self.code or letter.code == self.code)


def chosen_places(given: object) -> frozenset[tuple[int, int]]:
    """Raises UsageError for a place that is none."""
    texts = [given] if isinstance(given, str) and given else given or []
    if not isinstance(texts, list) or len(texts) > MOST_CHOSEN:
        raise UsageError(f"place: expected at most {MOST_CHOSEN:,} texts partition:offset")
    found = [_PLACE.match(text) if isinstance(text, str) else None for text in texts]
    if not all(found):
        raise UsageError("place: expected partition:offset of a dead letter, such as 0:17")
    return frozenset((int(one[1]), int(one[2])) for one in found if one)


def stop_redrive(sight: Sight, deed: Deed, _: Mapping[str, Any]) -> str:
    """What is under way is sent; the rest stays."""
    sight.jobs.stop(KIND, deed.target)
    return f"The redrive of {deed.target} stops after what is under way."


def _redriven(sight: Sight, job: Job, wanted: WantedLetters, rate: int) -> str:
    counts = _run(sight, job, wanted, rate, dry=False)
    ended = "Stopped: " if job.asked_to_stop.is_set() else ""
    return f"{ended}{counts.sent:,}{wanted.words} sent to {job.target} once more.{_left(counts)}"


def _left(counts: RedriveCounts) -> str:
    return "".join(f" {number:,} left: {_WORDS.get(why, why)}." for why, number in counts.skipped.most_common())


def _run(sight: Sight, job: Job, wanted: WantedLetters, rate: int, *, dry: bool) -> RedriveCounts:
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
        found = letters(cluster, name, dead, wanted.within(ends(Admin(cluster), dead)))
        return one.run(filter(wanted.wants, found), job.advance)
