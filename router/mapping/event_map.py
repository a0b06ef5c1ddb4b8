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
        self._calls, self._events = dict(calls or {}), dict(events or {})
        self._of_calls, self._of_events = _compiled(self._calls), _compiled(self._events)

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self._calls or self._events)

    def sends(self, call: str, event: str) -> bool:
        """Whether these events are sent at all."""
        if call == "track" and event in self._events:
            return self._events[event] is not False
        return self._calls.get(call) is not False

    def changes(self, call: str, event: str) -> list[Mapping]:
        """The mappings that are applied to such an event, in order."""
        if not self._of_calls and not self._of_events:
            return []
        found = [self._of_calls.get(call), self._of_events.get(event) if call == "track" else None]
        return [one for one in found if one is not None]

    def apply(self, call: str, event: str, body: Any, item: dict[str, Any]) -> Mapped:
        """The item with the values of this event in it: `item` itself where nothing changes it, else a copy."""
        values, problems = item, list[str]()
        for number, mapping in enumerate(self.changes(call, event)):
            mapped = mapping.apply(body, values if number else _copy(item))
            values = mapped.values
            problems += mapped.problems
        return Mapped(values, problems)


def _compiled(given: Dict[str, Given]) -> dict[str, Mapping]:
    """Only those that change something."""
    return {name: Mapping(targets) for name, targets in given.items() if targets}


def _copy(value: dict[str, Any]) -> dict[str, Any]:
    """Objects in objects are copied; lists cannot be changed by a mapping, only replaced."""
    return {name: _copy(one) if isinstance(one, dict) else one for name, one in value.items()}
