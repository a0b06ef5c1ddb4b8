"""The contract, as far as it needs no partner: a connector describes itself, and its requests keep to what it says."""

from __future__ import annotations

from base64 import b64encode
from copy import deepcopy
from json import JSONDecodeError
from urllib.parse import quote

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Connector
from router.destinations.contract.fixtures import ContractFixtures
from router.destinations.contract.odd_events import odd_events
from router.destinations.contract.partner import Partner
from router.destinations.describe import describe
from router.destinations.http import HttpDestination, HttpRequest, Skip
from router.destinations.preview import preview
from router.destinations.request import origin
from router.events.event import CALL_TYPES
from router.mapping.event_map import EventMap
from router.mask import Mask

ODD_EVENTS = 200


class MappingContract(ContractFixtures):
    """What can be seen without sending anything."""

    async def test_a_type_describes_itself(self, partner: Partner) -> None:
        """What `router destinations show` prints."""
        cls = partner.connector_type()
        shown = describe(cls)

        assert (cls.type, shown["type"]) == (partner.type, partner.type)
        assert shown["about"]
        assert cls.summary
        assert "\n" not in cls.summary
        assert 1 <= cls.limits.batch <= cls.limits.count
        assert cls.types
        assert set(cls.types) <= set(CALL_TYPES)
        assert all(field.description for field in cls.Settings.model_fields.values())

    async def test_unknown_settings_are_refused(self, partner: Partner) -> None:
        """A typo is an error, never a default."""
        with pytest.raises(ValidationError, match="colour"):
            partner.connector(colour="red")

    async def test_construction_does_no_io(self, partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither a socket nor a file: topologies are checked on machines that have neither."""
        before = sorted(partner.folder.rglob("*"))

        with monkeypatch.context() as patch:
            patch.setattr("socket.socket", None)
            partner.connector()

        assert sorted(partner.folder.rglob("*")) == before

    async def test_settings_do_not_show_secrets(self, partner: Partner) -> None:
        """Neither as text nor as repr."""
        if not partner.secret:
            pytest.skip(f"{partner.type} has no secret")
        settings = partner.connector().settings

        assert partner.secret in str(partner.settings)
        assert partner.secret not in repr(settings) + str(settings)

    async def test_requests_keep_to_the_limits(self, partner: Partner) -> None:
        """The mapping alone, without I/O: no request carries more events or bytes than the partner takes."""
        connector = partner.connector()
        if not isinstance(connector, HttpDestination):
            pytest.skip(f"{partner.type} sends no requests")
        count = min(connector.limits.count * 2 + 1, 2_500)
        events = [partner.event(number, note="n" * 2_000) for number in range(count)]

        made = connector.mapped(events)
        requests = [one for one in made if isinstance(one, HttpRequest)]

        assert {id(event) for one in requests for event in one.events} == set(map(id, events))
        assert all(
            max(one.weight, len(one.events)) <= connector.limits.count for one in requests if len(one.events) > 1
        )
        assert all(len(one.body) <= connector.limits.request_bytes for one in requests)

    async def test_whatever_an_event_holds_the_mapping_does_not_fail(self, partner: Partner) -> None:
        """Values of the wrong kind are left out, or the event is: with a reason, and without harm to others."""
        connector = partner.connector()
        if not isinstance(connector, HttpDestination):
            pytest.skip(f"{partner.type} sends no requests")
        for event in odd_events(ODD_EVENTS, seed=1):
            before, good = deepcopy(event.body), partner.event(ODD_EVENTS)
            batch = [event, good] if connector.batch_key(event) == connector.batch_key(good) else [event]

            made = connector.mapped(batch)
            requests = [one for one in made if isinstance(one, HttpRequest)]
            skips = [one for one in made if isinstance(one, Skip)]

            assert "mapping_failed" not in {one.reason for one in skips}, event.value
            told = [*(one.event for one in skips), *(event for one in requests for event in one.events)]
            assert {id(one) for one in told} == set(map(id, batch)), event.value
            assert event.body == before
            lines = [*(one.url for one in requests), *(text for one in requests for text in one.headers.values())]
            assert not [line for line in lines if "\n" in line or "\r" in line]
            assert all(_is_json(one.body) for one in requests if "json" in one.headers.get("Content-Type", "")), (
                event.value
            )

    @pytest.mark.parametrize("switch", ["call", "event"])
    async def test_a_call_type_or_an_event_can_be_switched_off(self, partner: Partner, switch: str) -> None:
        """By the topology's map, for every HTTP connector."""
        connector = partner.connector()
        if not isinstance(connector, HttpDestination):
            assert connector.maps == "no"
            return
        event, other = partner.event(1), partner.event(2)
        by_name = switch == "event" and event.type == "track"
        connector.map = EventMap(events={event.event: False}) if by_name else EventMap({event.type: False})

        assert [one.reason for one in connector.mapped([event, other]) if isinstance(one, Skip)] == [
            "mapping",
            "mapping",
        ]

    async def test_a_map_reaches_what_is_sent(self, partner: Partner) -> None:
        """A connector that says so puts the map's values into the request; the event itself stays as it was."""
        connector = partner.connector()
        if not isinstance(connector, HttpDestination) or connector.maps != "items":
            pytest.skip(f"{partner.type} has no items to be changed")
        event = partner.event(1)
        before = deepcopy(event.body)
        connector.map = EventMap({event.type: {"probe.inner": {"template": "mapped-{messageId}"}}})

        bodies = [one.body for one in connector.mapped([event]) if isinstance(one, HttpRequest)]

        assert any(b"mapped-" in body for body in bodies)
        assert event.body == before

    async def test_a_preview_shows_the_request_and_no_secret(self, partner: Partner, connector: Connector) -> None:
        """What `router destinations try` prints: the secret in no spelling that a header or a URL may have."""
        if not isinstance(connector, HttpDestination):
            pytest.skip(f"{partner.type} sends no requests")
        event = partner.event(1)
        (request,) = [one for one in connector.mapped([event]) if isinstance(one, HttpRequest)]

        shown = preview(connector, request, Mask(secrets=[partner.secret] if partner.secret else []), 1_767_225_600.0)

        assert shown.method == request.method
        assert shown.url.startswith(origin(connector._address(request)))
        assert set(request.headers) <= set(shown.headers)
        if partner.secret:
            spellings = {partner.secret, quote(partner.secret, safe="")}
            spellings |= {
                b64encode(f"{before}{partner.secret}".encode()).decode()[-12:] for before in ("", ":", "a:", "ab:")
            }
            text = str(shown.as_dict())
            assert not [one for one in spellings if one in text]


def _is_json(body: bytes) -> bool:
    """One JSON text, or one a line."""
    try:
        return bool([orjson.loads(line) for line in (body.splitlines() if b"\n" in body else [body])])
    except JSONDecodeError:
        return False
