"""How many partitions the topics of a topology have: as it says, else as they have, else the default."""

from __future__ import annotations

from typing import Any

import pytest

from router.config.models import Topology
from router.config.topics import topics_of, wanted_topics

WEBHOOK = {"type": "webhook", "settings": {"url": "http://127.0.0.1:1"}}
CAPPED = {**WEBHOOK, "delivery": {"cap": {"count": 1, "within": "1h"}}}


def partitions(topics: dict[str, Any], found: dict[str, int] | None = None) -> dict[str, int]:
    """Of every topic but those that have one in any topology."""
    topology = Topology.model_validate(
        {
            "name": "shop",
            "topics": topics,
            "sources": {"web": {"write_keys": ["k"]}, "orders": {"topics": ["orders"]}},
            "destinations": {"crm": CAPPED, "ads": WEBHOOK},
        }
    )
    return {spec.name: spec.partitions for spec in wanted_topics(topology, found) if spec.partitions != 1}


def of_destination(name: str, count: int, *more: str) -> dict[str, int]:
    return dict.fromkeys([f"dest.{name}{end}" for end in ("", ".retry", ".dead", *more)], count)


def test_a_new_topology_has_three_of_each() -> None:
    assert set(partitions({}).values()) == {3}
    assert set(partitions({}, {"events.raw.of.another": 12}).values()) == {3}


@pytest.mark.parametrize("found", [{"events.raw": 12}, {"orders": 12}, {"events.raw": 12, "orders": 6}])
def test_a_topology_that_does_not_say_has_as_many_as_what_route_reads_of_it(found: dict[str, int]) -> None:
    """Its topics were made under another default: what is still missing is made like them, and a difference is one."""
    assert set(partitions({}, found).values()) == {12}


def test_what_it_says_counts_whatever_is_there() -> None:
    assert set(partitions({"partitions": 6}, {"events.raw": 12}).values()) == {6}


def test_destinations_have_their_own_and_one_that_has_topics_keeps_theirs() -> None:
    found = partitions({"partitions": 6, "destination_partitions": 2}, {"events.raw": 6, "dest.crm": 5})

    assert found.items() >= of_destination("crm", 5, ".caps").items()
    assert found.items() >= of_destination("ads", 2).items()
    assert {count for name, count in found.items() if not name.startswith("dest.")} == {6}


def test_a_prefix_is_part_of_what_is_looked_for() -> None:
    topology = Topology.model_validate({"name": "shop", "topics": {"prefix": "eu."}, "sources": {}, "destinations": {}})

    assert topics_of(topology, {"events.raw": 12}).partitions == 3
    assert topics_of(topology, {"eu.events.raw": 12}).partitions == 12
