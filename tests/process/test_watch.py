"""The watch over children: told when all are ready, a hanging one replaced, a slow or dead one left alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from router.process import watch
from router.process.health import Health
from router.process.merge import Children
from router.process.serve import MetricsServer, bind
from router.process.watch import SILENT_SECONDS, START_SECONDS, Watch


class Scene:
    """One child's page, and what the watch asked for."""

    def __init__(self, server: MetricsServer, health: Health) -> None:
        self.health = health
        self.running = True
        self.now = 1000.0
        self.replaced: list[tuple[str, str]] = []
        children = Children({"route": server.address}, runs=lambda name: self.running)
        self.watch = Watch(children, lambda name: self.running, lambda *asked: self.replaced.append(asked))

    def look(self, *, after: float = 0) -> None:
        self.now += after
        self.watch.look()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    health = Health()
    with MetricsServer(bind(("127.0.0.1", 0)), health, CollectorRegistry()) as server:
        scene = Scene(server, health)
        monkeypatch.setattr(watch, "monotonic", lambda: scene.now)
        yield scene


def test_a_child_that_is_not_live_for_long_enough_is_replaced_once_with_the_reason(scene: Scene) -> None:
    """The next one has time to start in."""
    scene.look()
    scene.health.live("progress", False, "stuck")
    scene.look()
    scene.look(after=SILENT_SECONDS - 1)
    assert scene.replaced == []

    scene.look(after=1)
    assert scene.replaced == [("route", "progress: stuck")]
    scene.look()
    scene.look(after=START_SECONDS - 1)
    assert len(scene.replaced) == 1


def test_a_child_that_never_began_to_live_is_replaced_too(scene: Scene) -> None:
    scene.health.live("progress", False, "importing")
    scene.look()
    scene.look(after=START_SECONDS - 1)
    assert scene.replaced == []

    scene.look(after=1)
    assert scene.replaced == [("route", "progress: importing")]


def test_how_often_it_is_asked_does_not_shorten_its_time(scene: Scene) -> None:
    scene.health.live("progress", False, "starting")
    for _ in range(20):
        scene.look(after=0.5)

    assert scene.replaced == []


def test_one_good_answer_forgives_all_before(scene: Scene) -> None:
    scene.health.live("progress", False, "slow")
    scene.look()
    scene.health.live("progress", True)
    scene.look(after=SILENT_SECONDS - 1)
    scene.health.live("progress", False, "slow")
    scene.look(after=2)

    assert scene.replaced == []


def test_a_child_that_does_not_run_is_the_supervisor_s_business(scene: Scene) -> None:
    scene.running = False
    scene.look()
    scene.look(after=SILENT_SECONDS * 2)

    assert scene.replaced == []


def test_a_child_that_is_live_but_not_ready_is_never_replaced(scene: Scene) -> None:
    scene.health.ready("kafka", False, "broker does not answer")
    scene.look()
    scene.look(after=SILENT_SECONDS * 2)

    assert scene.replaced == []


def test_readiness_of_all_is_told_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "router.process.watch"):
        scene.look()
        assert caplog.messages == []
        scene.health.ready("kafka", True)
        for _ in range(3):
            scene.look()
    assert caplog.messages == ["all processes are ready"]


def test_it_reports_once_that_the_gateway_takes_requests() -> None:
    health, reports = Health(), []
    with MetricsServer(bind(("127.0.0.1", 0)), health, CollectorRegistry()) as server:
        children = Children({"gateway": server.address}, runs=lambda name: True)
        watch = Watch(children, children.runs, lambda *_: None, serves=lambda: reports.append("serves"))
        watch.look()
        assert reports == []
        health.ready("kafka", True)
        for _ in range(2):
            watch.look()
    assert reports == ["serves"]
