"""The topology file as typed models. Spelling is a contract with users: it changes only with a CHANGELOG line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from router.config.filters import MAX_FILTERS, FilterConfig
from router.config.types import Bytes, Duration, Model, Name, Rate, Secret
from router.events.placeholders import Placeholders

CallType = Literal["identify", "track", "page", "screen", "group", "alias"]
Action = Literal["allow", "omit", "block"]
Guarantee = Literal["exactly_once", "at_least_once"]


class TopicsConfig(Model):
    prefix: str = Field("", pattern=r"^([a-z0-9][a-z0-9-]*[.-])?$", description="Put before every topic name")
    partitions: int = Field(
        12,
        ge=1,
        le=1000,
        description="Of every topic but the identity log, for life: the most route workers, and the price of latency",
    )
    resolved: bool = Field(True, description="Write the clean stream, events.resolved")
    replication: int = Field(0, ge=0, le=9, description="Replication factor; 0 is the broker's default")
    raw_retention: Duration = Field("7d", validate_default=True, description="How long events.raw keeps an event")
    retention: Duration = Field("7d", validate_default=True, description="How long the other topics keep an event")


class ClassActions(Model):
    """What happens to each class of violation. Left out: the source's own action, else `allow` (report only)."""

    unplanned_event: Action | None = Field(None, description="The plan does not know the event")
    unplanned_property: Action | None = Field(None, description="The plan does not know a property or trait")
    violation: Action | None = Field(None, description="The event breaks its own schema")
    common: Action | None = Field(None, description="The event breaks the schemas common to all events")


class Enforce(ClassActions):
    """Actions of a source; a call type may override them."""

    identify: ClassActions = ClassActions()
    track: ClassActions = ClassActions()
    page: ClassActions = ClassActions()
    screen: ClassActions = ClassActions()
    group: ClassActions = ClassActions()
    alias: ClassActions = ClassActions()
    forward_blocked_to: Name | None = Field(None, description="A source that blocked events are sent to as well")
    forward_violations_to: Name | None = Field(None, description="A source that gets a Violation Generated event each")


class SourceConfig(Model):
    description: str = ""
    type: str = Field("segment", description="What its messages are: Segment-spec events")
    write_keys: tuple[Secret, ...] = Field((), description="What its producers name it by; each belongs to one source")
    topics: tuple[str, ...] = Field((), description="Topics whose every message is this source's")
    plan: Path | None = Field(None, description="Folder of its tracking plan; left out: everything is allowed")
    enforce: Enforce = Enforce()
    enabled: bool = Field(True, description="false: its events go to events.invalid")


class BatchConfig(Model):
    count: int = Field(100, ge=1, description="Events a request carries at most")
    bytes: Bytes = Field("512KiB", validate_default=True, description="Size of a request at most")
    age: Duration = Field("50ms", validate_default=True, description="How long a request waits to fill")


class RetryConfig(Model):
    budget: Duration = Field("4h", validate_default=True, description="From the first attempt to the dead letter")
    first: Duration = Field("10s", validate_default=True, description="Pause before the second attempt; then doubling")
    longest: Duration = Field("5m", validate_default=True, description="Longest pause between attempts")


class DeliveryConfig(Model):
    order: Literal["profile", "none"] | None = Field(
        None, description="profile: one profile's events in order; left out: as the partner needs it"
    )
    batch: BatchConfig | None = Field(None, description="Left out: one event a request where the partner allows it")
    concurrency: int = Field(8, ge=1, le=1000, description="Requests at the same time, for each process")
    rate: Rate | None = Field(None, description="Events a second at most, for each process; left out: no limit")
    timeout: Duration = Field("10s", validate_default=True, description="Of one attempt")
    retry: RetryConfig = RetryConfig()


class DestinationConfig(Model):
    type: str = Field(description="A destination type; see `router destinations`")
    description: str = ""
    sources: tuple[str, ...] = Field(("*",), description="Globs of sources, in order; `!` takes back. Left out: all")
    enabled: bool = True
    types: tuple[CallType, ...] = Field((), description="Call types it gets; left out: all")
    events: tuple[str, ...] = Field((), description="Names of track calls it gets; left out: all")
    except_: tuple[str, ...] = Field((), alias="except", description="Names of track calls it does not get")
    filters: tuple[FilterConfig, ...] = Field(
        (), max_length=MAX_FILTERS, description="What it gets by content, and in which part; asked in order"
    )
    integration: str | None = Field(None, description="Further name that an event's integrations object may use")
    settings: dict[str, Any] = Field({}, repr=False, description="Of its type; see `router destinations show TYPE`")
    delivery: DeliveryConfig = DeliveryConfig()


class LimitsConfig(Model):
    event_bytes: Bytes = Field("32KiB", validate_default=True, description="Of one event")
    batch_bytes: Bytes = Field("500KiB", validate_default=True, description="Of a message with several events")
    depth: int = Field(32, ge=4, le=500, description="Levels of nesting")
    keys: int = Field(2000, ge=10, description="Keys of all objects in an event")
    message_id: int = Field(100, ge=16, le=1000, description="Characters of a messageId")


class GatewayConfig(Model):
    body_bytes: Bytes = Field("500KiB", validate_default=True, description="Of a request body as sent, then 413")
    inflated_bytes: Bytes = Field("4MiB", validate_default=True, description="Of a gzip body once inflated, then 413")
    max_in_flight: int = Field(10_000, ge=1, description="Events not yet acknowledged by Kafka, then 503")
    events_per_second: float | None = Field(None, gt=0, description="Per write key, then 429; default: no limit")
    cors_origins: tuple[str, ...] = Field((), description="Origins of web pages that may send events; `*` allows all")
    trusted_proxies: int = Field(0, ge=0, le=10, description="Proxies in front that append to X-Forwarded-For")
    max_connections: int = Field(2000, ge=1, description="Further connections are closed at once")
    ack_timeout: Duration = Field("10s", validate_default=True, description="For Kafka's acknowledgement, then 503")
    body_timeout: Duration = Field("10s", validate_default=True, description="For a complete body, then 408")
    idle_timeout: Duration = Field(
        "75s",
        validate_default=True,
        description="For a complete request head, then close",
    )


class DedupeConfig(Model):
    window: Duration = Field("24h", validate_default=True, description="From the first receive time of an event")
    scope: Literal["source", "all"] = Field("source", description="all: a repeat is found across sources")


def _narrow(glob: str) -> str:
    if not glob.strip("*? "):
        raise ValueError(f"expected a glob with a character besides * and ?, got {json.dumps(glob)}: it takes every id")
    return glob


Glob = Annotated[str, AfterValidator(_narrow)]


class BlockedConfig(Model):
    """Placeholders: texts that name nobody, neither as an identifier nor as a messageId."""

    add: tuple[Glob, ...] = Field((), description="Globs of further placeholders; letter case makes no difference")
    remove: tuple[str, ...] = Field((), description="Globs of placeholders that are somebody's ids after all")

    def placeholders(self) -> Placeholders:
        """The built-in placeholders, changed by these globs."""
        return Placeholders(self.add, self.remove)


class IdentityConfig(Model):
    """A change of `blocked` holds for events that come after it; profiles joined before stay joined."""

    blocked: BlockedConfig = BlockedConfig()


class DefaultsConfig(Model):
    source: dict[str, Any] = Field({})
    destination: dict[str, Any] = Field({})


class Topology(Model):
    """One topology file, or several merged. Paths in it are absolute once loaded."""

    name: Name = Field(description="Begins the names of consumer groups, transactional ids and state topics")
    description: str = ""
    guarantee: Guarantee = Field("exactly_once", description="From the source topics to the destination topics")
    default_source: Name | None = Field(None, description="The source of a message that names no write key")
    partitioning: Literal["auto", "keyed"] = Field("auto", description="auto: messages without a key are re-keyed")
    topics: TopicsConfig = TopicsConfig()
    limits: LimitsConfig = LimitsConfig()
    gateway: GatewayConfig = GatewayConfig()
    dedupe: DedupeConfig = DedupeConfig()
    identity: IdentityConfig = IdentityConfig()
    mask: tuple[str, ...] = Field((), description="Field names whose values no log, sample or error shows")
    sources: dict[Name, SourceConfig]
    destinations: dict[Name, DestinationConfig] = Field({})

    @property
    def enabled_destinations(self) -> list[str]:
        """The names of the destinations that events go to, in the order of the file."""
        return [name for name, destination in self.destinations.items() if destination.enabled]
