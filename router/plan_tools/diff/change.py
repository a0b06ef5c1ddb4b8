"""One change between two states of a plan, as a person reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Class = Literal["breaking", "risky", "safe"]
CLASSES: tuple[Class, ...] = ("breaking", "risky", "safe")


@dataclass(frozen=True, slots=True)
class PlanChange:
    """`klass` says for whom: breaking, events that passed may fail; risky, consumers may meet what they did not know.

    `rules` are the events it is about (empty: the plan itself), `path` is a JSON pointer into the event.
    """

    klass: Class
    rules: tuple[str, ...]
    path: str
    message: str

    def as_dict(self) -> dict[str, object]:
        return {"class": self.klass, "rules": list(self.rules), "path": self.path, "message": self.message}
