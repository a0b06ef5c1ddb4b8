"""Which Kafka to talk to. Whether it is the embedded one is stated by whoever started it, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from router.errors import UsageError

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
SECRET_WORDS = ("password", "secret", "ssl.key.pem", "sasl.oauthbearer.config")


@dataclass(frozen=True, slots=True)
class Cluster:
    """`bootstrap` is `HOST:PORT,…`; `overrides` are librdkafka settings (SASL, TLS, tuning) for every client."""

    bootstrap: str
    overrides: Mapping[str, str] = field(default_factory=dict, repr=False)
    embedded: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in logs."""
        return tuple(value for key, value in self.overrides.items() if any(word in key for word in SECRET_WORDS))


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
