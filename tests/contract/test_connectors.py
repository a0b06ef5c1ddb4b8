"""What every connector promises. The suite runs once for each destination type that ships."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from router.destinations.base import Connector, Delivery, Kind, Outcome
from router.destinations.registry import destination_types
from tests.contract.partners import PARTNERS, Partner
from tests.deliveries import delivery

SENT = (Kind.DELIVERED, Kind.UNCONFIRMED)


@pytest.fixture(params=sorted(PARTNERS))
async def partner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Partner]:
    async with PARTNERS[request.param](tmp_path) as one:
        yield one


@pytest.fixture
async def connector(partner: Partner) -> AsyncIterator[Connector]:
    one = partner.connector()
    await one.open()
    yield one
    await one.close()


async def send(connector: Connector, batch: Sequence[Delivery]) -> list[Outcome]:
    """All events, in requests as large as the connector takes."""
    outcomes: list[Outcome] = []
    for start in range(0, len(batch), connector.max_batch):
        outcomes += await connector.send(batch[start : start + connector.max_batch])
    return outcomes


def test_every_type_has_a_partner_to_be_tested_with() -> None:
    """Nobody ships outside the contract."""
    assert sorted(PARTNERS) == sorted(destination_types())


@pytest.mark.parametrize("name", sorted(PARTNERS))
def test_a_type_describes_itself(name: str) -> None:
    """What `router destinations` shows."""
    cls = destination_types()[name]

    assert cls.type == name
    assert cls.summary
    assert "\n" not in cls.summary
    assert 1 <= cls.default_batch <= cls.max_batch
    assert "kill -9" in (inspect.getdoc(inspect.getmodule(cls)) or "")
    assert all(field.description for field in cls.Settings.model_fields.values())


async def test_unknown_settings_are_refused(partner: Partner) -> None:
    """A typo is an error, never a default."""
    with pytest.raises(ValidationError, match="colour"):
        partner.connector(colour="red")


async def test_construction_does_no_io(partner: Partner) -> None:
    """Neither a socket nor a file: topologies are checked on machines that have neither."""
    partner.fail() if partner.type == "webhook" else None
    before = sorted(partner.folder.rglob("*"))

    partner.connector()

    assert sorted(partner.folder.rglob("*")) == before


async def test_settings_do_not_show_secrets(partner: Partner) -> None:
    """Neither as text nor as repr."""
    assert "hush" not in repr(partner.connector().settings) + str(partner.connector().settings)


async def test_nothing_sent_is_nothing_answered(partner: Partner, connector: Connector) -> None:
    """An empty batch makes no request."""
    assert list(await connector.send([])) == []

    await connector.close()
    assert partner.accepted() == []


async def test_each_event_has_one_outcome_and_arrives_in_order(partner: Partner, connector: Connector) -> None:
    """As many outcomes as events; all of them the partner's by the time that close returns."""
    batch = [delivery(number) for number in range(25)]

    outcomes = await send(connector, batch)

    assert [outcome.kind in SENT for outcome in outcomes] == [True] * 25
    await connector.close()
    assert partner.accepted() == [f"m{number}" for number in range(25)]


async def test_concurrent_attempts_do_not_mix(partner: Partner, connector: Connector) -> None:
    """Delivery runs several at a time."""
    batches = [[delivery(10 * lane + number) for number in range(10)] for lane in range(8)]

    results = await asyncio.gather(*[send(connector, batch) for batch in batches])

    assert all(outcome.kind in SENT for outcomes in results for outcome in outcomes)
    await connector.close()
    assert sorted(partner.accepted()) == sorted(f"m{number}" for number in range(80))


async def test_a_partner_that_fails_has_not_been_delivered_to(partner: Partner, connector: Connector) -> None:
    """Nothing is raised, nothing claimed, and the next attempt works once the partner is back."""
    await send(connector, [delivery(1)])
    partner.fail()

    failed = await send(connector, [delivery(2), delivery(3)])

    assert [outcome.kind in (Kind.RETRY, Kind.REFUSED) for outcome in failed] == [True, True]
    assert all(outcome.code for outcome in failed)
    partner.recover()
    again = await send(connector, [delivery(2, attempt=2), delivery(3, attempt=2)])
    assert [outcome.kind in SENT for outcome in again] == [True, True]
    await connector.close()
    assert [one for one in partner.accepted() if one != "m1"] == ["m2", "m3"]


async def test_no_outcome_tells_the_payload(partner: Partner, connector: Connector) -> None:
    """Codes and details go to logs; what was said on the wire is kept apart, to be masked."""
    partner.fail()

    outcomes = await send(connector, [delivery(4711, userId="ada@example.com")])

    assert not any("4711" in one.code + one.detail or "ada" in one.code + one.detail for one in outcomes)
    partner.recover()


async def test_an_abandoned_attempt_spoils_nothing(partner: Partner, connector: Connector) -> None:
    """Delivery may cancel an attempt when it stops; the next one is sound."""
    task = asyncio.ensure_future(send(connector, [delivery(1)]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    outcomes = await send(connector, [delivery(2)])

    assert [outcome.kind in SENT for outcome in outcomes] == [True]


async def test_large_and_odd_events_arrive_whole(partner: Partner, connector: Connector) -> None:
    """Line breaks inside values, bytes far over the usual, text in every script."""
    odd = [delivery(1, note="x" * 500_000), delivery(2, note="a\nb\r\nc\x85d"), delivery(3, note="💥\u0000")]
    odd[1].value = odd[1].value.replace(b",", b",\n ")

    assert [outcome.kind in SENT for outcome in await send(connector, odd)] == [True] * 3
    await connector.close()
    assert partner.accepted() == ["m1", "m2", "m3"]


async def test_close_twice_and_open_again(partner: Partner) -> None:
    """A destination is closed and opened when its settings change."""
    connector = partner.connector()
    await connector.open()
    await connector.open()
    await send(connector, [delivery(1)])
    await connector.close()
    await connector.close()
    await connector.open()
    await send(connector, [delivery(2)])
    await connector.close()

    assert partner.accepted() == ["m1", "m2"]
