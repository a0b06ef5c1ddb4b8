"""Partners whose event types are a table: their names in the spec, and small functions that read one item.

This file makes an event of what those functions return: the person by the partner's user id, else by e-mail; the time
at which it happened; a messageId made of the partner's own; `integrations` that keep it from going back where it came
from.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import Field

from router.events.event import Body
from router.events.times import iso, milliseconds
from router.partner_sources.base import PartnerSource, PartnerSourceSettings
from router.partner_sources.reading import dig, filled, id_of, text


class Person(NamedTuple):
    """Who an event is about; empty where the partner does not say. `anonymous_id` is an id of the partner's own."""

    user_id: str = ""
    email: str = ""
    anonymous_id: str = ""
    phone: str = ""


class TableSettings(PartnerSourceSettings):
    """Base of the settings of a partner with a table."""

    events: dict[str, str] = Field(
        {}, description="Names of events by the partner's type: over the built-in ones, and for types not known here"
    )


class TableSource(PartnerSource):
    """Set `names` and these functions of one item, which is an object of any fields."""

    def __init__(self, name: str, settings: Any, mapping: Mapping[str, Any] | None = None) -> None:
        super().__init__(name, settings, mapping)
        self._names: dict[str, str] = {**self.names, **settings.events}

    @abstractmethod
    def kind(self, item: Body) -> str:
        """The partner's event type."""

    @abstractmethod
    def event_id(self, item: Body) -> str:
        """What the partner tells an event from all others by; empty where it says nothing."""

    @abstractmethod
    def time(self, item: Body) -> Any:
        """When it happened, as the partner writes it."""

    @abstractmethod
    def person(self, item: Body) -> Person:
        """Whom it is about."""

    @abstractmethod
    def properties(self, item: Body) -> dict[str, Any]:
        """Properties of the track call; what is empty is left out."""

    def context(self, item: Body) -> dict[str, Any]:
        """What is known of the person's device; what is empty is left out."""
        return {}

    def named(self, kind: str) -> str:
        """The name of the track call for a type; empty for one that is not known."""
        return self._names.get(kind, "")

    def events(self, kind: str, item: Body) -> Iterator[Body]:
        """The calls made of an item, without what all have in common; none where its type is not known."""
        if name := self.named(kind):
            yield {"type": "track", "event": name, "properties": filled(self.properties(item))}

    def calls(self, item: Body) -> list[Body]:
        events = self.events(self.kind(item), item)
        return [self._completed(event, item, number) for number, event in enumerate(events)]

    def _completed(self, event: Body, item: Body, number: int) -> Body:
        """`number` is the event's place among those of one item."""
        person = self.person(item)
        event["messageId"] = id_of(self.type, self.event_id(item), item, number)
        if person.user_id:
            event["userId"] = person.user_id
        anonymous_id = person.anonymous_id or ("" if person.user_id else person.email or person.phone)
        if anonymous_id:
            event["anonymousId"] = anonymous_id
        time = self.time(item)
        moment = milliseconds(time)
        if moment is not None:
            event["timestamp"] = iso(moment)
        elif text(time):
            event["timestamp"] = time  # not a time: counted, and replaced, where all times are read
        context = filled(self.context(item))
        traits = dig(context, "traits", kind=dict) | filled({"email": person.email, "phone": person.phone})
        if traits:
            context["traits"] = traits
        event["context"] = context | {"integration": {"name": self.partner}}
        event["channel"] = "server"
        event["integrations"] = {self.partner: False}
        return event
