"""A destination's own function before its connector: one outcome an event, whatever the function gives."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import pytest

from router import metrics
from router.delivery import transform
from router.destinations.base import Connector, Delivery, Kind, Outcome, Settings
from router.transform.process import FunctionProcess
from tests.deliveries import delivery
from tests.transform.functions import function

DELIVERED = Outcome(Kind.DELIVERED, "200")


class Recording(Connector):
    """Takes everything but the names it is told to answer otherwise."""

    type = "recording"
    Settings = Settings

    def __init__(self) -> None:
        super().__init__("crm", Settings(), 20.0)
        self.requests: list[list[Delivery]] = []
        self.answers: dict[str, Outcome] = {}

    def batch_key(self, event: Delivery) -> Hashable:
        return event.event == "Second"

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        self.requests.append(list(batch))
        return [self.answers.get(one.event, DELIVERED) for one in batch]


@pytest.fixture
def connector(tmp_path: Path) -> Iterator[Recording]:
    one = Recording()
    one.function = FunctionProcess(function(tmp_path), hang_seconds=120.0)
    yield one
    one.function.close()


def events(*names: str) -> list[Delivery]:
    return [delivery(number, event=name) for number, name in enumerate(names)]


def sent(connector: Recording) -> list[list[str]]:
    return [[one.event for one in request] for request in connector.requests]


async def test_without_a_function_the_connector_gets_the_very_batch() -> None:
    connector, batch = Recording(), events("Fail")

    assert await transform.send(connector, batch) == [DELIVERED]
    assert connector.requests[0][0] is batch[0]


async def test_each_event_has_its_outcome(connector: Recording) -> None:
    outcomes = await transform.send(connector, events("Order", "Drop", "Fail", "Loop", "Nothing", "Fine"))

    assert [(one.kind, one.code) for one in outcomes] == [
        (Kind.DELIVERED, "200"),
        (Kind.FILTERED, "transform"),
        (Kind.REJECTED, "TRANSFORM_FAILED"),
        (Kind.REJECTED, "TRANSFORM_TIMEOUT"),
        (Kind.REJECTED, "TRANSFORM_FAILED"),
        (Kind.DELIVERED, "200"),
    ]
    assert outcomes[2].detail == "ValueError at clean.py:16"
    assert sent(connector) == [["Order", "Fine"]]
    assert connector.requests[0][0].body["properties"]["of"] == "u0"
    assert b'"of":"u0"' in connector.requests[0][0].value


async def test_several_events_go_out_one_after_the_other_with_keys_of_their_own(connector: Recording) -> None:
    (outcome,) = await transform.send(connector, events("Two"))
    (again,) = await transform.send(connector, events("Two"))

    assert outcome == again == DELIVERED
    assert sent(connector) == [["Two"], ["Second"]] * 2
    first, second, *repeated = [request[0] for request in connector.requests]
    assert first.idempotency_key == f"{0:032x}"
    assert second.idempotency_key != first.idempotency_key
    assert second.body["messageId"] != first.body["messageId"]
    assert [one.idempotency_key for one in repeated] == [first.idempotency_key, second.idempotency_key]


async def test_an_event_fares_as_its_first_part_that_is_not_taken(connector: Recording) -> None:
    retry = Outcome(Kind.RETRY, "503")
    connector.answers = {"Each 1": retry}

    outcomes = await transform.send(connector, events("Each", "Two"))

    assert outcomes == [retry, DELIVERED]
    assert sent(connector) == [["Each 0", "Two"], ["Each 1"], ["Second"]]  # nothing follows what was not taken


async def test_an_event_of_which_a_part_is_filtered_is_delivered(connector: Recording) -> None:
    connector.answers = {"Second": Outcome(Kind.FILTERED, "no_email")}

    assert await transform.send(connector, events("Two")) == [DELIVERED]


async def test_outcomes_are_counted(connector: Recording) -> None:
    def count(outcome: str) -> float:
        labels = {"owner": "destinations.crm", "outcome": outcome}
        return metrics.REGISTRY.get_sample_value("router_transform_events_total", labels) or 0

    before = {name: count(name) for name in ("returned", "dropped", "failed")}
    await transform.send(connector, events("Fine", "Drop", "Fail", "Nothing"))

    assert {name: count(name) - n for name, n in before.items()} == {"returned": 1, "dropped": 1, "failed": 2}
