"""A mapping: target paths and the expressions that fill them, as `destinations.<name>.map` has it for one call type."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Any, NamedTuple

from router.mapping.expression import Evaluate, compile_expression
from router.mapping.path import MISSING, MappingError, parts_of, put


class Mapped(NamedTuple):
    """What a mapping makes of an event. `problems` name places and what was expected there, never values."""

    values: dict[str, Any]
    problems: list[str]


class Mapping:
    """Compiled once. A target whose expression leads nowhere is left out; later targets overwrite earlier ones."""

    def __init__(self, given: Dict[str, Any], at: str = "") -> None:
        """Raises MappingError."""
        self._targets: list[tuple[str, str, tuple[str, ...], Evaluate]] = []
        for target, expression in given.items():
            place = f"{at}.{target}" if at else target
            try:
                parts = parts_of(target)
            except MappingError as error:
                raise MappingError(place, error.problem) from None
            if not parts:
                raise MappingError(place, "expected the name of a target, got $")
            second = parts[1] if len(parts) == 2 else ""
            self._targets.append((parts[0], second, parts, compile_expression(expression, place)))

    def apply(self, event: Any, onto: dict[str, Any] | None = None) -> Mapped:
        """The values for this event, set in `onto` (changed in place) or in a new object."""
        values: dict[str, Any] = {} if onto is None else onto
        problems: list[str] = []
        for first, second, parts, evaluate in self._targets:
            value = evaluate(event, problems)
            if value is MISSING:
                continue
            if second:  # as `put`, for most targets
                inner = values.get(first)
                if not isinstance(inner, dict):
                    inner = values[first] = {}
                inner[second] = value
            elif len(parts) == 1:
                values[first] = value
            else:
                put(values, parts, value)
        return Mapped(values, problems)
