"""Fixtures of the delivery tests: a partner, and a stage on each kind of broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from router.embedded.broker import EmbeddedBroker
from tests.brokers import choice
from tests.delivery.partner import Partner
from tests.delivery.stage import Stage

Staging = Callable[..., Stage]


@pytest.fixture
def partner(tmp_path: Path) -> Iterator[Partner]:
    with Partner(tmp_path) as one:
        yield one


@pytest.fixture
def embedded_stage(embedded: EmbeddedBroker, tmp_path: Path, unique: str) -> Staging:
    """Makes a stage of these destinations on the embedded broker."""
    return lambda destinations, **topology: Stage(embedded, tmp_path, unique, destinations, **topology)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def stage(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> Staging:
    """Makes a stage of these destinations, on either broker."""
    broker: Any = request.getfixturevalue(request.param)
    return lambda destinations, **topology: Stage(broker, tmp_path, unique, destinations, **topology)


@pytest.fixture
def best_stage(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> Staging:
    """Makes a stage of these destinations on a real Kafka where there is one, else on the embedded broker."""
    broker: Any = request.getfixturevalue("embedded" if choice.missing() else "kafka")
    return lambda destinations, **topology: Stage(broker, tmp_path, unique, destinations, **topology)


@pytest.fixture
def kafka_stage(kafka: str, tmp_path: Path, unique: str) -> Staging:
    """Makes a stage of these destinations on a real Kafka."""
    return lambda destinations, **topology: Stage(kafka, tmp_path, unique, destinations, **topology)
