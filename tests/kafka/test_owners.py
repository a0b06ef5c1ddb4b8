"""Two topologies on one Kafka never share a topic unless one takes over from the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.embedded.broker import EmbeddedBroker
from router.errors import RouterError
from router.events.topics import REGISTRY, TopicSpec
from router.kafka.admin import Admin
from router.kafka.cluster import EMBEDDED, Cluster
from router.kafka.owners import Claim, Owners, owners_of

NAMES = st.sampled_from(["shop", "blog", "app"])
CLAIMS = st.lists(st.builds(Claim, st.sampled_from("ab"), st.sampled_from("12"), NAMES, st.just("") | NAMES))
IDS = {"a": "1", "b": "1"}


@given(claims=CLAIMS)
def test_an_owner_changes_only_by_a_claim_that_names_it(claims: list[Claim]) -> None:
    for number in range(1, len(claims) + 1):
        before, after = owners_of(claims[: number - 1], IDS), owners_of(claims[:number], IDS)
        last = claims[number - 1]
        for topic in IDS:
            if before.get(topic, "") != after.get(topic, ""):
                assert (last.topic, last.topology) == (topic, after[topic])
                assert last.taken_from == before.get(topic, "")


@given(claims=CLAIMS)
def test_claims_on_a_topic_that_was_made_anew_count_for_nothing(claims: list[Claim]) -> None:
    assert owners_of(claims, {"a": "3"}) == {}


@pytest.fixture(scope="module")
def broker() -> Iterator[Cluster]:
    with EmbeddedBroker() as embedded:
        bootstrap = embedded.start({REGISTRY.name: 1, "events.raw": 1, "dest.crm": 1, "dest.lake": 1})
        yield Cluster(bootstrap, capabilities=EMBEDDED)


def test_the_first_topology_owns_and_the_second_is_refused_with_both_names(broker: Cluster) -> None:
    owners = Owners(broker)

    assert owners.claim("shop", ["events.raw", "dest.crm", "not.there"]) == ["events.raw", "dest.crm"]
    assert owners.claim("shop", ["events.raw", "dest.crm"]) == []
    with pytest.raises(RouterError) as refused:
        owners.claim("staging", ["events.raw", "dest.lake"])

    assert "topology staging may not use topics of another: to topology shop belong events.raw" in str(refused.value)
    assert "topics: {prefix: …}" in str(refused.value)
    assert "--take-over" in str(refused.value)


def test_a_topology_that_replaces_another_takes_its_topics_over(broker: Cluster) -> None:
    owners = Owners(broker)
    owners.claim("old-shop", ["dest.lake"])
    with pytest.raises(RouterError):
        owners.claim("new-shop", ["dest.lake"], take_over="blog")

    assert owners.claim("new-shop", ["dest.lake"], take_over="old-shop") == ["dest.lake"]
    with pytest.raises(RouterError, match=r"to topology new-shop belong dest\.lake"):
        owners.check("old-shop", ["dest.lake"])


@pytest.mark.kafka
def test_on_a_real_kafka_a_topic_made_anew_has_no_owner(kafka: str, unique: str) -> None:
    cluster = Cluster(kafka)
    admin, owners, topic = Admin(cluster), Owners(cluster), f"{unique}.raw"
    admin.create([TopicSpec(topic, 1)])
    assert owners.claim("shop", [topic]) == [topic]
    assert owners.foreign("blog", [topic]) == {topic: "shop"}

    assert owners.of({topic: "another id"}) == {}
