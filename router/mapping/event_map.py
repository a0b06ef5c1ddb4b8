"""`destinations.<name>.map`: changes in what a connector makes of an event, by call type, then by the event's name."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Any, Literal

from router.mapping.mapping import Mapped, Mapping

Given = Dict[str, Any] | Literal[False]  # targets and their expressions; False: not sent


class EventMap:
    """Compiled once. `events` are names of track calls; what they say goes over what their call type says."""

    def __init__(self, calls: Dict[str, Given] | None = None, events: Dict[str, Given] | None = None) -> None:
        """Raises MappingError."""
        self._calls = {name: _compiled(given) for name, given in (calls or {}).items()}
        self._events = {name: _compiled(given) for name, given in (events or {}).items()}

    def sends(self, call: str, event: str) -> bool:
        """Whether these events are sent at all."""
        if call == "track" and event in self._events:
            return self._events[event] is not None
        return self._calls.get(call, _UNCHANGED) is not None

    def changes(self, call: str, event: str) -> list[Mapping]:
        """The mappings that are applied to such an event, in order."""
        found = [self._calls.get(call), self._events.get(event) if call == "track" else None]
        return [one for one in found if one is not None]

    def apply(self, call: str, event: str, body: Any, item: dict[str, Any]) -> Mapped:
        """The item with the values of this event in it: `item` itself where nothing changes it, else a copy."""
        values, problems = item, list[str]()
        for number, mapping in enumerate(self.changes(call, event)):
            mapped = mapping.apply(body, values if number else _copy(item))
            values = mapped.values
            problems += mapped.problems
        return Mapped(values, problems)


_UNCHANGED = Mapping({})


def _compiled(given: Given) -> Mapping | None:
    return None if given is False else Mapping(given)


def _copy(value: dict[str, Any]) -> dict[str, Any]:
    """Objects in objects are copied; lists cannot be changed by a mapping, only replaced."""
    return {name: _copy(one) if isinstance(one, dict) else one for name, one in value.items()}
