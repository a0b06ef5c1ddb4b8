"""The topology file as typed models. Spelling is a contract with users: it changes only with a CHANGELOG line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from router.config.delivery import DeliveryConfig
from router.config.filters import MAX_FILTERS, FilterConfig
from router.config.shape import ConsentConfig, EventRules, MapConfig, PrivacyConfig, SourceMap
from router.config.types import Bytes, Deviation, Duration, Model, Name, Percent, Secret
from router.events.event import Limits
from router.events.placeholders import Placeholders
from router.transform.function import SPELLING

CallType = Literal["identify", "track", "page", "screen", "group", "alias"]
Action = Literal["allow", "omit", "block"]
LONGEST_WINDOW_DAYS = 99  # the window's store counts half of it in four bytes of milliseconds
Guarantee = Literal["exactly_once", "at_least_once"]
Labels = dict[Name, Annotated[str, StringConstraints(min_length=1, max_length=100)]]


class TopicsConfig(Model):
    prefix: str = Field("", pattern=r"^([a-z0-9][a-z0-9-]*[.-])?$", description="Prefix of every topic name")
    partitions: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Partitions of every topic except the identity log; cannot be changed later. The upper limit of "
        "route workers; more partitions mean more latency. Default: as many as `events.raw` has, 3 in a new topology",
    )
    destination_partitions: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Partitions of the topics of a new destination; one that has topics keeps theirs. The upper limit "
        "of delivery processes of one destination. Default: as many as `partitions`",
    )
    resolved: bool = Field(True, description="Write every accepted event to events.resolved")
    replication: int = Field(0, ge=0, le=9, description="Replication factor; 0 means the broker's default")
    raw_retention: Duration = Field("7d", validate_default=True, description="Retention of events.raw")
    retention: Duration = Field("7d", validate_default=True, description="Retention of all other topics")


class ClassActions(Model):
    """The action for each class of violation. Default: the source's own action, else `allow` (report only)."""

    unplanned_event: Action | None = Field(None, description="For an event that the plan does not contain")
    unplanned_property: Action | None = Field(
        None, description="For a property or trait that the plan does not contain"
    )
    violation: Action | None = Field(None, description="For an event that violates its own schema")
    common: Action | None = Field(None, description="For an event that violates the schemas common to all events")


class Enforce(ClassActions):
    """The actions of a source; each call type can override them."""

    identify: ClassActions = ClassActions()
    track: ClassActions = ClassActions()
    page: ClassActions = ClassActions()
    screen: ClassActions = ClassActions()
    group: ClassActions = ClassActions()
    alias: ClassActions = ClassActions()
    report_only: bool = Field(
        False, description="Block and omit nothing, whatever the actions say: what the plan finds is only reported"
    )
    forward_blocked_to: Name | None = Field(None, description="Name of a source that also receives blocked events")
    forward_violations_to: Name | None = Field(
        None, description="Name of a source that receives a Violation Generated event for each violation"
    )


def _origin(value: str) -> str:
    scheme, _, host = value.rstrip("/").partition("://")
    if value != "*" and (scheme not in ("http", "https") or not host or "/" in host or "*" in host):
        raise ValueError(f"expected an origin such as https://shop.example.com, or *, got {json.dumps(value)}")
    return value.rstrip("/")


Origin = Annotated[str, AfterValidator(_origin)]


def _script(path: Path) -> Path:
    """The script itself; in the folder of the npm package @segment/analytics-next it is dist/umd/standalone.js."""
    inner = (path / "dist/umd/standalone.js", path / "standalone.js") if path.is_dir() else (path,)
    found = next((file for file in inner if file.is_file()), None)
    if found is None:
        what = "is no folder of @segment/analytics-next" if path.is_dir() else "is not there"
        raise ValueError(f"expected the script analytics.js or the folder of its npm package, got {path}, which {what}")
    return found


def hook_key(source: str) -> str:
    """What stands in place of a write key where a partner's signature was checked; no HTTP client can send it."""
    return f"hook:{source}"


class VolumeConfig(Model):
    band: Deviation = Field(
        "50%",
        validate_default=True,
        description="Alert when its events of an hour are further from what is usual at that hour, up or down",
    )


class SourceConfig(Model):
    description: str = Field("", description="Free text for readers of this file")
    labels: Labels = Field(
        {}, description="Labels of your own; of another `environment` than the topology's, its events are refused"
    )
    type: str = Field(
        "segment",
        description="Format of its messages: events of the Segment spec, the partner that posts them, or sql: a query",
    )
    settings: dict[str, Any] = Field({}, repr=False, description="Settings of its type")
    map: SourceMap = Field(
        {}, description="What becomes of an item that is posted, or of a row: for the types hook and sql"
    )
    write_keys: tuple[Secret, ...] = Field(
        (), description="Keys that clients of this source send; each key belongs to one source"
    )
    origins: tuple[Origin, ...] = Field(
        (), description="Origins of the web pages that may use its write keys; left out: those of the gateway"
    )
    topics: tuple[str, ...] = Field((), description="Topics that carry only messages of this source")
    plan: Path | None = Field(None, description="Folder of its tracking plan; default: no plan, every event is allowed")
    enforce: Enforce = Enforce()
    enabled: bool = Field(True, description="Set to false to send its events to events.invalid")
    rules: EventRules = Field(EventRules(), description="Allow, block, rename, omit: before the plan is asked")
    integrations: dict[str, bool] = Field(
        {},
        description="Destinations switched on or off for its events, unless an event's own integrations say otherwise",
    )
    event_integrations: dict[str, dict[str, bool]] = Field({}, description="The same for single track calls, by name")
    transform: str | None = Field(
        None,
        pattern=SPELLING.pattern,
        description="package.module:function, called with each event: gives the event, several, or None to block it",
    )
    bots: Literal["keep", "flag", "drop"] = Field(
        "keep", description="Events of crawlers: flag sets context.bot, drop sends them to no destination"
    )

    volume: VolumeConfig = VolumeConfig()

    def keys(self, name: str) -> Iterator[str]:
        """What messages in Kafka name this source by: its write keys, and a key that only the gateway writes."""
        yield from (key.get_secret_value() for key in self.write_keys)
        if self.type != "segment" or self.settings:
            yield hook_key(name)

    def refusal(self, environment: str | None) -> str:
        """Why a topology of this environment refuses its events: a reason of `events.invalid`, or an empty string."""
        if not self.enabled:
            return "source_disabled"
        return "other_environment" if is_of_another(self.labels, environment) else ""


class DestinationConfig(Model):
    type: str = Field(description="A destination type; see `router destinations`")
    description: str = Field("", description="Free text for readers of this file")
    labels: Labels = Field(
        {}, description="Labels of your own; of another `environment` than the topology's, it gets no events"
    )
    sources: tuple[str, ...] = Field(
        ("*",), description="Globs of source names, applied in order; `!` excludes. Default: all sources"
    )
    enabled: bool = Field(True, description="Set to false to stop routing events to it")
    types: tuple[CallType, ...] = Field((), description="Call types to deliver; default: all")
    events: tuple[str, ...] = Field((), description="Names of track events to deliver; default: all")
    except_: tuple[str, ...] = Field((), alias="except", description="Names of track events not to deliver")
    filters: tuple[FilterConfig, ...] = Field(
        (), max_length=MAX_FILTERS, description="Select events by their content and sample them; applied in order"
    )
    integration: str | None = Field(
        None, description="Another name by which an event's integrations object may refer to it"
    )
    settings: dict[str, Any] = Field(
        {}, repr=False, description="Settings of its type; see `router destinations show TYPE`"
    )
    device_mode: dict[str, Any] | None = Field(
        None,
        description="Web pages send to it themselves: settings that they get for it, or {}. What a page has sent to it "
        "is not sent again",
    )
    consent: tuple[str, ...] = Field((), description="Consent categories that it needs, all of them; left out: none")
    transform: str | None = Field(
        None,
        pattern=SPELLING.pattern,
        description="package.module:function, called with each event before it is mapped: gives it, several, or None",
    )
    map: MapConfig = Field(MapConfig(), repr=False, description="Changes in what its connector makes of an event")
    delivery: DeliveryConfig = DeliveryConfig()
    target: Percent = Field(
        "99%",
        validate_default=True,
        description="Part of the attempts that is to be accepted; alert when it is missed",
    )

    def names(self, name: str, declared: Sequence[str]) -> tuple[str, ...]:
        """What an event's integrations object may call the destination `name`; `declared` are its type's names."""
        return (name, *([self.integration] if self.integration else []), *declared)


class LimitsConfig(Model):
    event_bytes: Bytes = Field("32KiB", validate_default=True, description="Maximum size of one event")
    batch_bytes: Bytes = Field(
        "500KiB", validate_default=True, description="Maximum size of a message with several events"
    )
    depth: int = Field(32, ge=4, le=500, description="Maximum nesting depth")
    keys: int = Field(2000, ge=10, description="Maximum number of keys in an event, all objects counted")
    message_id: int = Field(100, ge=16, le=1000, description="Maximum length of a messageId in characters")

    def of_events(self) -> Limits:
        """What the reader and the normalisation of events keep to."""
        return Limits(self.event_bytes, self.batch_bytes, self.depth, self.keys, self.message_id)


class GatewayConfig(Model):
    body_bytes: Bytes = Field(
        "500KiB",
        validate_default=True,
        description="Maximum size of a request body as sent; larger ones are answered 413",
    )
    inflated_bytes: Bytes = Field(
        "4MiB",
        validate_default=True,
        description="Maximum size of a gzip body once inflated; larger ones are answered 413",
    )
    hook_bytes: Bytes = Field(
        "8MiB",
        validate_default=True,
        description="Maximum size of what a partner posts to /v1/hooks, once inflated; larger posts are answered 413",
    )
    max_in_flight: int = Field(
        10_000,
        ge=1,
        description="Maximum number of events not yet acknowledged by Kafka; beyond it requests are answered 503",
    )
    events_per_second: float | None = Field(
        None, gt=0, description="Rate limit per write key, answered 429; default: no limit"
    )
    cors_origins: tuple[str, ...] = Field((), description="Origins of web pages that may send events; `*` allows all")
    analytics_js: Annotated[Path, AfterValidator(_script)] | None = Field(
        None, description="The browser library to serve: its script, or the folder of the package that has it"
    )
    public_url: Origin | None = Field(
        None, description="Where browsers and phones reach this gateway; left out: where their request came to"
    )
    trusted_proxies: int = Field(
        0, ge=0, le=10, description="Number of proxies in front that append to X-Forwarded-For"
    )
    max_connections: int = Field(
        2000, ge=1, description="Maximum number of open connections; further ones are closed at once"
    )
    ack_timeout: Duration = Field(
        "10s",
        validate_default=True,
        description="Maximum wait for Kafka's acknowledgement; then the request is answered 503",
    )
    body_timeout: Duration = Field(
        "10s", validate_default=True, description="Maximum wait for a complete body; then the request is answered 408"
    )
    idle_timeout: Duration = Field(
        "75s",
        validate_default=True,
        description="Maximum wait for a complete request head; then the connection is closed",
    )


def _window(seconds: float) -> float:
    if seconds > LONGEST_WINDOW_DAYS * 86_400:
        raise ValueError(f"expected at most {LONGEST_WINDOW_DAYS}d, got {seconds / 86_400:g}d")
    return seconds


class DedupeConfig(Model):
    window: Annotated[Duration, AfterValidator(_window)] = Field(
        "24h",
        validate_default=True,
        description="How long repeats of an event are recognized, counted from its first receive time; at most 99 days",
    )
    scope: Literal["source", "all"] = Field(
        "source", description="source: repeats are recognized within a source; all: across sources"
    )


def _narrow(glob: str) -> str:
    if not glob.strip("*? "):
        raise ValueError(f"expected a glob with a character besides * and ?, got {json.dumps(glob)}: it takes every id")
    return glob


Glob = Annotated[str, AfterValidator(_narrow)]


class BlockedConfig(Model):
    """Placeholders: texts that identify nobody and no message, such as `undefined`."""

    add: tuple[Glob, ...] = Field((), description="Globs of additional placeholders; case-insensitive")
    remove: tuple[str, ...] = Field((), description="Globs of built-in placeholders to accept as ids")

    def placeholders(self) -> Placeholders:
        """The built-in placeholders, changed by these globs."""
        return Placeholders(self.add, self.remove)


class IdentityConfig(Model):
    """A change of `blocked` applies to later events; profiles joined before stay joined."""

    blocked: BlockedConfig = BlockedConfig()


class DefaultsConfig(Model):
    source: dict[str, Any] = Field({}, description="Merged under each source")
    destination: dict[str, Any] = Field({}, description="Merged under each destination")


class Topology(Model):
    """One topology file, or several merged. Paths in it are absolute once loaded."""

    name: Name = Field(
        description="Name of the topology; consumer groups, transactional ids and state topics begin with it"
    )
    description: str = Field("", description="Free text for readers of this file")
    environment: Name | None = Field(
        None,
        description="Environment that it runs in, such as prod; sources and destinations labelled with another one "
        "take no part",
    )
    guarantee: Guarantee = Field(
        "exactly_once", description="Processing guarantee from the source topics to the destination topics"
    )
    default_source: Name | None = Field(None, description="Source of messages without a write key")
    partitioning: Literal["auto", "keyed"] = Field(
        "auto", description="auto: messages without a key are re-keyed; keyed: every producer sets keys"
    )
    topics: TopicsConfig = Field(TopicsConfig(), description="Names, partitions and retention of the topics")
    limits: LimitsConfig = Field(LimitsConfig(), description="Limits of events; larger ones go to events.invalid")
    gateway: GatewayConfig = Field(GatewayConfig(), description="Limits and timeouts of the HTTP gateway")
    dedupe: DedupeConfig = Field(DedupeConfig(), description="How repeated events are recognized")
    identity: IdentityConfig = Field(IdentityConfig(), description="How identifiers become profiles")
    privacy: PrivacyConfig = Field(PrivacyConfig(), description="Classes of personal data and how to treat each")
    mask: tuple[str, ...] = Field((), description="Names of fields whose values are masked in logs, samples and errors")
    sources: dict[Name, SourceConfig] = Field(description="Sources of events by name")
    destinations: dict[Name, DestinationConfig] = Field({}, description="Destinations of events by name")
    consent: ConsentConfig = Field(ConsentConfig(), description="How a person's consent is read from events")

    @property
    def enabled_destinations(self) -> list[str]:
        """The names of the destinations that events go to, in the order of the file."""
        return [
            name
            for name, destination in self.destinations.items()
            if destination.enabled and not is_of_another(destination.labels, self.environment)
        ]


def is_of_another(labels: Mapping[str, str], environment: str | None) -> bool:
    """Whether labels name another environment than the topology's; where either names none, they do not."""
    return environment is not None and labels.get("environment", environment) != environment


def chosen(globs: Sequence[str], name: str) -> bool:
    """Whether globs choose the name: in order, `!` takes back; no globs, or a first one with `!`, start from all."""
    taken = not globs or globs[0].startswith("!")
    for glob in globs:
        if fnmatchcase(name, glob.removeprefix("!")):
            taken = not glob.startswith("!")
    return taken
