"""A poison event, one that makes an agent raise, goes to events.invalid with its stage; its neighbours go their way."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import metrics
from router.agents.agent import Prepare
from router.agents.batch import Batch
from router.agents.events import Events
from router.agents.pipeline import Pipeline
from router.errors import Unavailable
from router.events.event import Event
from tests.worker.fake_kafka import Crash, FakeKafka, Fuse
from tests.worker.test_crash_points import IDS, TOPICS, Disk, Life, delivered, filled

SECRET = "a value of the event"
STAGES = ("decode", "validate", "identify")


class Poison:
    """Makes one agent of a pipeline raise for some events."""

    def __init__(
        self, pipeline: Pipeline, stage: str, names: Sequence[str], error: type[BaseException] = ZeroDivisionError
    ) -> None:
        self._names = frozenset(names)
        self._error = error
        if stage == "decode":
            fast, items = pipeline.decode.fast, pipeline.decode.items
            pipeline.decode.fast = lambda message, *rest: self._look(fast, message, rest)  # type: ignore[method-assign]
            pipeline.decode.items = lambda message, *rest: self._look(items, message, rest)  # type: ignore[method-assign]
            return
        (agent,) = [agent for agent in pipeline.agents if agent.name == stage]
        compiled, process = agent.compile, agent.process
        if stage == "validate":
            agent.compile = lambda key: self._prepare(compiled(key))  # type: ignore[method-assign]
        else:
            agent.process = lambda events, batch: process(self._looked_at(events), batch)  # type: ignore[method-assign]

    def _look(self, take: Any, message: Any, rest: Any) -> Any:
        self._spoil(orjson.loads(message.value())["messageId"])
        return take(message, *rest)

    def _prepare(self, step: Prepare | None) -> Prepare:
        def prepare(event: Event) -> object:
            self._spoil(event.body["messageId"])
            return step(event) if step is not None else None

        return prepare

    def _looked_at(self, events: Events) -> Events:
        for row in range(len(events)):
            self._spoil(orjson.loads(events.value(row))["messageId"])
        return events

    def _spoil(self, name: str) -> None:
        if name in self._names:
            raise self._error(SECRET)


def kept(kafka: FakeKafka) -> Counter[tuple[str, str, str]]:
    """messageId, reason and stage of what stands in events.invalid."""
    found: Counter[tuple[str, str, str]] = Counter()
    for entry in kafka.all(TOPICS.invalid):
        headers = {name: value.decode() for name, value in entry.of_headers}
        name = orjson.loads(entry.raw or b"")["messageId"]
        found[name, headers["error-code"], headers["error-stage"]] += 1
    return found


def received(kafka: FakeKafka) -> list[int]:
    rows = [orjson.loads(metadata or "")["n"] for _, metadata in kafka.offsets.values()]
    return [sum(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("stage", STAGES)
@settings(max_examples=15, deadline=None)
@given(poison=st.sets(st.sampled_from(sorted(set(IDS)))), chunk=st.integers(1, 20))
def test_each_poison_event_is_set_aside_and_no_other(stage: str, poison: set[str], chunk: int) -> None:
    """Every copy of it: its id was never remembered. The counts still balance."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk)
    Poison(life.isolated.pipeline, stage, sorted(poison))

    assert life.live()

    copies = Counter(IDS)
    assert delivered(kafka) == Counter(set(IDS) - poison)
    assert kept(kafka) == Counter({(name, "poison", stage): copies[name] for name in poison})
    total, invalid, blocked, duplicate, resolved = received(kafka)
    assert (total, invalid) == (len(IDS), sum(copies[name] for name in poison))
    assert total == invalid + blocked + duplicate + resolved


def test_a_poison_event_is_set_aside_once_whenever_the_worker_dies() -> None:
    for last in range(0, 30, 3):
        kafka, disk = filled(IDS), Disk()
        for fuse in (Fuse(last), Fuse()):
            life = Life(kafka, disk, "exactly_once", fuse)
            Poison(life.isolated.pipeline, "identify", ["m9"])
            life.live()

        assert kept(kafka) == Counter({("m9", "poison", "identify"): 2})
        assert delivered(kafka) == Counter(set(IDS) - {"m9"})


def test_a_passing_fault_sets_nothing_aside() -> None:
    """The batch is tried again, one event after the other."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=500)
    (identify,) = [agent for agent in life.isolated.pipeline.agents if agent.name == "identify"]
    failed: list[bool] = []
    process = identify.process

    def fail_once(events: Events, batch: Batch) -> Events:
        if not failed:
            failed.append(True)
            raise TimeoutError
        return process(events, batch)

    identify.process = fail_once  # type: ignore[method-assign]

    assert life.live()

    assert failed
    assert kept(kafka) == Counter()
    assert delivered(kafka) == Counter(set(IDS))


@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_of_state_or_broker_is_no_poison(stage: str) -> None:
    """It would set every event aside; instead the worker ends, and reads them again."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse())
    Poison(life.isolated.pipeline, stage, ["m9"], Unavailable)

    with pytest.raises(Unavailable):
        life.live()

    assert kept(kafka) == Counter()


@pytest.mark.parametrize("stage", STAGES)
def test_it_is_none_beside_a_poison_event_either(stage: str) -> None:
    """By then the events of the batch are tried one by one."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=500)
    Poison(life.isolated.pipeline, stage, ["m9"], Unavailable)
    Poison(life.isolated.pipeline, stage, ["m0"])

    with pytest.raises(Unavailable):
        life.live()

    assert kept(kafka) == Counter()


def test_death_is_no_poison() -> None:
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse())
    Poison(life.isolated.pipeline, "identify", ["m0"], Crash)

    assert not life.live()
    assert kept(kafka) == Counter()


def test_poison_is_counted_and_told_without_what_is_in_it(caplog: pytest.LogCaptureFixture) -> None:
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse())
    Poison(life.isolated.pipeline, "validate", ["m9"])
    counter = metrics.POISON.labels("validate")
    before = counter._value.get()

    with caplog.at_level(logging.ERROR):
        assert life.live()

    assert counter._value.get() - before == 2
    told = [record.getMessage() for record in caplog.records if "set aside" in record.getMessage()]
    assert len(told) == 2
    assert all("validate" in line and "ZeroDivisionError" in line for line in told)
    assert SECRET not in caplog.text
