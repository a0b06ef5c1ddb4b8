"""Which Kafka to talk to, and what its broker can do. Whoever starts a broker states the latter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from router.config.options import RunOptions
from router.errors import UsageError
from router.mask import secret_settings

# What the guarantees rest on: an override would break them without a word.
FIXED = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "isolation.level",
        "metadata.broker.list",
        "partition.assignment.strategy",
        "partitioner",
        "request.required.acks",
        "transactional.id",
    }
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a broker can do beyond storing and serving records. Code asks for these, not for a kind of broker.

    `transactions`: aborted records stay unread and old producers are fenced. `topic_administration`: topics are created
    and configured by admin calls. `retention`: unread messages are kept until their retention ends; without it a full
    partition drops its oldest, so writers ask `router.embedded.capacity` first. `prompt_groups`: a rebalance does not
    wait for the session timeout. `prompt_fetch`: a waiting fetch returns when data arrives.
    `time_index`: offsets are found by time.
    """

    transactions: bool = True
    topic_administration: bool = True
    retention: bool = True
    prompt_groups: bool = True
    prompt_fetch: bool = True
    time_index: bool = True


KAFKA = Capabilities()
EMBEDDED = Capabilities(
    transactions=False, topic_administration=False, retention=False, prompt_groups=False, prompt_fetch=False,
    time_index=False,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cluster:
    """`bootstrap` is `HOST:PORT,…`; `overrides` are librdkafka settings (SASL, TLS, tuning) for every client."""

    bootstrap: str
    overrides: Mapping[str, str] = field(default_factory=dict, repr=False)
    capabilities: Capabilities = KAFKA

    @classmethod
    def of(cls, options: RunOptions) -> Cluster:
        """The cluster of a process."""
        return cls(options.bootstrap, options.kafka, EMBEDDED if options.embedded else KAFKA)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in logs."""
        return tuple(secret_settings(self.overrides))


def parse_overrides(pairs: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE` each. Raises UsageError; its text never repeats a value."""
    overrides: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError("--kafka: expected KEY=VALUE")
        if key in FIXED:
            raise UsageError(f"--kafka {key}: the router sets this itself; its guarantees rest on it")
        overrides[key] = value
    return overrides
