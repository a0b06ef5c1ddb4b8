"""A template: which rules it takes from the library, and what it adds to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from router.plan.model import CALL_TYPES, Schema

USE_CASE = "use-case/"


@dataclass(frozen=True, slots=True)
class Template:
    """`rules` are keys of the library: names of track events, and call types for rules that hold for all such calls.

    `context` is a schema that its track events have besides their own, `common` names sections of the common schemas,
    `allow` holds names that the linter is to leave alone because a spec spells them so.
    A use case says in `needs` which properties it wants of each rule, and in `goal` what it serves; both are empty
    for the others.
    """

    name: str
    title: str
    description: str
    rules: tuple[str, ...]
    context: Schema | None = None
    common: tuple[str, ...] = ("properties",)
    allow: tuple[str, ...] = ()
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    goal: str = ""

    @property
    def events(self) -> tuple[str, ...]:
        """The track events, in the template's order."""
        return tuple(rule for rule in self.rules if rule not in CALL_TYPES)

    def as_dict(self) -> dict[str, object]:
        calls = [rule for rule in self.rules if rule in CALL_TYPES]
        shown = {"name": self.name, "title": self.title, "description": self.description}
        needs = {rule: list(names) for rule, names in self.needs.items()}
        return {**shown, "goal": self.goal, "events": list(self.events), "calls": calls, "needs": needs}
