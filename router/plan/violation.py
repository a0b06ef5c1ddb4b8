"""One way in which an event breaks its tracking plan. It tells where and what, never the value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ViolationClass = Literal["unplanned_event", "unplanned_property", "violation", "common"]


@dataclass(frozen=True, slots=True)
class Violation:
    """`klass` decides the action; `type` is the kind in words, such as Required, Type, Enum, Pattern.

    `pointer` is a JSON pointer into the event, such as /properties/total. `rule` is the rule's event or page name, or
    its call type; `version` is the rule's, 0 where no rule was found.
    """

    klass: ViolationClass
    type: str
    pointer: str
    message: str
    plan: str
    rule: str
    version: int
