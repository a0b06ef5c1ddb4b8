"""The contract with a partner at the other end: one outcome for each event, whatever the partner does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from router.destinations.base import Connector, Delivery, Kind, Outcome
from router.destinations.contract.fixtures import ContractFixtures
from router.destinations.contract.partner import Partner, Trouble
from router.destinations.http import HttpDestination
from router.events.event import CALL_TYPES

SENT = (Kind.DELIVERED, Kind.UNCONFIRMED)
AGAIN = (Kind.RETRY, Kind.REFUSED)


async def send(connector: Connector, events: Sequence[Delivery]) -> list[Outcome]:
    """All events, as delivery hands them over: those that may share a request, as many as the connector takes."""
    groups: dict[object, list[Delivery]] = {}
    for event in events:
        groups.setdefault(connector.batch_key(event), []).append(event)
    outcomes: dict[int, Outcome] = {}
    for group in groups.values():
        for start in range(0, len(group), connector.limits.count):
            batch = group[start : start + connector.limits.count]
            outcomes |= zip(map(id, batch), await connector.send(batch), strict=True)
    return [outcomes[id(event)] for event in events]


async def in_trouble(
    partner: Partner, connector: Connector, kind: Trouble, events: Sequence[Delivery]
) -> list[Outcome]:
    """What comes of these events while the partner has that trouble. Skips where it cannot have it."""
    if kind not in partner.troubles:
        pytest.skip(f"{partner.type} cannot {kind}")
    partner.trouble(kind)
    try:
        return await send(connector, events)
    finally:
        partner.recover()


def kinds(outcomes: Sequence[Outcome]) -> set[Kind]:
    return {outcome.kind for outcome in outcomes}


class SendingContract(ContractFixtures):
    """What becomes of events that are sent."""

    async def test_nothing_sent_is_nothing_answered(self, partner: Partner, connector: Connector) -> None:
        """An empty batch makes no request."""
        assert list(await connector.send([])) == []

        await connector.close()
        assert partner.accepted() == []

    async def test_each_event_has_one_outcome_and_arrives_in_order(
        self, partner: Partner, connector: Connector
    ) -> None:
        """As many outcomes as events; all of them the partner's by the time that close returns."""
        events = [partner.event(number) for number in range(25)]

        outcomes = await send(connector, events)

        assert [outcome.kind in SENT for outcome in outcomes] == [True] * 25
        await connector.close()
        assert partner.accepted() == [partner.name(event) for event in events]

    async def test_concurrent_attempts_do_not_mix(self, partner: Partner, connector: Connector) -> None:
        """Delivery runs several at a time."""
        batches = [[partner.event(10 * lane + number) for number in range(10)] for lane in range(8)]

        results = await asyncio.gather(*[send(connector, batch) for batch in batches])

        assert all(outcome.kind in SENT for outcomes in results for outcome in outcomes)
        await connector.close()
        assert sorted(partner.accepted()) == sorted(partner.name(event) for batch in batches for event in batch)

    @pytest.mark.parametrize("call", CALL_TYPES)
    async def test_each_call_type_is_sent_or_not_for_a_reason(
        self, partner: Partner, connector: Connector, call: str
    ) -> None:
        """An event of a type that the connector does not name is filtered; none is tried again for what it is."""
        event = partner.event(
            1, type=call, event=None, groupId="g1", previousId="p1", traits={"email": "ada@example.com"}
        )
        event.type = call

        (outcome,) = await send(connector, [event])

        assert outcome.kind in (*SENT, Kind.FILTERED, Kind.REJECTED)
        if isinstance(connector, HttpDestination) and call not in connector.types:
            assert (outcome.kind, outcome.code) == (Kind.FILTERED, "unsupported_type")
        if outcome.kind in (Kind.FILTERED, Kind.REJECTED):
            assert outcome.code

    async def test_a_partner_that_is_down_has_not_been_delivered_to(
        self, partner: Partner, connector: Connector
    ) -> None:
        """Nothing is raised, nothing claimed, and the next attempt works once the partner is back."""
        events = [partner.event(number) for number in (1, 2, 3)]
        await send(connector, events[:1])

        failed = await in_trouble(partner, connector, "down", events[1:])

        assert kinds(failed) <= set(AGAIN)
        assert all(outcome.code for outcome in failed)
        assert kinds(await send(connector, events[1:])) <= set(SENT)
        await connector.close()
        first, *rest = map(partner.name, events)
        assert [name for name in partner.accepted() if name != first] == rest

    async def test_credentials_that_are_refused_pause_the_destination(
        self, partner: Partner, connector: Connector
    ) -> None:
        """Never a dead letter: the settings are at fault, not the event."""
        failed = await in_trouble(partner, connector, "refuse", [partner.event(1), partner.event(2)])

        assert kinds(failed) == {Kind.REFUSED}

    async def test_a_partner_that_asks_to_wait_is_waited_for(self, partner: Partner, connector: Connector) -> None:
        """In its own form; the wait is passed on to delivery."""
        failed = await in_trouble(partner, connector, "throttle", [partner.event(1)])

        assert [outcome.kind for outcome in failed] == [Kind.RETRY]
        assert failed[0].code == "429"
        assert failed[0].retry_after is not None

    async def test_a_resend_is_recognised(self, partner: Partner, connector: Connector) -> None:
        """The partner took the events and its answer was lost: the second attempt does not double them."""
        events = [partner.event(number) for number in (1, 2, 3)]

        lost = await in_trouble(partner, connector, "lose", events)
        for event in events:
            event.attempt = 2
        again = await send(connector, events)

        assert kinds(lost) == {Kind.RETRY}
        assert kinds(again) <= set(SENT)
        await connector.close()
        if connector.idempotency != "none":
            assert sorted(partner.accepted()) == sorted(partner.name(event) for event in events)

    async def test_a_probe_says_whether_the_credentials_are_taken(self, partner: Partner, connector: Connector) -> None:
        """A partner that can be asked answers yes, and no when it refuses us, without an event."""
        if not connector.can_check():
            assert await connector.check() is None
            return
        well = await connector.check()
        partner.trouble("refuse")
        refused = await connector.check()

        assert well is not None
        assert refused is not None
        assert (well.kind, refused.kind) == (Kind.DELIVERED, Kind.REFUSED)
        assert partner.accepted() == []

    async def test_no_outcome_shows_the_payload_or_a_secret(self, partner: Partner, connector: Connector) -> None:
        """Codes and details go to logs; what was said on the wire is kept apart, and without credentials."""
        event = partner.event(4711, userId="ada@example.com")

        (outcome,) = await in_trouble(partner, connector, "down", [event])

        assert not any(text in outcome.code + outcome.detail for text in ("4711", "ada"))
        if partner.secret and outcome.exchange is not None:
            assert partner.secret not in outcome.exchange.request.partition("\n\n")[0]

    async def test_an_abandoned_attempt_spoils_nothing(self, partner: Partner, connector: Connector) -> None:
        """Delivery may cancel an attempt when it stops; the next one is sound."""
        task = asyncio.ensure_future(send(connector, [partner.event(1)]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        outcomes = await send(connector, [partner.event(2)])

        assert [outcome.kind in SENT for outcome in outcomes] == [True]

    @pytest.mark.parametrize(
        "fields",
        [
            {"userId": None}, {"userId": None, "anonymousId": None}, {"properties": None, "traits": None},
            {"context": None}, {"messageId": None}, {"timestamp": "no time"}, {"properties": {"total": "12,50 €"}},
        ],
        ids=str,
    )  # fmt: skip
    async def test_an_event_that_lacks_something_ends(
        self, partner: Partner, connector: Connector, fields: dict[str, None]
    ) -> None:
        """Sent, filtered or rejected with a reason: it is not tried again, and its neighbour is delivered."""
        outcomes = await send(connector, [partner.event(1, **fields), partner.event(2)])

        assert outcomes[0].kind in (*SENT, Kind.FILTERED, Kind.REJECTED)
        assert outcomes[0].code not in ("", "MAPPING_FAILED")
        assert outcomes[1].kind in SENT

    async def test_large_and_odd_events_arrive_whole(self, partner: Partner, connector: Connector) -> None:
        """Line breaks inside values, events as large as they come, text in every script."""
        odd = [
            partner.event(1, note="x" * partner.largest), partner.event(2, note="a\nb\r\nc\x85d"),
            partner.event(3, note="💥\u0000"), partner.event(4, note="Зоя 山田 ظريف"),
        ]  # fmt: skip
        odd[1].value = odd[1].value.replace(b",", b",\n ")

        assert [outcome.kind in SENT for outcome in await send(connector, odd)] == [True] * 4
        await connector.close()
        assert partner.accepted() == [partner.name(event) for event in odd]

    async def test_close_twice_and_open_again(self, partner: Partner) -> None:
        """A destination is closed and opened when its settings change."""
        connector = partner.connector()
        await connector.open()
        await connector.open()
        await send(connector, [partner.event(1)])
        await connector.close()
        await connector.close()
        await connector.open()
        await send(connector, [partner.event(2)])
        await connector.close()

        assert partner.accepted() == [partner.name(partner.event(number)) for number in (1, 2)]
