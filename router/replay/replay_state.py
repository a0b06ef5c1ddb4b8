"""A replay as it was asked for, and how far it has come. Pure.

`ReplayState` is one record of `<topology>.replays`: the whole of it, so the last record of a replay is all there is to
know. It is written in one transaction with the events that it counts.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from router.errors import UsageError
from router.fql import FqlError, Query, compile_query
from router.replay.replay_source import Candidate

Status = Literal["running", "stopped", "done"]
_PERSON = ("userId", "anonymousId", "profileId")
_NAMED_BY = {"page": "name", "screen": "name"}


class Gap(BaseModel):
    """Part of the range that is no longer there. Times in ms since 1970; `messages` where offsets say how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: str
    since: int | None = None
    until: int | None = None
    messages: int | None = None


class ReplayRequest(BaseModel):
    """What to send once more, and to whom. `since` (inclusive) and `until` (exclusive) in ms since 1970.

    Empty tuples mean all. `rate` in events a second; None: as many as the destination takes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    to: tuple[str, ...]
    origin: str = Field(alias="from")
    since: int
    until: int
    events: tuple[str, ...] = ()
    except_: tuple[str, ...] = Field((), alias="except")
    sources: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    where: str = ""
    failed_only: bool = False
    rate: int | None = None

    def query(self) -> Query | None:
        """The compiled `where`. Raises UsageError."""
        try:
            return compile_query(self.where) if self.where else None
        except FqlError as error:
            raise UsageError(f"--where: {error}") from error

    def overlaps(self, other: ReplayRequest) -> bool:
        """Whether an event may be in both, as far as their options tell."""
        disjoint = (
            self.origin != other.origin
            or not set(self.to) & set(other.to)
            or self.until <= other.since
            or other.until <= self.since
            or _apart(self.events, other.events)
            or _apart(self.sources, other.sources)
            or _apart(self.users, other.users)
        )
        return not disjoint


class ReplayState(BaseModel):
    """`extent` is all that is read, fixed at the start, `position` where to go on: both as the source has them.

    `owner` is the process that runs it, `topic_id` the topic's: made anew, it begins its offsets again. Counts are of
    events: `read`, `selected`, `replayed` by destination, `skipped` by destination and reason.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=False)

    id: str
    request: ReplayRequest
    status: Status = "running"
    owner: str = ""
    started: int
    updated: int
    topic_id: str = ""
    extent: dict[str, Any] = {}
    position: dict[str, Any] = {}
    read: int = 0
    selected: int = 0
    replayed: dict[str, int] = {}
    skipped: dict[str, dict[str, int]] = {}
    gaps: list[Gap] = []

    def skip(self, destination: str, reason: str) -> None:
        """Count an event that a destination does not get."""
        reasons = self.skipped.setdefault(destination, {})
        reasons[reason] = reasons.get(reason, 0) + 1


class ReplaySelection:
    """Which events a replay is about. `failed`: by destination, the source and messageId of those that failed there."""

    def __init__(self, request: ReplayRequest, failed: Mapping[str, Container[tuple[str, str]]] | None = None) -> None:
        self._request = request
        self._failed = failed
        self._where = request.query()

    def matches(self, one: Candidate) -> bool:
        """Whether any destination is to get it. What is no JSON object is known by its time and source alone."""
        request = self._request
        if not request.since <= one.time < request.until or (request.sources and one.source not in request.sources):
            return False
        if not (request.events or request.except_ or request.users or self._where):
            return True
        body = one.body
        if body is None:
            return False
        name = one.event or _text(body.get(_NAMED_BY.get(one.type or _text(body.get("type")), "event")))
        return (
            (not request.events or name in request.events)
            and name not in request.except_
            and (not request.users or any(body.get(field) in request.users for field in _PERSON))
            and (self._where is None or self._where.matches(body, one.source))
        )

    def failed_at(self, destination: str, one: Candidate) -> bool:
        """Whether the destination has a dead letter of it, where that is asked for."""
        if self._failed is None:
            return True
        return (one.source, _text((one.body or {}).get("messageId"))) in self._failed[destination]


def _apart(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return bool(one and other) and not set(one) & set(other)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
