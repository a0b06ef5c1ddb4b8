"""Who enters and leaves the lists of an advertiser, by the topology: what every audience connector reads of an event.

A list has the name of an audience. An identify call says by a trait of that name, true or false, whether the person is
in it; so do `Audience Entered` and `Audience Exited`, which name it in `audience_key`, and the events that a list names
itself. Of several changes of one person in a batch the last by event time counts; the others are `superseded`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from router.config.types import Model
from router.destinations.base import Delivery
from router.destinations.http import Skip
from router.destinations.shared import dates, person

ENTERED, EXITED = "Audience Entered", "Audience Exited"
_NAMED = ("audience_key", "audience_name", "audience")
Member = Callable[[Delivery], Any]


class AudienceList(Model):
    """A list at the partner. Its id alone is a short spelling of it."""

    id: str = Field(pattern=r"^\w+$", description="The partner's id of the list")
    entered: list[str] = Field([], description="Track names that put a person on it, besides Audience Entered")
    left: list[str] = Field([], description="Track names that take a person off it, besides Audience Exited")


def _spelled_out(value: Any) -> Any:
    return {"id": str(value)} if isinstance(value, str | int) and not isinstance(value, bool) else value


Audiences = Annotated[dict[str, Annotated[AudienceList, BeforeValidator(_spelled_out)]], Field(min_length=1)]


@dataclass(slots=True)
class MembershipChange:
    """People who enter one list, or leave it: their events, and what the connector makes of each."""

    list_id: str
    enters: bool
    events: list[Delivery] = field(default_factory=list)
    members: list[Any] = field(default_factory=list)


def changes(
    events: Sequence[Delivery], audiences: Mapping[str, AudienceList], member: Member
) -> Iterator[MembershipChange | Skip]:
    """One for each list and direction. `member` is empty for a person that the partner could not know."""
    said = {id(event): changed(event, audiences) for event in events}
    last: dict[tuple[str, str], Delivery] = {}  # of list and person
    for event in sorted(events, key=dates.event_time):
        last |= {(list_id, event.key): event for list_id in said[id(event)]}
    found: dict[tuple[str, bool], MembershipChange] = {}
    for event in events:
        now = {one: enters for one, enters in said[id(event)].items() if last[one, event.key] is event}
        known = member(event) if now else None
        if not now or not known:
            reason = "no_identifier" if now else "superseded" if said[id(event)] else "no_audience"
            yield Skip(event, reason)
            continue
        for list_id, enters in now.items():
            one = found.setdefault((list_id, enters), MembershipChange(list_id, enters))
            one.events.append(event)
            one.members.append(known)
    yield from found.values()


def changed(event: Delivery, audiences: Mapping[str, AudienceList]) -> dict[str, bool]:
    """By list id: whether the person enters it or leaves it. Lists of which the event says nothing are not there."""
    says = _by_trait if event.type == "identify" else _by_event
    found = ((audience.id, says(event, name, audience)) for name, audience in audiences.items())
    return {list_id: enters for list_id, enters in found if enters is not None}


def _by_trait(event: Delivery, name: str, audience: AudienceList) -> bool | None:
    value = person.traits(event).get(name)
    return value if isinstance(value, bool) else None


def _by_event(event: Delivery, name: str, audience: AudienceList) -> bool | None:
    if event.event in (ENTERED, EXITED):
        own = person.properties(event)
        named = any(person.text(own.get(one)) == name for one in _NAMED) or own.get(name) is (event.event == ENTERED)
        return event.event == ENTERED if named else None
    if event.event in audience.left:
        return False
    return True if event.event in audience.entered else None
