"""The gateway takes no event before it knows that the topics are its topology's own."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from router.config.loader import Loaded
from router.config.options import RunOptions
from router.config.topics import topics_of
from router.embedded.broker import EmbeddedBroker
from router.errors import RouterError
from router.gateway.server import serve
from router.kafka.owners import Owners
from router.process.health import Health
from tests.gateway.running import make_topics, topology


def test_a_gateway_whose_topics_belong_to_another_topology_ends(embedded: EmbeddedBroker, unique: str) -> None:
    ours, health = topology(unique), Health()
    topics = topics_of(ours)
    make_topics(topics, embedded.cluster, embedded)
    Owners(embedded.cluster).claim("other", [topics.raw])
    options = RunOptions(bootstrap=embedded.cluster.bootstrap, gateway=("127.0.0.1", 0))

    with pytest.raises(RouterError, match=f"to topology other belong {topics.raw}"):
        asyncio.run(asyncio.wait_for(serve(Loaded(ours, (), (), {}, {}), options, Event(), health), 60))

    assert not health.readiness().ok
