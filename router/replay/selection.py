"""Which dead letters a command is about: its options as one value, and the times in them. Pure."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from router.config.types import parse_duration
from router.errors import UsageError
from router.events.times import milliseconds
from router.fql import FqlError, Query, compile_query
from router.replay.dead_letters import DeadLetter

_ANY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Selection:
    """Empty sets mean all. `since` (inclusive) and `until` (exclusive) are in ms since 1970, of the time of the dead
    letter itself. `where` is asked of the event; one that is not a JSON object matches none.
    """

    reasons: Container[str] = _ANY
    events: Container[str] = _ANY
    sources: Container[str] = _ANY
    ids: Container[str] = _ANY
    since: int | None = None
    until: int | None = None
    where: Query | None = None

    def matches(self, letter: DeadLetter) -> bool:
        return (
            (not self.reasons or letter.code in self.reasons)
            and (not self.events or letter.event in self.events)
            and (not self.sources or letter.source in self.sources)
            and (not self.ids or letter.message_id in self.ids)
            and (self.since is None or letter.time >= self.since)
            and (self.until is None or letter.time < self.until)
            and (self.where is None or (letter.body is not None and self.where.matches(letter.body, letter.source)))
        )


def selection(
    *, reasons: Container[str], events: Container[str], sources: Container[str], ids: Container[str],
    since: str, until: str, where: str, now: int,
) -> Selection:  # fmt: skip
    """From the texts of a command line; `now` in ms since 1970. Raises UsageError."""
    start, end = moment(since, "--since", now), moment(until, "--until", now)
    if start is not None and end is not None and start >= end:
        raise UsageError(f"expected --since before --until, got {since} and {until}")
    try:
        query = compile_query(where) if where else None
    except FqlError as error:
        raise UsageError(f"--where: {error}") from error
    return Selection(reasons, events, sources, ids, start, end, query)


def moment(text: str, option: str, now: int) -> int | None:
    """Ms since 1970 of a time, `now`, or an age such as `1h`; None for an empty text. Raises UsageError."""
    if not text:
        return None
    if text == "now":
        return now
    try:
        return now - round(parse_duration(text) * 1000)
    except ValueError:
        found = milliseconds(text)
    if found is None:
        raise UsageError(
            f"{option}: expected a time such as 2026-01-31T12:00:00Z, now, or an age such as 1h, got {text}"
        )
    return found
