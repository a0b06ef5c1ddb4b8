"""What became of an event at one destination: waiting, tried, delivered, kept back, dead, sent again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from router.config.models import Topology
from router.events.times import iso, milliseconds
from router.replay.reasons import reason_of
from router.trace.records import DestinationRecords, GroupProgress, LoggedEvent, Sighting
from router.trace.step import StoryStep

_OUTCOMES = {
    "delivered": "delivered",
    "unconfirmed": "taken by the partner, which did not say what it made of it",
}
_KEPT_BACK = {
    "cap": ("delivery.cap", "the person has had as many messages as it allows"),
    "transform": ("transform", "the destination's function gives nothing for it"),
}
_MOST_ATTEMPTS = 3


def journey(
    name: str, message_id: str, routed: Sequence[Sighting], found: DestinationRecords, redriven: Collection[str],
    topology: Topology,
) -> Iterator[StoryStep]:  # fmt: skip
    """Every time the event came to the destination's topic, the first one and redriven ones, and how that ended."""
    logged = sorted((one for one in found.logged if one.message_id == message_id), key=lambda one: one.time)
    for one in routed:
        again = one.headers.get("redriven", "")
        words = f"redriven, from {again} to {one.place}" if again else f"routed to {one.place}"
        yield StoryStep(
            one.time, name, "redriven" if again else "routed", words, destination=name, place=str(one.place)
        )
        yield from _attempts(name, one, found)
        dead = [letter for letter in found.dead if letter.headers.get("origin") == str(one.place)]
        put_off = _put_off(one, found)
        if dead:
            yield from (_dead(name, letter, redriven) for letter in dead)
        elif put_off is not None:
            yield _under_retry(name, put_off)
        elif not found.progress.get(one.place.partition, GroupProgress(0)).passed(one.place.offset):
            yield _waiting(name, one, found, topology)
        else:
            yield _final(name, message_id, one, logged, topology)


def _attempts(name: str, one: Sighting, found: DestinationRecords) -> Iterator[StoryStep]:
    """The latest failed attempts that the delivery log has samples of."""
    failed = [
        attempt for attempt in found.attempts if attempt.origin == str(one.place) and "discarded" not in attempt.code
    ]
    for attempt in sorted(failed, key=lambda each: each.time)[-_MOST_ATTEMPTS:]:
        said = f": {attempt.response.splitlines()[0]}" if attempt.response else ""
        code = attempt.code.rpartition(".")[2]
        words = f"attempt failed: {code}{said}"
        yield StoryStep(attempt.time, name, "retry", words, destination=name, details={"code": code})


def _put_off(one: Sighting, found: DestinationRecords) -> Sighting | None:
    """The latest message of the retry topic about it that has not had its turn."""
    about = [
        each
        for each in found.retries
        if each.headers.get("origin") == str(one.place)
        and not found.retried.get(each.place.partition, GroupProgress(0)).passed(each.place.offset)
    ]
    return max(about, key=lambda each: each.place.offset, default=None)


def _under_retry(name: str, one: Sighting) -> StoryStep:
    code, attempts, due = (one.headers.get(key, "") for key in ("error-code", "attempts", "retry-at"))
    at = int(due) if due.isascii() and due.isdigit() else 0
    if attempts in ("", "0"):
        words = f"waits in {one.place} behind an earlier event of its profile, which is under retry"
        return StoryStep(one.time, name, "retrying", words, destination=name, place=str(one.place))
    when = f"; next try at {iso(at)}" if at else "; due at once"
    words = f"under retry in {one.place} after {_counted(attempts)}, the last one: {code}{when}"
    details = {"code": code, "next": iso(at)} if at else {"code": code}
    return StoryStep(one.time, name, "retrying", words, destination=name, place=str(one.place), details=details)


def _dead(name: str, letter: Sighting, redriven: Collection[str]) -> StoryStep:
    code, place = letter.headers.get("error-code", ""), str(letter.place)
    reason, answer = reason_of(code), letter.headers.get("partner-answer", "")
    said = f"; the partner's answer: {' '.join(answer.split())}" if answer else ""
    todo = "it was redriven" if place in redriven else reason.advice
    attempts = _counted(letter.headers.get("attempts", "0"))
    words = f"dead after {attempts}: {code}: {reason.words}{said}; {todo}; kept in {place}"
    details = {"code": code, "means": reason.words, "do": reason.advice, "answer": answer}
    return StoryStep(letter.time, name, "dead", words, destination=name, place=place, details=details)


def _waiting(name: str, one: Sighting, found: DestinationRecords, topology: Topology) -> StoryStep:
    progress = found.progress.get(one.place.partition)
    before = one.place.offset - (progress.offset if progress is not None else 0)
    config = topology.destinations.get(name)
    off = "; the destination is switched off" if config is not None and not config.enabled else ""
    never = "; nothing of its partition has been delivered yet" if progress is None else ""
    words = f"waiting in {one.place}, {before} before it{off}{never}"
    return StoryStep(None, name, "waiting", words, destination=name, place=str(one.place), details={"before": before})


def _final(name: str, message_id: str, one: Sighting, logged: list[LoggedEvent], topology: Topology) -> StoryStep:
    """What the delivery log says, else why it says nothing. The first entry that is not before it is about it."""
    entry = next((each for each in logged if each.time >= one.time - 1_000), None)
    if entry is None:
        log = topology.destinations[name].delivery.log
        why = (
            "which has no record of it"
            if log.names(message_id)
            else f"which does not name it (destinations.{name}.delivery.log)"
        )
        words = f"final: delivered, or kept back by the mapping; only the delivery log says which and when, {why}"
        return StoryStep(None, name, "final", words, destination=name)
    logged.remove(entry)
    details = {"attempts": entry.attempts, "ms": entry.ms}
    if entry.outcome == "filtered":
        key, said = _KEPT_BACK.get(entry.code, ("map", "the destination's mapping does not send it"))
        rule = f"destinations.{name}.{key}"
        words = f"not sent: {entry.code or 'mapping'}: {said} ({rule})"
        return StoryStep(entry.time, name, "filtered", words, destination=name, rule=rule, details=details)
    body = one.body_of(message_id) or {}
    received = milliseconds(body.get("receivedAt"))
    at = received + entry.ms if received is not None and entry.ms is not None else entry.time
    after = f", {_seconds(entry.ms)} after it was received" if entry.ms is not None else ""
    words = (
        f"{_OUTCOMES.get(entry.outcome, entry.outcome)} after {_counted(str(entry.attempts))}{after}, from {one.place}"
    )
    return StoryStep(at, name, entry.outcome, words, destination=name, place=str(one.place), details=details)


def _counted(attempts: str) -> str:
    return "1 attempt" if attempts == "1" else f"{attempts or '0'} attempts"


def _seconds(ms: int) -> str:
    return f"{ms} ms" if ms < 10_000 else f"{ms / 1000:.0f} s"
