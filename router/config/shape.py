"""What each destination gets, as the topology says it: rules at the source, personal data, consent, bots."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator

from router.config.types import Model, Name, Secret
from router.events.event import CALL_TYPES
from router.mapping import settings as mapping_settings
from router.mapping.event_map import EventMap
from router.mapping.event_targets import event_mapping
from router.mapping.mapping import Mapping
from router.privacy.classes import Action as PrivacyAction
from router.privacy.classes import DataClass, DataClasses
from router.privacy.encryption import Cipher
from router.privacy.matchers import MATCHERS, pattern

ENVELOPE = frozenset(
    {"channel", "event", "integrations", "messageId", "name", "originalTimestamp", "profileId", "receivedAt"}
    | {"sentAt", "timestamp", "type", "version", "writeKey"}
)


class RenameRules(Model):
    events: dict[str, str] = Field({}, description="Names of track calls, and of pages and screens: old to new")
    properties: dict[str, dict[str, str]] = Field({}, description="For an event (glob of its new name): old key to new")
    traits: dict[str, str] = Field({}, description="Keys of traits, in identify and group calls: old to new")


class OmitRules(Model):
    properties: dict[str, tuple[str, ...]] = Field({}, description="For an event (glob of its new name): globs of keys")
    traits: tuple[str, ...] = Field((), description="Globs of keys of traits to leave out, in identify and group calls")


class EventRules(Model):
    """Applied to a source's events before the plan is asked, with a plan or without."""

    allow: tuple[str, ...] = Field((), description="Globs of event, page and screen names; others are blocked")
    block: tuple[str, ...] = Field((), description="Globs of event, page and screen names that are blocked")
    rename: RenameRules = RenameRules()
    omit: OmitRules = OmitRules()

    @field_validator("rename")
    @classmethod
    def _no_chains(cls, value: RenameRules) -> RenameRules:
        """A name that is renamed twice would depend on the order of the rules."""
        for old, new in value.events.items():
            if new in value.events:
                raise ValueError(f"expected a new name that is not renamed itself, got {old} to {new}")
        return value


class OwnPattern(Model):
    pattern: str = Field(description="An RE2 pattern, found anywhere in a text")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        pattern(value)
        return value


class PrivacyClass(Model):
    """A kind of personal data: found by the name of its field or by its value."""

    color: Literal["red", "yellow"] = Field(description="red: must not leave without thought; yellow: with care")
    names: str | tuple[str, ...] = Field((), description="Globs of field names at any depth, in any case")
    values: str | OwnPattern | tuple[str | OwnPattern, ...] = Field(
        (), description=f"One or several of {', '.join(MATCHERS)}, {{pattern: …}}"
    )

    @field_validator("values")
    @classmethod
    def _known_matchers(cls, value: Any) -> Any:
        for one in _several(value):
            if isinstance(one, str) and one not in MATCHERS:
                raise ValueError(f"expected {', '.join(MATCHERS)} or {{pattern: …}}, got {one}")
        return value

    @field_validator("names")
    @classmethod
    def _not_the_envelope(cls, value: Any) -> Any:
        for name in _several(value):
            if name in ENVELOPE:
                raise ValueError(f"expected names of personal fields, got {name}, which every event needs")
        return value

    def compiled(self, name: str) -> DataClass:
        """The class, ready to look at events."""
        matchers = [MATCHERS[one] if isinstance(one, str) else pattern(one.pattern) for one in _several(self.values)]
        return DataClass(name, self.color, _several(self.names), tuple(matchers))


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


class PrivacyConfig(Model):
    """Personal data: its classes, and what is done with each before it goes anywhere."""

    classes: dict[Name, PrivacyClass] = Field({}, description="Classes by name")
    key: Secret | None = Field(
        None, description="Keys for encrypt, such as ${file:/run/secrets/privacy.key}; the first line's key encrypts"
    )
    source: dict[Name, dict[Name, PrivacyAction]] = Field(
        {}, description="By source and class: keep, encrypt, hash, mask or drop, before anything is written"
    )
    destinations: dict[str, dict[Name, PrivacyAction]] = Field(
        {},
        description="By destination (globs; the most specific one counts) and class: keep, encrypt, hash, mask or drop",
    )

    @field_validator("key")
    @classmethod
    def _readable(cls, value: Secret | None) -> Secret | None:
        if value is not None:
            Cipher(value.get_secret_value())
        return value

    def cipher(self) -> Cipher | None:
        """What `key` encrypts and decrypts with."""
        return None if self.key is None else Cipher(self.key.get_secret_value())

    def compiled(self) -> DataClasses:
        """The classes, ready to look at events."""
        return DataClasses([each.compiled(name) for name, each in self.classes.items()], self.cipher())


class ConsentConfig(Model):
    """How consent is read from `context.consent.categoryPreferences`."""

    unknown: Literal["require", "assume"] = Field(
        "require", description="An event that says nothing of a category: require refuses it, assume lets it pass"
    )


def _targets(value: Any) -> Any:
    if value is False:
        return value
    if not isinstance(value, dict):
        raise ValueError("expected false, or targets with a path or an expression each")
    mapping_settings.compiled(Mapping, value)
    return value


Targets = Annotated[
    Any,
    AfterValidator(_targets),
    WithJsonSchema({"anyOf": [{"const": False}, {"type": "object"}], "description": "Targets and expressions; false"}),
]


def _source_map(value: dict[str, Any]) -> dict[str, Any]:
    mapping_settings.compiled(event_mapping, value)
    return value


SourceMap = Annotated[dict[str, Any], AfterValidator(_source_map)]


class MapConfig(Model):
    """What is changed in what the connector makes of an event, by call type. false: such events are not sent."""

    identify: Targets = Field({}, description="Identify calls: targets and where their values come from, or false")
    track: Targets = Field({}, description="The same for track calls")
    page: Targets = Field({}, description="The same for page calls")
    screen: Targets = Field({}, description="The same for screen calls")
    group: Targets = Field({}, description="The same for group calls")
    alias: Targets = Field({}, description="The same for alias calls")
    events: dict[str, Targets] = Field({}, description="For track calls of one name, over those of track, or false")

    def compiled(self) -> EventMap:
        """The map, ready to be applied."""
        return EventMap({call: getattr(self, call) for call in CALL_TYPES}, self.events)
