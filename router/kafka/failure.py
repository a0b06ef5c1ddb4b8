"""Client failures as errors of this project: the broker is not there, or it refused what was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from router.errors import RouterError, Unavailable, UsageError

# A partition has no leader yet, or the client's picture of the cluster is older than the last change of leaders.
LEADER_CHANGING = frozenset(
    {"FENCED_LEADER_EPOCH", "LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION", "UNKNOWN_LEADER_EPOCH"}
)

# A group's coordinator is being found, or has just moved.
COORDINATOR_CHANGING = frozenset(
    {"_WAIT_COORD", "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"}
)

# The names that librdkafka and the protocol give to "nobody answers there" and "you may not come in".
ABSENT = frozenset(
    {
        "_ALL_BROKERS_DOWN",
        "_AUTHENTICATION",
        "_DESTROY_BROKER",
        "_NOENT",  # no leader was found for what was asked
        "_RESOLVE",
        "_SSL",
        "_TIMED_OUT",
        "_TRANSPORT",
        "BROKER_NOT_AVAILABLE",
        "NETWORK_EXCEPTION",
        "NOT_CONTROLLER",
        "NOT_ENOUGH_REPLICAS",
        "REQUEST_TIMED_OUT",
        "SASL_AUTHENTICATION_FAILED",
        *COORDINATOR_CHANGING,
        *LEADER_CHANGING,
    }
)


def router_error(error: KafkaException, doing: str) -> RouterError:
    """Unavailable (status 3) when the broker is not there, UsageError (2) for a setting it does not know, else 1."""
    cause = error.args[0] if error.args else error
    if not isinstance(cause, KafkaError):
        return RouterError(f"{doing}: {cause}")
    text = f"{doing}: {cause.str()} ({cause.name()})"
    if cause.name() in ABSENT:
        return Unavailable(text)
    return UsageError(text) if cause.name() == "_INVALID_ARG" else RouterError(text)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """KafkaException inside becomes a RouterError that begins with `doing`."""
    try:
        yield
    except KafkaException as error:
        raise router_error(error, doing) from error
