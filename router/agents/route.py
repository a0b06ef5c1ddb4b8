"""route: which destinations an event goes to: sources, call types, event names, the `integrations` object.

What an event without `integrations` leads to is decided once for its source, type and name. Each destination that is
not chosen is counted with its reason. Without state: kill -9 loses nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

from router.agents.agent import Agent, Prepare, RouteKey, Setup
from router.config.models import DestinationConfig, chosen, is_of_another
from router.destinations.registry import destination_types
from router.events.event import Body, Event

_OFF = frozenset(("false", "off", "no", "0"))
_ON = frozenset(("true", "on", "yes", "1", ""))
_NONE: Body = {}
REMEMBERED = 1_000  # ways to refuse some destinations of a choice


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one destination wants. `names` are what the integrations object may call it, folded, the nearest first.

    A `foreign` one is of another environment; in `device_mode` pages send to it themselves.
    """

    name: str
    sources: tuple[str, ...]
    types: frozenset[str]
    events: frozenset[str]
    excluded: frozenset[str]
    names: tuple[str, ...]
    ignores_integrations: bool
    foreign: bool = False
    device_mode: bool = False

    def takes_source(self, source: str) -> bool:
        return chosen(self.sources, source)

    def refusal(self, call_type: str, name: str) -> str:
        """Why an event of this type and name does not go there, or an empty string."""
        if self.foreign:
            return "environment"
        if self.types and call_type not in self.types:
            return "type"
        if call_type == "track" and ((self.events and name not in self.events) or name in self.excluded):
            return "event"
        return ""

    def switched_off(self, integrations: Mapping[str, bool]) -> bool:
        """Whether the integrations of an event say no. The first name that it uses decides."""
        if self.ignores_integrations:
            return False
        return not next((integrations[name] for name in (*self.names, "all") if name in integrations), True)


def subscription(
    name: str,
    config: DestinationConfig,
    integrations: Sequence[str],
    *,
    ignores: bool = False,
    environment: str | None = None,
) -> Subscription:
    """The Subscription of a destination; `integrations` are the names its connector declares, `environment` is the
    topology's.
    """
    return Subscription(
        name,
        config.sources,
        frozenset(config.types),
        frozenset(config.events),
        frozenset(config.except_),
        tuple(map(_folded, config.names(name, integrations))),
        ignores,
        is_of_another(config.labels, environment),
        config.device_mode is not None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Destinations by name, all topics the event goes to, refusals as (destination, reason), and how many parts of the
    integrations object say nothing that is understood.

    Compared by identity: one choice is shared by all events alike, so counting choices counts events. An agent that
    changes what a destination gets gives the event a choice of its own: `bodies` has what a destination gets instead of
    the event's body, which all others share. `topics` are those of the clean stream, then one for each chosen.
    """

    chosen: tuple[str, ...]
    topics: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    unknown: int = 0
    bodies: Mapping[str, Body] = field(default_factory=dict)
    _without: dict[tuple[tuple[str, str], ...], Choice] = field(default_factory=dict, repr=False)

    def without(self, refused: Sequence[tuple[str, str]]) -> Choice:
        """The choice without these destinations, each with the reason why: one for all events alike."""
        if not refused:
            return self
        key = tuple(refused)
        found = self._without.get(key)
        if found is None:
            if len(self._without) >= REMEMBERED:
                self._without.clear()
            found = self._without[key] = self._refusing(key)
        return found

    def _refusing(self, refused: tuple[tuple[str, str], ...]) -> Choice:
        out = {name for name, _ in refused}
        clean = len(self.topics) - len(self.chosen)
        kept = [pair for pair in zip(self.chosen, self.topics[clean:], strict=True) if pair[0] not in out]
        return Choice(
            tuple(name for name, _ in kept),
            (*self.topics[:clean], *(topic for _, topic in kept)),
            (*self.refused, *refused),
            self.unknown,
            {name: body for name, body in self.bodies.items() if name not in out},
        )

    def with_bodies(self, bodies: Mapping[str, Body]) -> Choice:
        """A choice where these destinations get bodies of their own."""
        return replace(self, bodies={**self.bodies, **bodies}, _without={}) if bodies else self

    def topic(self, destination: str) -> str:
        """The topic of a chosen destination."""
        return self.topics[len(self.topics) - len(self.chosen) + self.chosen.index(destination)]


class Defaults(NamedTuple):
    """Integrations that a source names for its events: for all, and by event name."""

    all: Mapping[str, bool] = {}
    by_event: Mapping[str, Mapping[str, bool]] = {}


class Route(Agent):
    """`topic_of` gives a destination's topic; `clean` is where every event goes."""

    name = "route"
    reasons: ClassVar = {
        "environment": "the destination is labelled with another environment than the topology's",
        "type": "its call type is not in `types`",
        "event": "its name is not in `events`, or is in `except`",
        "integrations": "its integrations object switches the destination off",
        "device_mode": "the page has sent it to the destination itself",
    }

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        topic_of: Callable[[str], str],
        clean: tuple[str, ...] = (),
        defaults: Mapping[str, Defaults] | None = None,
    ) -> None:
        self._subscriptions = subscriptions
        self._topic_of = topic_of
        self._clean = clean
        self._defaults = dict(defaults or {})
        self._by_source: dict[str, list[Subscription]] = {}
        self._device_mode = [each for each in subscriptions if each.device_mode]
        self._known = {"all"}.union(*(each.names for each in subscriptions))

    @classmethod
    def build(cls, setup: Setup) -> Self:
        topology, types = setup.loaded.topology, destination_types()
        subscriptions = []
        for name, config in topology.destinations.items():
            if config.enabled:
                connector = types[config.type]
                subscriptions.append(
                    subscription(
                        name,
                        config,
                        connector.integrations,
                        ignores=connector.ignores_integrations,
                        environment=topology.environment,
                    )
                )
        clean = (setup.topics.resolved,) if topology.topics.resolved else ()
        defaults = {
            name: Defaults(source.integrations, source.event_integrations) for name, source in topology.sources.items()
        }
        return cls(subscriptions, setup.topics.destination, clean, defaults)

    def compile(self, key: RouteKey) -> Prepare:
        defaults = self._defaults_of(key)
        usual = self.choose(key, defaults)

        def prepare(event: Event) -> None:
            body = event.body
            if "integrations" in body or "options" in body or "integrations" in (body.get("context") or _NONE):
                given, unclear = integrations_of(body)
                merged = with_defaults(given, defaults)
                event.choice = self.choose(key, merged, unclear) if given or unclear else usual
            else:
                event.choice = usual
            if self._device_mode and "_metadata" in body:
                event.choice = event.choice.without(self._sent_by_page(event.choice, body["_metadata"]))

        return prepare

    def usual(self, key: RouteKey) -> Choice:
        """The choice for such an event that says nothing of integrations."""
        return self.choose(key, self._defaults_of(key))

    def reached(self, key: RouteKey) -> tuple[str, ...]:
        """The destinations that such events can reach, whatever they say of integrations."""
        source, call_type, name = key
        return tuple(each.name for each in self._of_source(source) if not each.refusal(call_type, name))

    @property
    def reads_metadata(self) -> bool:
        """Whether `_metadata` of an event, which says what a page has sent itself, means anything here."""
        return bool(self._device_mode)

    def explain(self, event: Event, destination: str) -> Iterator[str]:
        if destination in event.choice.chosen:
            yield "chosen"

    def choose(self, key: RouteKey, integrations: Mapping[str, bool], unclear: int = 0) -> Choice:
        """The choice for an event of this source, type and name; `integrations` as `integrations_of` reads them."""
        source, call_type, name = key
        chosen, refused = [], []
        for each in self._of_source(source):
            reason = each.refusal(call_type, name) or ("integrations" if each.switched_off(integrations) else "")
            if reason:
                refused.append((each.name, reason))
            else:
                chosen.append(each.name)
        unknown = unclear + sum(name not in self._known for name in integrations)
        topics = (*self._clean, *map(self._topic_of, chosen))
        return Choice(tuple(chosen), topics, tuple(refused), unknown)

    def _sent_by_page(self, choice: Choice, metadata: Any) -> list[tuple[str, str]]:
        """The chosen destinations that the page has sent the event to, with the reason.

        It names those that it serves, and those of them whose script did not start.
        """
        said = metadata if isinstance(metadata, dict) else _NONE
        sent = _named(said.get("bundled")) - _named(said.get("failedInitializations"))
        asked = [each for each in self._device_mode if each.name in choice.chosen]
        return [(each.name, "device_mode") for each in asked if not sent.isdisjoint(each.names)]

    def _defaults_of(self, key: RouteKey) -> dict[str, bool]:
        """The integrations that the source names for such an event; those named for the event come first."""
        source, _, name = key
        defaults = self._defaults.get(source, Defaults())
        own = defaults.by_event.get(name, {}) if name else {}
        return {_folded(each): on for each, on in {**defaults.all, **own}.items()}

    def _of_source(self, source: str) -> Sequence[Subscription]:
        found = self._by_source.get(source)
        if found is None:
            found = self._by_source[source] = [s for s in self._subscriptions if s.takes_source(source)]
        return found


def integrations_of(body: Body) -> tuple[dict[str, bool], int]:
    """What an event says of integrations: their names, folded, and whether each is on; and how much of it is unclear.

    It is read at the top level, in `options` and in `context`; the first of these that uses a name decides. Of two
    spellings of one name in the same place, off decides: it is somebody's consent.
    """
    found: dict[str, bool] = {}
    unclear = 0
    for place in (body, body.get("options"), body.get("context")):
        given = place.get("integrations") if isinstance(place, dict) else None
        if isinstance(given, dict):
            here: dict[str, bool] = {}
            for name, value in given.items():
                on = _is_on(value)
                unclear += on is None
                folded = _folded(name)
                here[folded] = here.get(folded, True) and on is not False
            found = here | found
        elif given is not None:
            unclear += 1
    return found, unclear


def with_defaults(given: Mapping[str, bool], defaults: Mapping[str, bool]) -> dict[str, bool]:
    """An event's integrations over those of its source. Where it switches all off, no default switches one on."""
    kept = defaults if given.get("all", True) else {name: on for name, on in defaults.items() if not on}
    return {**kept, **given}


def _is_on(value: Any) -> bool | None:
    """Whether a value leaves an integration on; None for a text that says neither, which leaves it on.

    Options (an object), null and numbers other than 0 leave it on.
    """
    if isinstance(value, str):
        word = _folded(value)
        return False if word in _OFF else True if word in _ON else None
    return not (isinstance(value, bool | int | float) and value == 0)


def _named(given: Any) -> set[str]:
    return {_folded(each) for each in given if isinstance(each, str)} if isinstance(given, list) else set()


def _folded(name: str) -> str:
    return name.strip().casefold()
