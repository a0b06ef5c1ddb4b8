"""The best real Kafka at hand: the one that is named, jars, a container. Jars first: 3 s instead of 7, and killable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ops.kafka import kraft
from ops.kafka.kraft import KraftBroker
from tests.brokers import container

BOOTSTRAP = "ROUTER_TEST_BOOTSTRAP"


def missing() -> str | None:
    """Why there is no real Kafka for the tests, or None."""
    if os.environ.get(BOOTSTRAP):
        return None
    jars = kraft.missing()
    image = container.missing() if jars else None
    return f"no real Kafka: {BOOTSTRAP} is not set; {jars}; {image}" if jars and image else None


@contextmanager
def real_kafka() -> Iterator[str]:
    """Its bootstrap address; whatever was started for it ends with the block."""
    named = os.environ.get(BOOTSTRAP)
    if named:
        yield named
    elif kraft.missing() is None:
        with KraftBroker() as broker:
            yield broker.bootstrap
    else:
        with container.running() as bootstrap:
            yield bootstrap
