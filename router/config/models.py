"""The topology file as typed models. Spelling is a contract with users: it changes only with a CHANGELOG line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from router.config.types import Bytes, Duration, Model, Name, Rate, Secret

CallType = Literal["identify", "track", "page", "screen", "group", "alias"]
Action = Literal["allow", "omit", "block"]
Guarantee = Literal["exactly_once", "at_least_once"]


class TopicsConfig(Model):
    prefix: str = Field("", pattern=r"^([a-z0-9][a-z0-9-]*[.-])?$", description="Put before every topic name")
    partitions: int = Field(12, ge=1, le=1000)
    resolved: bool = Field(True, description="Write the clean stream, events.resolved")
    replication: int = Field(0, ge=0, le=9, description="Replication factor; 0 is the broker's default")
    raw_retention: Duration = Field("7d", validate_default=True)
    retention: Duration = Field("7d", validate_default=True)


class ClassActions(Model):
    """What happens to each class of violation. Left out: the source's own action, else `allow` (report only)."""

    unplanned_event: Action | None = None
    unplanned_property: Action | None = None
    violation: Action | None = None
    common: Action | None = None


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
    type: str = "segment"
    write_keys: tuple[Secret, ...] = ()
    topics: tuple[str, ...] = Field((), description="Topics whose every message is this source's")
    plan: Path | None = None
    enforce: Enforce = Enforce()
    enabled: bool = True


class BatchConfig(Model):
    count: int = Field(100, ge=1)
    bytes: Bytes = Field("512KiB", validate_default=True)
    age: Duration = Field("50ms", validate_default=True)


class RetryConfig(Model):
    budget: Duration = Field("4h", validate_default=True, description="From the first attempt to the dead letter")
    first: Duration = Field("10s", validate_default=True)
    longest: Duration = Field("5m", validate_default=True)


class DeliveryConfig(Model):
    order: Literal["profile", "none"] = "none"
    batch: BatchConfig | None = Field(None, description="Left out: one event a request where the partner allows it")
    concurrency: int = Field(8, ge=1, le=1000)
    rate: Rate | None = None
    timeout: Duration = Field("10s", validate_default=True)
    retry: RetryConfig = RetryConfig()


class DestinationConfig(Model):
    type: str
    description: str = ""
    sources: tuple[str, ...] = ("*",)
    enabled: bool = True
    types: tuple[CallType, ...] = ()
    events: tuple[str, ...] = ()
    except_: tuple[str, ...] = Field((), alias="except")
    integration: str | None = Field(None, description="Further name that an event's integrations object may use")
    settings: dict[str, Any] = Field({}, repr=False)
    delivery: DeliveryConfig = DeliveryConfig()


class LimitsConfig(Model):
    event_bytes: Bytes = Field("32KiB", validate_default=True)
    batch_bytes: Bytes = Field("500KiB", validate_default=True)
    depth: int = Field(32, ge=4, le=500)
    keys: int = Field(2000, ge=10)
    message_id: int = Field(100, ge=16, le=1000)


class GatewayConfig(Model):
    body_bytes: Bytes = Field("500KiB", validate_default=True, description="Limit before inflating")
    inflated_bytes: Bytes = Field("4MiB", validate_default=True)
    max_in_flight: int = Field(10_000, ge=1)
    events_per_second: float | None = Field(None, gt=0, description="Per write key; left out: no limit")
    cors_origins: tuple[str, ...] = Field((), description="Origins whose pages may send; `*` allows every one")
    trusted_proxies: int = Field(0, ge=0, le=10, description="Proxies in front that append to X-Forwarded-For")
    max_connections: int = Field(2000, ge=1)
    ack_timeout: Duration = Field("10s", validate_default=True, description="Wait for Kafka, then 503")
    body_timeout: Duration = Field("10s", validate_default=True, description="For a whole body to arrive, then 408")
    idle_timeout: Duration = Field("75s", validate_default=True, description="For a request's head to arrive")


class DedupeConfig(Model):
    window: Duration = Field("24h", validate_default=True)


class DefaultsConfig(Model):
    source: dict[str, Any] = Field({})
    destination: dict[str, Any] = Field({})


class Topology(Model):
    """One topology file, or several merged. Paths in it are absolute once loaded."""

    name: Name
    description: str = ""
    guarantee: Guarantee = "exactly_once"
    default_source: Name | None = None
    partitioning: Literal["auto", "keyed"] = Field("auto", description="auto: messages without a key are re-keyed")
    topics: TopicsConfig = TopicsConfig()
    limits: LimitsConfig = LimitsConfig()
    gateway: GatewayConfig = GatewayConfig()
    dedupe: DedupeConfig = DedupeConfig()
    mask: tuple[str, ...] = Field((), description="Field names whose values no log, sample or error shows")
    sources: dict[Name, SourceConfig]
    destinations: dict[Name, DestinationConfig] = Field({})
