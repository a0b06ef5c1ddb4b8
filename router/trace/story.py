"""The story of one event: what was found of it, in the order of time, with what each finding means. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from router.config.models import Topology
from router.config.topics import topics_of
from router.events.event import REASONS, Body
from router.events.times import iso, milliseconds
from router.mask import Mask
from router.trace.journey import journey
from router.trace.records import Evidence, GroupProgress, Sighting, json_object, text_id
from router.trace.step import StoryStep

if TYPE_CHECKING:
    from router.trace.rules import RoutingRefusal

    Refusals = Callable[[Body, str], Mapping[str, RoutingRefusal]]  # of an event and its source, by destination

_MOST_VIOLATIONS = 5


@dataclass(slots=True)
class EventStory:
    """`received` in ms since 1970, None where the message it came in was not found. `states` is by destination."""

    message_id: str
    source: str
    type: str
    name: str
    user_id: str
    anonymous_id: str
    profile: str
    received: int | None
    steps: list[StoryStep] = field(default_factory=list)

    @property
    def states(self) -> dict[str, str]:
        """How it stands with each destination now."""
        return {step.destination: step.state for step in self.steps if step.destination}

    def as_dict(self) -> dict[str, Any]:
        return {
            "messageId": self.message_id, "source": self.source, "type": self.type, "event": self.name,
            "userId": self.user_id, "anonymousId": self.anonymous_id, "profileId": self.profile,
            "received": None if self.received is None else iso(self.received), "destinations": self.states,
            "steps": [step.as_dict() for step in self.steps],
        }  # fmt: skip


class Storyteller:
    """Makes stories of what was found. `now` in ms since 1970; masked values are left out of all texts.

    `refusals` is asked why destinations do not have an event, and only where one does not.
    """

    def __init__(self, topology: Topology, refusals: Refusals, evidence: Evidence, mask: Mask, now: int) -> None:
        self._topology = topology
        self._refusals = refusals
        self._evidence = evidence
        self._mask = mask
        self._now = now
        self._keyed = topics_of(topology).keyed

    def story(self, message_id: str) -> EventStory:
        """The story of the event with this messageId."""
        received = self._of(self._evidence.received, message_id)
        resolved = self._of(self._evidence.resolved, message_id)
        blocked = self._of(self._evidence.blocked, message_id)
        known = [*resolved, *blocked]
        body = self._body([*known, *received], message_id)
        firsts = self._firsts(message_id, known)
        steps = [*self._received_steps(message_id, received, firsts)]
        steps += self._invalid_steps(message_id)
        steps += self._plan_steps(message_id, resolved, blocked)
        steps += [
            StoryStep(one.time, "profile", "resolved", (one.key or b"").decode(errors="replace"), place=str(one.place))
            for one in resolved[:1]
        ]
        source = self._source(message_id, [*known, *received])
        steps += self._destination_steps(message_id, body, source, resolved)
        steps.sort(key=_when)
        echoes = self._mask.hidden(body)
        steps = [step.masked(lambda text: self._mask.text(text, echoes)) for step in steps]
        shown = self._mask.value(body)
        profile = (resolved[0].key or b"").decode(errors="replace") if resolved else ""
        times = [step.at for step in steps if step.part == "received" and step.at is not None]
        return EventStory(
            message_id, source, text_id(shown.get("type")), text_id(shown.get("event") or shown.get("name")),
            text_id(shown.get("userId")), text_id(shown.get("anonymousId")), profile, min(times, default=None), steps,
        )  # fmt: skip

    def refused_messages(self) -> list[StoryStep]:
        """Messages that hold the id and are no events: why they are not."""
        return [self._invalid_step(one) for one in self._evidence.invalid if not one.bodies]

    # What it says of the event itself

    def _of(self, found: Sequence[Sighting], message_id: str) -> list[Sighting]:
        own = [
            one
            for one in found
            if one.body_of(message_id) is not None or self._evidence.fallback.get(one.place) == message_id
        ]
        return sorted(own, key=lambda one: (one.time, one.place))

    def _body(self, found: Sequence[Sighting], message_id: str) -> Body:
        return next((body for one in found if (body := one.body_of(message_id)) is not None), {})

    def _source(self, message_id: str, found: Sequence[Sighting]) -> str:
        named = [one.headers["source"] for one in found if one.headers.get("source")]
        named += [
            first.source for first in self._evidence.first_seen if first.message_id == message_id and first.source
        ]
        return named[0] if named else ""

    def _firsts(self, message_id: str, known: Sequence[Sighting]) -> list[int]:
        """Receive times of messages that were not repeats, as far as that is known."""
        times = {first.time for first in self._evidence.first_seen if first.message_id == message_id}
        for one in known:
            body = one.body_of(message_id) or {}
            if (at := milliseconds(body.get("receivedAt"))) is not None:
                times.add(at)
        return sorted(times)

    def _received_steps(self, message_id: str, found: Sequence[Sighting], firsts: Sequence[int]) -> Iterator[StoryStep]:
        places = {str(one.place) for one in found}
        # The same message on its way round to the partition of its device is no second one.
        own = [one for one in found if one.place.topic != self._keyed or one.headers.get("origin") not in places]
        originals = _originals(own, firsts)
        for one in own:
            at, place = _received_at(one), str(one.place)
            if place in originals:
                yield StoryStep(at, "received", "received", f"{place}{_batch(one)}", place=place)
            elif originals:
                before = [original for original, time in originals.items() if time <= at] or list(originals)[:1]
                words = f"{place}, a repeat of {before[-1]}: dropped"
                yield StoryStep(at, "received", "repeat", words, place=place)
            else:
                yield self._open_step(one, at)
        if firsts and not own:
            words = "its message was not found at that time"
            yield StoryStep(firsts[0], "received", "received", words)

    def _open_step(self, one: Sighting, at: int) -> StoryStep:
        """A message of which nothing says what became of it."""
        place = str(one.place)
        progress = self._evidence.route.get(one.place[:2], GroupProgress(0))
        if not progress.passed(one.place.offset):
            words = f"{place}, waits for a route worker, {one.place.offset - progress.offset} before it"
            return StoryStep(at, "received", "waiting", words, place=place)
        if any(one.headers.get("origin") == place for one in self._evidence.invalid):
            return StoryStep(at, "received", "received", place, place=place)
        words = f"{place}, read by a route worker; a repeat of an event before --since, or what it wrote is gone"
        return StoryStep(at, "received", "unknown", words, place=place)

    def _invalid_steps(self, message_id: str) -> Iterator[StoryStep]:
        for one in self._evidence.invalid:
            if one.body_of(message_id) is not None:
                yield self._invalid_step(one)

    def _invalid_step(self, one: Sighting) -> StoryStep:
        code, origin = one.headers.get("error-code", ""), one.headers.get("origin", "-")
        words = f"{code}: {REASONS.get(code, 'no event')}; kept in {one.place}, received in {origin}"
        return StoryStep(one.time, "decode", "invalid", words, place=str(one.place))

    def _plan_steps(
        self, message_id: str, resolved: Sequence[Sighting], blocked: Sequence[Sighting]
    ) -> Iterator[StoryStep]:
        for one in blocked:
            violations = _violations(one.headers.get("violations", ""))
            stage = f"; kept in {one.place}"
            words = f"blocked: {_told(violations)}{stage}"
            yield StoryStep(
                one.time, "plan", "blocked", words, place=str(one.place), details={"violations": violations}
            )
        found = [record for one in self._evidence.violations if (record := json_object(one.value))]
        found = [record for record in found if text_id(record.get("messageId")) == message_id]
        allowed = [record for record in found if record.get("outcome") != "blocked"]
        if not resolved:
            return
        if allowed:
            words = f"{len(allowed)} violation{'s' * (len(allowed) != 1)}, allowed: {_told(allowed)}"
            yield StoryStep(resolved[0].time, "plan", "violations", words, details={"violations": allowed})
        else:
            words = "no violation reported (beyond ten of the same in a second, only their number is)"
            yield StoryStep(resolved[0].time, "plan", "passed", words)

    # Destinations

    def _destination_steps(
        self, message_id: str, body: Body, source: str, resolved: Sequence[Sighting]
    ) -> Iterator[StoryStep]:  # fmt: skip
        refusals: Mapping[str, RoutingRefusal] | None = None
        for name, found in self._evidence.destinations.items():
            routed = self._of(found.routed, message_id)
            if routed:
                yield from journey(name, message_id, routed, found, self._evidence.redriven, self._topology)
            elif resolved:
                if refusals is None:
                    refusals = self._refusals(body, source) if body.get("type") else {}
                yield _not_routed(name, refusals, resolved[0].time)


def _not_routed(name: str, refusals: Mapping[str, RoutingRefusal], at: int) -> StoryStep:
    refusal = refusals.get(name)
    if refusal is None:
        words = "not there: today's files would send it; those at the time did not, or its topic no longer has it"
        return StoryStep(at, name, "absent", words, destination=name, recomputed=True)
    rule = f" ({refusal.rule})" if refusal.rule else ""
    words = f"filtered: {refusal.reason}: {refusal.words}{rule}"
    details = {"reason": refusal.reason}
    return StoryStep(at, name, "filtered", words, destination=name, rule=refusal.rule, recomputed=True, details=details)


def _when(step: StoryStep) -> tuple[float, bool]:
    """By time, what is so now at the end; of one moment, what concerns the event itself before its destinations."""
    return math.inf if step.at is None else step.at, bool(step.destination)


def _received_at(one: Sighting) -> int:
    """Receive time: a message that went round has it in a header."""
    text = one.headers.get("received-at", "")
    return int(text) if text.isascii() and text.isdigit() else one.time


def _originals(found: Sequence[Sighting], firsts: Sequence[int]) -> dict[str, int]:
    """Place and time of the message that each receive time is of. Where Kafka does not stamp the messages, they are
    received later than they are written.
    """
    times = {str(one.place): _received_at(one) for one in found}
    originals: dict[str, int] = {}
    for first in firsts:
        left = [place for place in times if place not in originals]
        exact = [place for place in left if times[place] == first]
        earlier = [place for place in left if times[place] <= first]
        for place in (exact or earlier)[:1]:
            originals[place] = times[place]
    return originals


def _batch(one: Sighting) -> str:
    return f", with {len(one.bodies) - 1} more" if len(one.bodies) > 1 else ""


def _violations(text: str) -> list[dict[str, Any]]:
    found = json_object(f'{{"all": {text or "[]"}}}').get("all")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _told(violations: Sequence[Mapping[str, Any]]) -> str:
    told = [
        f"{one.get('class')} at {one.get('path') or '(event)'}: {one.get('message')}"
        for one in violations[:_MOST_VIOLATIONS]
    ]
    more = len(violations) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")
