"""Customer.io: people, anonymous events, objects and devices, by the Track API v2.

identify is a person; track an event; page and screen are events named by the page's URL or the screen's name; group is
an object with the person's relationship to it; alias a merge, which deletes the person of `previousId`. Events without
a user id are anonymous, and join the person at the next identify that names their `anonymousId`. A call with
`context.device.token` updates that device; `Application Uninstalled` and `Device Deleted` remove it. `User Deleted`,
`User Suppressed`, `User Unsuppressed`, `Object Deleted` and `Relationship Deleted` do what they say. 207 names the
items that were not taken. kill -9 or a timeout repeats nothing that counts: an event's id is a ULID made of its
messageId, which Customer.io knows again, and all else is an update.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, itemized
from router.destinations.registry import destination
from router.destinations.request import basic_auth
from router.destinations.response import HttpResponse
from router.destinations.shared import dates, keys, person, shape

NAME_BYTES, ID_BYTES, VALUE_BYTES = 100, 150, 1000
_PERSON_ACTIONS = {"User Deleted": "delete", "User Suppressed": "suppress", "User Unsuppressed": "unsuppress"}
_DEVICE_REMOVED = frozenset(("Application Uninstalled", "Device Deleted"))
_DEVICE_ALONE = frozenset(("Device Deleted", "Device Created or Updated"))  # nothing but the device is meant
Item = dict[str, Any]


class CustomerioSettings(PartnerSettings):
    regions: ClassVar = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}

    site_id: ApiKey = Field(examples=["${CIO_SITE_ID}"], description="From Settings, API credentials, Track API keys")
    api_key: ApiKey = Field(examples=["${CIO_API_KEY}"], description="The API key beside that site id")
    convert_dates: bool = Field(
        True, description="Send ISO-8601 times among attributes as Unix seconds, which Customer.io takes for dates"
    )
    object_type: str = Field(
        "1", description="The type of objects that groups become, unless traits.object_type_id says"
    )


@destination("customerio")
class Customerio(HttpDestination):
    summary = "People, events, objects and devices for Customer.io journeys"
    integrations = ("Customer.io", "Customer.io (Actions)")
    limits = RequestLimits(count=100, batch=50, request_bytes=500_000, event_bytes=32_768, rate=100.0)
    order = "profile"
    idempotency = "ulid"
    maps = "items"
    Settings = CustomerioSettings
    settings: CustomerioSettings

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        sent, items, skips = itemized(events, self._items)
        yield from skips
        if items:
            yield HttpRequest.of_json("POST", "/api/v2/batch", sent, {"batch": items}, weight=len(items))

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        answer = response.json
        if response.status not in (200, 207) or not isinstance(answer, dict):
            return super().read(request, response)
        failed = {one["batch_index"]: _rejected(one) for one in answer.get("errors") or ()}
        return self.all_but(request, response, failed)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        site, key = self.settings.site_id.get_secret_value(), self.settings.api_key.get_secret_value()
        return {"Authorization": basic_auth(site, key)}

    def probe(self) -> HttpRequest:
        return HttpRequest("GET", "/auth", ())

    def _items(self, event: Delivery) -> list[Item] | str:
        """What the event is at Customer.io, or the reason why it is nothing there."""
        who = identifiers(event)
        made = self._object(event, who) if event.type == "group" else self._person(event, who)
        if isinstance(made, str):
            return made
        device = self._device(event, who) if "anonymous_id" not in who else None
        items = [*(self.shaped(event, item) for item in made), *([device] if device else [])]
        return [shape.present(item) for item in items] if items else "no_device_token"

    def _person(self, event: Delivery, who: Item) -> list[Item] | str:
        if event.type == "alias":
            return _merge(event)
        if not who:
            return "no_user_id"
        match event.type:
            case "identify":
                return "anonymous_identify" if "anonymous_id" in who else [self._identify(event, who)]
            case "track" if event.event in _DEVICE_ALONE:
                return []
            case "track" if event.event in _PERSON_ACTIONS:
                return [{"type": "person", "action": _PERSON_ACTIONS[event.event], "identifiers": who}]
            case "track" if event.event in ("Object Deleted", "Relationship Deleted"):
                return self._removal(event, who)
        return [self._event(event, who)]

    def _identify(self, event: Delivery, who: Item) -> Item:
        attributes = {**person.traits(event), "anonymous_id": person.anonymous_id(event)}
        if "email" not in who:
            attributes["email"] = person.email(event)
        return {
            "type": "person", "action": "identify", "identifiers": who, "attributes": self._attributes(attributes),
            "timestamp": dates.unix_seconds(dates.event_time(event)),
        }  # fmt: skip

    def _event(self, event: Delivery, who: Item) -> Item:
        properties = person.properties(event)
        name, action = event.event, "event"
        if event.type in ("page", "screen"):
            action = event.type
            own = person.text(event.body.get("name"))
            name = own if event.type == "screen" else person.text(properties.get("url")) or own
        return {
            "type": "person", "action": action, "identifiers": who, "name": shape.cut(name or "unnamed", NAME_BYTES),
            "id": keys.as_ulid(event), "attributes": self._attributes(properties),
            "timestamp": dates.unix_seconds(dates.event_time(event)),
        }  # fmt: skip

    def _object(self, event: Delivery, who: Item) -> list[Item] | str:
        group, traits = person.group_id(event), dict(person.group_traits(event))
        if not group:
            return "no_group_id"
        kind = person.text(traits.pop("object_type_id", None)) or self.settings.object_type
        relation, nested = traits.pop("relationshipAttributes", None), traits.pop("objectAttributes", None)
        attributes = {**traits, **nested} if isinstance(nested, dict) else traits
        relationship: Item = {"identifiers": who}
        if isinstance(relation, dict):
            relationship["relationship_attributes"] = self._attributes(relation)
        return [
            {
                "type": "object",
                "action": "identify_anonymous" if "anonymous_id" in who else "identify",
                "identifiers": {"object_id": shape.cut(group, ID_BYTES), "object_type_id": kind},
                "attributes": self._attributes(attributes),
                "cio_relationships": [relationship] if who else None,
            }
        ]

    def _removal(self, event: Delivery, who: Item) -> list[Item] | str:
        properties = person.properties(event)
        group = person.text(properties.get("object_id")) or person.group_id(event)
        if not group:
            return "no_group_id"
        kind = person.text(properties.get("object_type_id")) or self.settings.object_type
        item: Item = {"type": "object", "action": "delete", "identifiers": {"object_id": group, "object_type_id": kind}}
        if event.event == "Relationship Deleted":
            item |= {"action": "delete_relationships", "cio_relationships": [{"identifiers": who}]}
        return [item]

    def _device(self, event: Delivery, who: Item) -> Item | None:
        context = person.context(event)
        device = context.get("device")
        token = person.text(device.get("token")) if isinstance(device, dict) else ""
        if not isinstance(device, dict) or not token or not who or event.event in _PERSON_ACTIONS:
            return None
        if event.event in _DEVICE_REMOVED:
            return {"type": "person", "action": "delete_device", "identifiers": who, "device": {"token": token}}
        app, system = context.get("app"), context.get("os")
        platform = person.text(device.get("type")).lower() or "android"
        return {
            "type": "person", "action": "add_device", "identifiers": who,
            "device": {
                "token": token, "platform": "ios" if platform in ("ios", "ipados", "apple") else platform,
                "last_used": dates.unix_seconds(dates.event_time(event)),
                "attributes": {
                    "device_model": person.text(device.get("model")),
                    "device_os": person.text(system.get("version")) if isinstance(system, dict) else "",
                    "app_version": person.text(app.get("version")) if isinstance(app, dict) else "",
                },
            },
        }  # fmt: skip

    def _attributes(self, given: Mapping[str, Any]) -> Item:
        named = {shape.cut(name, ID_BYTES): _short(value) for name, value in given.items()}
        converted: Item = dates.with_dates(named, _seconds) if self.settings.convert_dates else named
        return converted


def identifiers(event: Delivery) -> Item:
    """How Customer.io is told whom an event is about; empty where the event does not say."""
    user, anonymous = person.user_id(event), person.anonymous_id(event)
    if user.startswith("cio_"):
        return {"cio_id": user.removeprefix("cio_")}
    if user:
        return {"email": user} if person.is_email(user) else {"id": shape.cut(user, ID_BYTES)}
    if email := person.email(event):
        return {"email": email}
    return {"anonymous_id": shape.cut(anonymous, ID_BYTES)} if anonymous else {}


def _merge(event: Delivery) -> list[Item] | str:
    kept, gone = person.user_id(event), person.text(event.body.get("previousId"))
    if not kept or not gone or kept == gone:
        return "no_previous_id"
    primary, secondary = ({"email": one} if person.is_email(one) else {"id": one} for one in (kept, gone))
    return [{"type": "person", "action": "merge", "primary": primary, "secondary": secondary}]


def _rejected(error: Mapping[str, Any]) -> Outcome:
    where, reason = error.get("field"), error.get("reason")
    return Outcome(Kind.REJECTED, "400", f"{reason or 'not taken'}: {where}" if where else str(reason or "not taken"))


def _seconds(at: datetime) -> int:
    return dates.unix_seconds(at)


def _short(value: Any) -> Any:
    return shape.cut(value, VALUE_BYTES) if isinstance(value, str) else value
