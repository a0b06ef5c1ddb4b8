from __future__ import annotations

from collections.abc import Callable

import pytest

from router.kafka.cluster import Cluster
from tests.kafka import guarantees


@pytest.mark.parametrize("check", guarantees.CHECKS)
def test_the_kafka_at_hand_keeps_what_the_router_builds_on(
    check: Callable[[Cluster, str], None], kafka: str, unique: str
) -> None:
    check(Cluster(kafka), unique)


@pytest.mark.parametrize("check", guarantees.CHECKS)
def test_so_does_the_image_that_the_compose_file_names(
    check: Callable[[Cluster, str], None], kafka_container: str, unique: str
) -> None:
    check(Cluster(kafka_container), unique)
