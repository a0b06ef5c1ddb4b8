"""One page for all children: each family once, every sample told apart, the dead said to be dead."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from router.process.health import Health
from router.process.merge import Children, MergedPage, merged
from router.process.scrape import families
from router.process.serve import MetricsServer, bind

NOWHERE = ("127.0.0.1", 1)


class FakeChild:
    """A metrics page like a child's, with its own registry."""

    def __init__(self, stack: ExitStack, events: int) -> None:
        self.health = Health()
        self.registry = CollectorRegistry()
        received = Counter("t_received", 'Events "received"\nback\\slash', ("topic",), registry=self.registry)
        received.labels('a"b\\c\nd').inc(events)
        Histogram("t_seconds", "Latency", registry=self.registry, buckets=(1, 2)).observe(1.5)
        Gauge("t_ready", "Ready", registry=self.registry).set(1)
        self.server = stack.enter_context(MetricsServer(bind(("127.0.0.1", 0)), self.health, self.registry))


class Family:
    """Two children that answer, one that does not run, one that runs but does not answer."""

    def __init__(self, stack: ExitStack) -> None:
        self.first, self.second = FakeChild(stack, 3), FakeChild(stack, 4)
        addresses = {
            "gateway": self.first.server.address,
            "route": self.second.server.address,
            "gone": self.first.server.address,
            "mute": NOWHERE,
        }
        self.children = Children(addresses, runs=lambda name: name != "gone")
        self.registry = CollectorRegistry()
        self.registry.register(MergedPage(self.children))

    def page(self) -> str:
        return generate_latest(self.registry).decode()


@pytest.fixture
def family() -> Iterator[Family]:
    with ExitStack() as stack:
        yield Family(stack)


def samples(page: str, name: str) -> dict[str, float]:
    """Values by process of all samples of this name."""
    found = [s for f in families(page) for s in f.samples if s.name == name]
    assert len({s.labels["process"] for s in found}) == len(found)
    return {s.labels["process"]: s.value for s in found}


def test_every_family_is_declared_once(family: Family) -> None:
    declared = Tally(line.split()[2] for line in family.page().splitlines() if line.startswith("# TYPE"))
    assert declared["t_received_total"] == 1
    assert set(declared.values()) == {1}


def test_samples_keep_their_values_and_say_whose_they_are(family: Family) -> None:
    page = family.page()
    assert samples(page, "t_received_total") == {"gateway": 3, "route": 4}
    assert samples(page, "t_ready") == {"gateway": 1, "route": 1}
    assert samples(page, "t_seconds_count") == {"gateway": 1, "route": 1}


def test_labels_and_help_survive_whatever_is_in_them(family: Family) -> None:
    (received,) = [f for f in families(family.page()) if f.name == "t_received"]
    assert received.documentation == 'Events "received"\nback\\slash'
    assert {s.labels["topic"] for s in received.samples} == {'a"b\\c\nd'}
    assert received.type == "counter"


def test_a_child_that_is_gone_or_mute_is_down_and_nobody_else_suffers(family: Family) -> None:
    up = samples(family.page(), "router_up")
    assert {name: up[name] for name in ("gateway", "route", "gone", "mute")} == {
        "gateway": 1,
        "route": 1,
        "gone": 0,
        "mute": 0,
    }


def test_the_supervisor_s_own_gauges_are_on_the_page(family: Family) -> None:
    page = family.page()
    assert "up" in samples(page, "router_ready")
    assert "up" in samples(page, "router_live")


def test_a_label_process_of_a_sample_s_own_is_kept() -> None:
    page = families('# TYPE router_up gauge\nrouter_up{process="route"} 1\n')
    (family,) = merged({"up": page})
    assert family.samples[0].labels == {"process": "route"}


def test_a_family_without_samples_takes_no_room() -> None:
    page = families("# HELP x Nothing yet\n# TYPE x gauge\n# TYPE y gauge\ny 1\n")
    assert [family.name for family in merged({"a": page})] == ["y"]


def test_merging_leaves_the_children_s_pages_as_they_were() -> None:
    page = families("# TYPE x gauge\nx 1\n")
    merged({"a": page, "b": page})
    assert page[0].samples[0].labels == {}
    assert len(page[0].samples) == 1


def test_the_last_answer_of_a_child_outlives_it(family: Family) -> None:
    family.children.pages()
    family.first.server.stop()
    assert "gateway" not in family.children.pages()
    assert "t_received" in {f.name for f in family.children.last["gateway"]}


def test_ready_when_all_children_are_and_the_reason_names_the_child(family: Family) -> None:
    family.first.health.ready("kafka", True)
    report = family.children.readiness()
    assert not report.ok
    assert report.checks["gateway"].ok
    assert report.checks["route"].why == "start: starting"
    assert report.checks["gone"].why == "not running"
    assert "no answer" in report.checks["mute"].why


def test_live_when_all_children_are() -> None:
    with ExitStack() as stack:
        child = FakeChild(stack, 1)
        children = Children({"route": child.server.address}, runs=lambda name: True)
        child.health.live("deliver.crm", True, "held back: the partner is down")
        assert children.liveness().ok
        assert children.liveness().checks["route deliver.crm"].why == "held back: the partner is down"
        child.health.live("progress", False, "stuck")
        assert children.liveness().why() == "route: progress: stuck"
