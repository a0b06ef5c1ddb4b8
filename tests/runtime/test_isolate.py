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
from router.agents.chain import Chain
from router.agents.intake import Intake
from router.errors import Unavailable
from router.events.event import Event
from tests.runtime.fake_kafka import Crash, FakeKafka, Fuse
from tests.runtime.test_crash_points import IDS, TOPICS, Disk, Life, delivered, filled

SECRET = "a value of the event"
STAGES = ("intake", "validate", "identify")


class Spoiled:
    """An intake that raises; all else about it is as it was."""

    def __init__(self, intake: Intake, poison: Poison) -> None:
        self._intake = intake
        self._poison = poison

    def __call__(self, message: Any, lane: int) -> Any:
        return self._poison._look(self._intake, message, (lane,))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._intake, name)


class Poison:
    """Makes one agent of a chain raise for some events."""

    def __init__(
        self, chain: Chain, stage: str, names: Sequence[str], error: type[BaseException] = ZeroDivisionError
    ) -> None:
        self._names = frozenset(names)
        self._error = error
        straight, intake = chain._straight, chain.intake
        if stage != "identify":
            chain._straight = lambda message, *rest: self._look(straight, message, rest)  # type: ignore[assignment]
        if stage == "intake":
            chain.intake = Spoiled(intake, self)  # type: ignore[assignment]
        elif stage == "validate":
            check = chain.rules["web"].check
            chain.rules["web"].check = lambda body: self._spoil(body["messageId"]) or check(body)  # type: ignore[method-assign, func-returns-value]
        else:
            identify = chain.identify
            chain.identify = lambda events: self._all(events) or identify(events)  # type: ignore[func-returns-value]

    def _look(self, take: Any, message: Any, rest: Any) -> Any:
        self._spoil(orjson.loads(message.value())["messageId"])
        return take(message, *rest)

    def _all(self, events: Sequence[Event]) -> None:
        for event in events:
            self._spoil(orjson.loads(event.value)["messageId"])

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
    Poison(life.chain.chain, stage, sorted(poison))

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
            Poison(life.chain.chain, "identify", ["m9"])
            life.live()

        assert kept(kafka) == Counter({("m9", "poison", "identify"): 2})
        assert delivered(kafka) == Counter(set(IDS) - {"m9"})


def test_a_passing_fault_sets_nothing_aside() -> None:
    """The batch is tried again, one event after the other."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=500)
    identify = life.chain.chain.identify
    failed: list[bool] = []

    def fail_once(events: Sequence[Event]) -> None:
        if not failed:
            failed.append(True)
            raise TimeoutError
        identify(events)

    life.chain.chain.identify = fail_once

    assert life.live()

    assert failed
    assert kept(kafka) == Counter()
    assert delivered(kafka) == Counter(set(IDS))


@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_of_state_or_broker_is_no_poison(stage: str) -> None:
    """It would set every event aside; instead the worker ends, and reads them again."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse())
    Poison(life.chain.chain, stage, ["m9"], Unavailable)

    with pytest.raises(Unavailable):
        life.live()

    assert kept(kafka) == Counter()


@pytest.mark.parametrize("stage", STAGES)
def test_it_is_none_beside_a_poison_event_either(stage: str) -> None:
    """By then the events of the batch are tried one by one."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=500)
    Poison(life.chain.chain, stage, ["m9"], Unavailable)
    Poison(life.chain.chain, stage, ["m0"])

    with pytest.raises(Unavailable):
        life.live()

    assert kept(kafka) == Counter()


def test_death_is_no_poison() -> None:
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse())
    Poison(life.chain.chain, "identify", ["m0"], Crash)

    assert not life.live()
    assert kept(kafka) == Counter()


def test_poison_is_counted_and_told_without_what_is_in_it(caplog: pytest.LogCaptureFixture) -> None:
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse())
    Poison(life.chain.chain, "validate", ["m9"])
    counter = metrics.POISON.labels("validate")
    before = counter._value.get()

    with caplog.at_level(logging.ERROR):
        assert life.live()

    assert counter._value.get() - before == 2
    told = [record.getMessage() for record in caplog.records if "set aside" in record.getMessage()]
    assert len(told) == 2
    assert all("validate" in line and "ZeroDivisionError" in line for line in told)
    assert SECRET not in caplog.text
