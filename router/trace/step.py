"""One line of a story."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from router.events.times import iso


@dataclass(frozen=True, slots=True)
class StoryStep:
    """`at` in ms since 1970, None where it is not known. `part` is who speaks: received, decode, plan, profile, or a
    destination's name. `place` is topic:partition:offset, `rule` a place in the topology. `recomputed`: no record says
    it, the files as they are now do.
    """

    at: int | None
    part: str
    state: str
    text: str
    destination: str = ""
    place: str = ""
    rule: str = ""
    recomputed: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    def masked(self, mask: Callable[[str], str]) -> StoryStep:
        details = {name: mask(value) if isinstance(value, str) else value for name, value in self.details.items()}
        return replace(self, text=mask(self.text), details=details)

    def as_dict(self) -> dict[str, Any]:
        """Without what is empty, but for the time."""
        named = {"destination": self.destination, "place": self.place, "rule": self.rule}
        found: dict[str, Any] = {"time": None if self.at is None else iso(self.at), "part": self.part}
        found |= {"state": self.state, "says": self.text, "recomputed": self.recomputed}
        return found | {name: value for name, value in named.items() if value} | dict(self.details)
