"""Mixpanel: events, people and groups, in both of its identity models.

track is an event; page and screen are events such as `Viewed Docs Setup Page`. identify updates the person, whose
special traits get Mixpanel's names (`email` is `$email`); group updates the group and names it in the person. With
`identity: original` identify also joins the anonymous id to the user id, and alias two user ids, which cannot be
undone. Reserved properties, such as `distinct_id`, are left out, and events before 1971 are not sent. Answers to
imported events name those not taken; of updates only that one is wrong: they are sent again in halves. kill -9 or a
timeout repeats events, which Mixpanel knows again by name, person, time and `$insert_id` (the end of the messageId),
and updates that change nothing; only what counts up (increments, transactions) may count twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from re import fullmatch
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip
from router.destinations.registry import destination
from router.destinations.request import basic_auth
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, context, dates, keys, person, shape

EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
INSERT_ID_CHARACTERS = 36
_IMPORT, _TRACK, _PEOPLE, _GROUPS = "/import?strict=1", "/track?verbose=1", "/engage?verbose=1", "/groups?verbose=1"
_RESERVED = frozenset(("time", "id", "distinct_id", "token", "$anon_id", "$group_id", "$insert_id", "$user_id"))
_TRAITS = {
    "email": "$email", "name": "$name", "phone": "$phone", "username": "$username", "avatar": "$avatar",
    "firstName": "$first_name", "first_name": "$first_name", "lastName": "$last_name", "last_name": "$last_name",
    "created": "$created", "createdAt": "$created", "created_at": "$created",
}  # fmt: skip
_CONTEXT = {
    "ip": "ip", "$os": "os.name", "$os_version": "os.version", "$manufacturer": "device.manufacturer",
    "$model": "device.model", "$app_version_string": "app.version", "$app_build_number": "app.build",
    "$carrier": "network.carrier", "$screen_width": "screen.width", "$screen_height": "screen.height",
    "$current_url": "page.url", "$referrer": "page.referrer", "mp_lib": "library.name",
    "$lib_version": "library.version",
}  # fmt: skip
Item = dict[str, Any]
Mapped = list[tuple[str, Item]]  # the path that takes it, and the item


class MixpanelSettings(PartnerSettings):
    regions: ClassVar = {
        "us": "https://api.mixpanel.com", "eu": "https://api-eu.mixpanel.com", "in": "https://api-in.mixpanel.com",
    }  # fmt: skip

    token: ApiKey = Field(examples=["${MIXPANEL_TOKEN}"], description="The project token, from Settings, Project")
    service_account: str | None = Field(
        None, description="User name of a service account, for projects that import only with one"
    )
    service_secret: ApiKey | None = Field(None, description="The secret of that service account")
    project_id: str | None = Field(
        None, pattern=r"^\d+$", description="The project's number; needed with a service account"
    )
    identity: Literal["simplified", "original"] = Field(
        "simplified", description="The project's identity model, from Settings, Identity Merge"
    )
    people: bool = Field(True, description="Update people's profiles")
    group_key: str = Field("$group_id", description="The group key that group calls set, as the project defines it")
    pages: Literal["named", "single", "off"] = Field(
        "named", description="Page and screen calls: events by their names, `Loaded a Page` for all, or none"
    )
    product_events: bool = Field(
        False, description="Also send `Product Purchased` for each product of `Order Completed`"
    )
    transactions: bool = Field(
        False, description="Append the revenue of `Order Completed` to the person's transactions; may count twice"
    )
    increment_events: list[str] = Field(
        [], description="Events that count up a number of the person by their name, and set `Last <event>`"
    )
    increment_properties: list[str] = Field(
        [], description="Number properties of events that are added to the person's number of that name"
    )

    @model_validator(mode="after")
    def _check_account(self) -> Self:
        given = (self.service_account, self.service_secret, self.project_id)
        if any(given) and not all(given):
            raise ValueError("expected service_account, service_secret and project_id together")
        return self


@destination("mixpanel")
class Mixpanel(HttpDestination):
    summary = "Events, people and groups for Mixpanel"
    integrations = ("Mixpanel", "Mixpanel (Actions)")
    limits = RequestLimits(count=2_000, batch=200, request_bytes=1_000_000)
    order = "profile"  # Mixpanel applies updates of a person as they come
    idempotency = "message_id"
    maps = "items"
    Settings = MixpanelSettings
    settings: MixpanelSettings

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        carried: dict[str, tuple[list[Item], list[Delivery]]] = {}
        for event in events:
            made = self._mapped(event)
            if isinstance(made, str):
                yield Skip(event, made)
                continue
            for path, item in made:
                items, sent = carried.setdefault(path, ([], []))
                items.append(item)
                sent.append(event)
        # Updates that count up go last: what fails before them does not repeat them.
        for path in (_TRACK, _IMPORT, _GROUPS, _PEOPLE):
            if path in carried:
                items, sent = carried[path]
                yield HttpRequest.of_json("POST", self._url(path), sent, items, weight=len(items))

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        answer = response.json
        if response.status == 429:
            wait = min(60.0, 2.0 ** max(event.attempt for event in request.events))
            outcome = self.by_status(request, response)
            return [replace(outcome, retry_after=outcome.retry_after or wait)] * len(request.events)
        if request.url.startswith("/import"):
            if response.status == 400 and isinstance(answer, dict) and answer.get("failed_records"):
                failed = {one["index"]: _rejected(one) for one in answer["failed_records"]}
                return self.all_but(request, response, failed)
        elif response.status == 200 and (answer == 0 or (isinstance(answer, dict) and answer.get("status") == 0)):
            refused = Outcome(Kind.REJECTED, "400", "the update is not valid", shared=len(request.events) > 1)
            return [refused] * len(request.events)
        return super().read(request, response)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        user, secret = self.settings.service_account, self.settings.service_secret
        if user and secret:
            return {"Authorization": basic_auth(user, secret.get_secret_value())}
        return {"Authorization": basic_auth(self._token, "")}

    def probe(self) -> HttpRequest:
        return HttpRequest.of_json("POST", self._url(_IMPORT), (), [])

    def read_probe(self, response: HttpResponse) -> Outcome:
        """Nothing to import may be a fault, but one that is found only after the credentials were taken."""
        return Outcome(Kind.DELIVERED, "400") if response.status == 400 else super().read_probe(response)

    @property
    def _token(self) -> str:
        return self.settings.token.get_secret_value()

    def _url(self, path: str) -> str:
        project = self.settings.project_id
        return f"{path}&project_id={project}" if project and path == _IMPORT else path

    def _mapped(self, event: Delivery) -> Mapped | str:
        """What the event is at Mixpanel, or the reason why it is nothing there."""
        if dates.event_time(event) < EARLIEST:
            return "too_old"
        match event.type:
            case "identify":
                return self._identify(event)
            case "group":
                return self._group(event)
            case "alias":
                return self._alias(event)
            case "page" | "screen" if self.settings.pages == "off":
                return "pages_off"
            case "page" | "screen":
                names = (text for name in ("category", "name") if (text := person.text(event.body.get(name))))
                return self._event(event, context.page_event(event, *names if self.settings.pages == "named" else ()))
        return self._event(event, event.event) if event.event else "no_event_name"

    def _event(self, event: Delivery, name: str) -> Mapped:
        properties = commerce.with_amounts(person.properties(event))
        if event.event == "Order Completed":
            properties["revenue"] = commerce.revenue(event)
        made = [(_IMPORT, self.shaped(event, self._item(event, name, properties)))]
        if self.settings.product_events and event.event == "Order Completed":
            made += [(_IMPORT, self._product(event, *one)) for one in enumerate(commerce.products(event))]
        return made + (self._counted(event, name, properties) if self.settings.people else [])

    def _item(self, event: Delivery, name: str, properties: Item) -> Item:
        group = person.group_id(event)
        own = {key: value for key, value in properties.items() if key not in _RESERVED}
        known = context.fields(event, _CONTEXT) | context.campaign(event) | {"$browser": context.browser(event)}
        return {
            "event": name,
            "properties": shape.present({**known, self.settings.group_key: group, **own, **self._ids(event)})
            | {
                "time": dates.unix_ms(dates.event_time(event)),
                "distinct_id": self._distinct_id(event),  # empty: of no person
                "$insert_id": insert_id(event),
            },
        }

    def _product(self, event: Delivery, number: int, product: commerce.Product) -> Item:
        known = product._asdict() | {"id": "", "more": None, "product_id": product.id, **product.more}
        made = self._item(event, "Product Purchased", known)
        prefix = f"{number}-"
        own = made["properties"]
        own["time"] -= number + 1
        own["$insert_id"] = prefix + own["$insert_id"][-(INSERT_ID_CHARACTERS - len(prefix)) :]
        return made

    def _counted(self, event: Delivery, name: str, properties: Item) -> Mapped:
        """Updates that count something up, of a known person only."""
        if not person.real(person.user_id(event)):
            return []
        at = dates.iso(dates.event_time(event))
        updates: list[Item] = []
        added: Item = {name: 1} if name in self.settings.increment_events else {}
        if added:
            updates.append({"$set": {f"Last {name}": at}})
        for one in self.settings.increment_properties:
            if (value := commerce.amount(properties.get(one))) is not None:
                added[one] = value
        if added:
            updates.append({"$add": added})
        amount = properties.get("revenue")
        if self.settings.transactions and event.event == "Order Completed" and amount is not None:
            updates.append({"$append": {"$transactions": {"$time": at, "$amount": amount}}})
        return [self._update(event, update) for update in updates]

    def _identify(self, event: Delivery) -> Mapped | str:
        user, anonymous = _ids(event)
        made: Mapped = []
        if not user and not anonymous:
            return "no_user_id"
        if self.settings.identity == "original" and user and anonymous and user != anonymous:
            ids = {"$identified_id": user, "$anon_id": anonymous, "distinct_id": user, "token": self._token}
            made.append((_TRACK, {"event": "$identify", "properties": ids}))
        traits = shape.present({_TRAITS.get(name, name): value for name, value in person.traits(event).items()})
        if traits and self.settings.people:
            traits.setdefault("$name", person.full_name(event))
            path, update = self._update(event, {"$set": shape.present(traits)})
            made.append((path, self.shaped(event, update)))
        return made or ("no_traits" if self.settings.people else "people_off")

    def _group(self, event: Delivery) -> Mapped | str:
        group, traits, key = person.group_id(event), person.group_traits(event), self.settings.group_key
        if not group:
            return "no_group_id"
        named = shape.present({_TRAITS.get(name, name): value for name, value in traits.items()})
        update = {"$token": self._token, "$group_key": key, "$group_id": group, "$set": named}
        made = [(_GROUPS, self.shaped(event, update))] if named else []
        if self.settings.people and any(_ids(event)):
            made.append(self._update(event, {"$union": {key: [group]}}))
        return made or "no_traits"

    def _alias(self, event: Delivery) -> Mapped | str:
        kept, joined = person.real(person.user_id(event)), person.real(person.text(event.body.get("previousId")))
        if self.settings.identity == "simplified":
            return "simplified_identity"
        if not kept or not joined or kept == joined:
            return "no_previous_id"
        ids = {"distinct_id": joined, "alias": kept, "token": self._token}
        return [(_TRACK, {"event": "$create_alias", "properties": ids})]

    def _update(self, event: Delivery, update: Item) -> tuple[str, Item]:
        # An address of 0 keeps Mixpanel from placing the person where this router is.
        known = {"$token": self._token, "$distinct_id": self._distinct_id(event)}
        return _PEOPLE, {**known, "$ip": person.text(context.at(event, "ip")) or "0", **update}

    def _distinct_id(self, event: Delivery) -> str:
        user, anonymous = _ids(event)
        if user or not anonymous or self.settings.identity == "original":
            return user or anonymous
        return f"$device:{anonymous}"

    def _ids(self, event: Delivery) -> Item:
        user, anonymous = _ids(event)
        if self.settings.identity == "original":
            return {"$identified_id": user, "$anon_id": anonymous}
        return {"$user_id": user, "$device_id": anonymous}


def insert_id(event: Delivery) -> str:
    """The end of the messageId, where it is of the signs that Mixpanel takes; else the idempotency key."""
    end = person.message_id(event)[-INSERT_ID_CHARACTERS:]
    return end if fullmatch(r"[A-Za-z0-9-]+", end) else keys.as_hex(event)


def _ids(event: Delivery) -> tuple[str, str]:
    return person.real(person.user_id(event)), person.real(person.anonymous_id(event))


def _rejected(record: Mapping[str, Any]) -> Outcome:
    return Outcome(Kind.REJECTED, "400", f"not valid: {record.get('field') or 'the event'}")
