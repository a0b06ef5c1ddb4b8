"""`delivery` of a destination: order, batches, rate, attempts and how they are repeated, cap, log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from router.config.delivery_log import LOG_ALL, LogConfig
from router.config.types import Bytes, Duration, Model, Rate


class BatchConfig(Model):
    count: int = Field(100, ge=1, description="Maximum number of events in a request")
    bytes: Bytes = Field("512KiB", validate_default=True, description="Maximum size of a request")
    age: Duration = Field("50ms", validate_default=True, description="Maximum time a request waits for more events")


class RetryConfig(Model):
    budget: Duration = Field(
        "4h", validate_default=True, description="Time from the first attempt until an event becomes a dead letter"
    )
    first: Duration = Field(
        "10s", validate_default=True, description="Delay before the second attempt; doubles with each further one"
    )
    longest: Duration = Field("5m", validate_default=True, description="Maximum delay between attempts")


class CapConfig(Model):
    """What is above is not sent; it is counted and logged as filtered, with the reason `cap`."""

    per: Literal["profile"] = Field("profile", description="Whose messages are counted: those of one person")
    count: int = Field(ge=1, le=1000, description="Maximum number of events delivered to one person within the time")
    within: Duration = Field(description="The time, up to now, in which deliveries count")
    events: tuple[str, ...] = Field(
        (), description="Names of track events that count and are held back; left out: every event of the destination"
    )


class DeliveryConfig(Model):
    order: Literal["profile", "none"] | None = Field(
        None, description="profile: a profile's events are delivered in order; default: as the partner needs it"
    )
    batch: BatchConfig | None = Field(
        None,
        description="How events are batched; default: one event per request where the partner allows it",
    )
    concurrency: int = Field(8, ge=1, le=1000, description="Maximum number of concurrent requests per process")
    rate: Rate | None = Field(None, description="Maximum rate of events per process; default: no limit")
    timeout: Duration = Field("10s", validate_default=True, description="Timeout of one attempt")
    retry: RetryConfig = RetryConfig()
    cap: CapConfig | None = Field(None, description="No more than so many messages to one person; default: no limit")
    log: LogConfig = Field(
        LOG_ALL, description="Events that the delivery log names by messageId: all, none, or a part: {sample: 0.1}"
    )
