"""A changed topology is taken over between two batches; wherever it falls, no event is lost or written twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import metrics
from router.agents.pipeline import Pipeline
from router.config.loader import Loaded, load_topology
from router.config.options import RunOptions
from router.destinations.registry import destination_types
from router.kafka.cluster import Cluster
from router.process.reload import Offer
from router.worker.active_topology import ActiveTopology
from tests.worker.fake_kafka import FakeKafka, Fuse
from tests.worker.test_crash_points import IDS, TOPICS, Disk, Life, delivered, effects, filled

TEXT = "name: shop\nsources: {web: {plan: ./plan}}\ndestinations: {%s: {type: file, settings: {path: ./out}}}\n"


def loaded(folder: Path, destination: str, total: str = "number", text: str = TEXT) -> Loaded:
    (folder / "plan/events").mkdir(parents=True, exist_ok=True)
    rule = "type: track\nevent: Order Completed\nproperties: {type: object, properties: {total: {type: %s}}}\n"
    (folder / "plan/events/order.yaml").write_text(rule % total)
    (folder / "t.yaml").write_text(text % destination)
    return load_topology([folder / "t.yaml"], env={}, registry=destination_types())


class Offers:
    """In the place of a Reload: one offer, at the given call of `take`."""

    def __init__(self, new: Loaded, at: int) -> None:
        self._new = new
        self._left = at
        self.taken: list[Any] = []

    def use(self, prepare: Callable[[Loaded], Pipeline], **_: Any) -> None:
        self._prepare = prepare

    def take(self) -> Offer[Pipeline] | None:
        self._left -= 1
        return Offer(self._new, self._prepare(self._new), ()) if self._left == 0 else None

    def done(self, offer: Any) -> None:
        self.taken.append(offer)


def follow(life: Life, old: Loaded, new: Loaded, at: int) -> tuple[ActiveTopology, Offers]:
    """Let a life take the new topology over at its round number `at`."""
    offers: Any = Offers(new, at)
    topology = ActiveTopology(old, life.isolated, None)
    topology.follow(
        offers, lambda of: life.pipeline_for(next(iter(of.topology.destinations))), Cluster("none:1"), RunOptions()
    )
    life.topology.topology = topology
    return topology, offers


def exactly_one_way(kafka: FakeKafka) -> bool:
    """Every event went to exactly one of the old and the new destination, once."""
    both = delivered(kafka, TOPICS.destination("crm")) + delivered(kafka, TOPICS.destination("mail"))
    return both == Counter(set(IDS)) == delivered(kafka)


@pytest.fixture
def topologies(tmp_path: Path) -> tuple[Loaded, Loaded]:
    return loaded(tmp_path, "crm"), loaded(tmp_path, "mail")


@pytest.mark.parametrize("small", [0, 200])
@pytest.mark.parametrize("at", range(1, 9))
def test_each_event_goes_by_the_old_or_by_the_new_topology(
    topologies: tuple[Loaded, Loaded], at: int, small: int
) -> None:
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), small=small)
    topology, offers = follow(life, *topologies, at)

    assert life.live()
    assert len(offers.taken) == 1
    assert topology.destinations == ["mail"]
    assert exactly_one_way(kafka)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(1, 12), last=st.integers(0, 80), chunk=st.integers(1, 5), keep_disk=st.booleans())
def test_a_kill_around_the_change_loses_and_repeats_nothing(
    tmp_path_factory: pytest.TempPathFactory, at: int, last: int, chunk: int, keep_disk: bool
) -> None:
    folder = tmp_path_factory.mktemp("renew")
    old, new = loaded(folder, "crm"), loaded(folder, "mail")
    kafka, disk = filled(IDS), Disk()
    life = Life(kafka, disk, "exactly_once", Fuse(last), chunk)
    follow(life, old, new, at)
    life.live()

    assert Life(kafka, disk if keep_disk else Disk(), "exactly_once", Fuse(), chunk, destination="mail").live()
    assert exactly_one_way(kafka)


def test_at_least_once_loses_nothing_either(topologies: tuple[Loaded, Loaded]) -> None:
    for last in range(0, effects("at_least_once", IDS), 3):
        kafka, disk = filled(IDS), Disk()
        life = Life(kafka, disk, "at_least_once", Fuse(last))
        follow(life, *topologies, 3)
        life.live()

        assert Life(kafka, disk, "at_least_once", Fuse(), destination="mail").live()
        assert set(delivered(kafka)) == set(IDS)
        both = delivered(kafka, TOPICS.destination("crm")) + delivered(kafka, TOPICS.destination("mail"))
        assert set(both) == set(IDS)


def shown() -> dict[tuple[str, str], float]:
    (family,) = metrics.PLAN_INFO.collect()
    return {(sample.labels["source"], sample.labels["revision"]): sample.value for sample in family.samples}


def test_the_metrics_tell_the_revision_and_the_band_in_force_and_no_other(tmp_path: Path) -> None:
    old = loaded(tmp_path, "crm")
    new = loaded(tmp_path, "crm", "string", TEXT + "\ndefaults: {source: {volume: {band: 20%%}}}\n")
    metrics.PLAN_INFO.clear()
    life = Life(filled(IDS), Disk(), "exactly_once", Fuse())
    follow(life, old, new, 2)
    assert shown() == {("web", old.plans["web"].plan.revision): 1}
    assert metrics.REGISTRY.get_sample_value("router_source_volume_band_ratio", {"source": "web"}) == 0.5

    life.live()

    assert shown() == {("web", new.plans["web"].plan.revision): 1}
    assert metrics.REGISTRY.get_sample_value("router_source_volume_band_ratio", {"source": "web"}) == 0.2
    assert old.plans["web"].plan.revision != new.plans["web"].plan.revision
