"""`router trace` from an id to stories: find, then tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from router.config.loader import Loaded
from router.config.topics import topics_of
from router.events.event import Body
from router.events.times import iso
from router.mask import Mask
from router.trace.deliveries import DeliveryFinder
from router.trace.finder import Finder
from router.trace.scan import Scanner
from router.trace.search import Question
from router.trace.step import StoryStep
from router.trace.story import EventStory, Storyteller

if TYPE_CHECKING:
    from router.trace.rules import RoutingRefusal, RoutingRules


@dataclass
class Traced:
    """`refused` are messages that hold the id and are no events; `read` counts the messages looked at, by topic."""

    id: str
    since: int
    stories: list[EventStory] = field(default_factory=list)
    refused: list[StoryStep] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        return bool(self.stories or self.refused)

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id, "since": iso(self.since), "events": [story.as_dict() for story in self.stories],
            "refused": [step.as_dict() for step in self.refused], "notes": self.notes, "read": self.read,
        }  # fmt: skip


class Tracer:
    """Of one topology, by a scanner that stays open meanwhile."""

    def __init__(self, loaded: Loaded, scanner: Scanner, mask: Mask) -> None:
        self._loaded = loaded
        self._scanner = scanner
        self._mask = mask
        self._rules: RoutingRules | None = None

    def trace(self, asked: str, since: int, now: int, count: int) -> Traced:
        """The stories of the events that `asked` names, received from `since` to `now` (ms since 1970).

        Raises Unavailable.
        """
        finder = Finder(self._loaded, self._scanner, Question(asked, since, now, count))
        finder.find()
        found = finder.found
        DeliveryFinder(self._loaded.topology, self._scanner, found, finder.ids).find()
        teller = Storyteller(self._loaded.topology, self._refusals, found, self._mask, now)
        traced = Traced(asked, since, read=dict(self._scanner.read))
        traced.stories = sorted(map(teller.story, finder.ids), key=lambda story: story.received or 0)
        traced.refused = teller.refused_messages()
        traced.notes = self._notes(traced, count)
        return traced

    def _refusals(self, body: Body, source: str) -> Mapping[str, RoutingRefusal]:
        """Most events are where they should be: only for the others are the agents imported and built, 0.2 s of CPU."""
        if self._rules is None:
            from router.trace.rules import RoutingRules

            self._rules = RoutingRules(self._loaded)
        return self._rules.refusals(body, source)

    def _notes(self, traced: Traced, count: int) -> list[str]:
        topics, known = topics_of(self._loaded.topology), self._scanner.topics
        wanted = [topics.raw, topics.dedupe_changelog, topics.delivery_log]
        wanted += [topics.resolved] if self._loaded.topology.topics.resolved else []
        notes = [f"{topic} is missing: see `router topics check`" for topic in wanted if topic not in known]
        if len(traced.stories) == count > 1:
            notes.append(f"the latest {count} events; --count shows more")
        if traced.found:
            return notes
        read = ", ".join(f"{number:,} of {topic}" for topic, number in sorted(traced.read.items())) or "none"
        notes.append(f"nothing found since {iso(traced.since)[:19]}Z; messages looked at: {read}")
        if traced.id != traced.id.strip():
            notes.append("the id that was asked for begins or ends with a blank")
        notes.append("what is older was not looked at: see --since; ids are compared whole, with their case")
        return notes
