"""Google Analytics 4: events of a web stream or an app stream, by the Measurement Protocol.

track is an event, by Google's names where the ecommerce spec has one (`Order Completed` is `purchase`); page is
`page_view` and needs its URL, screen `screen_view` in an app stream, group `join_group`. identify sends nothing: traits
that the settings name go along with later events as user properties. Personal data is left out unless asked for. Google
answers 204 to whatever comes, so events count as unconfirmed; what it would drop is not sent, with a reason: no
`client_id`, reserved names, older than 72 hours. It knows no event again: after kill -9 or a timeout an event may count
twice, but for purchases, which reports know by their `transaction_id`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote

import orjson
from pydantic import Field, model_validator

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.ga4_event import Content, cleaned, content_of, is_reserved, limited, without_addresses
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, itemized
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, context, dates, person, shape

OLDEST_SECONDS = 72 * 3_600
USER_PROPERTY_NAME, USER_PROPERTY_VALUE = 24, 36
_RESERVED_USER_PROPERTIES = frozenset(
    ("first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id", "first_open_after_install")
)
Item = dict[str, Any]


class Ga4Settings(PartnerSettings):
    regions: ClassVar = {"global": "https://www.google-analytics.com", "eu": "https://region1.google-analytics.com"}

    api_secret: ApiKey = Field(
        examples=["${GA4_API_SECRET}"], description="From Admin, Data streams, Measurement Protocol API secrets"
    )
    measurement_id: str | None = Field(
        None, pattern=r"^G-[A-Z0-9]+$", examples=["G-ABC123"], description="The web stream; or else firebase_app_id"
    )
    firebase_app_id: str | None = Field(
        None, pattern=r"^[0-9A-Za-z:._-]+$", description="The app stream; or else measurement_id"
    )
    anonymous_client: bool = Field(
        True,
        description="In a web stream, take anonymousId where an event does not name the `_ga` client id; such events "
        "do not join sessions of Google's own tag",
    )
    send_user_id: bool = Field(False, description="Send user ids")
    personal_data: bool = Field(
        False, description="Also send names, mail addresses, phone numbers and the like, and IP addresses"
    )
    user_properties: list[str] = Field(
        [], max_length=25, description="Traits that are sent as user properties, for custom dimensions"
    )
    consent: dict[Literal["ad_user_data", "ad_personalization"], str] = Field(
        {}, description="Google's consents, each by the category of context.consent that grants or denies it"
    )
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Of amounts whose event names no currency")
    lowercase: bool = Field(False, description="Lower-case the names of custom events")
    screen_event: str = Field("screen_view", description="What a screen call is called in an app stream")
    value_length: int = Field(100, ge=36, description="Characters of a parameter: 100, in Analytics 360 500")
    engagement_msec: int = Field(1, ge=1, description="Engagement time of events that do not say it")
    debug: bool = Field(False, description="Send to Google's validation server, which names faults and records nothing")

    @model_validator(mode="after")
    def _check_stream(self) -> Self:
        if bool(self.measurement_id) == bool(self.firebase_app_id):
            raise ValueError("expected either measurement_id or firebase_app_id")
        return self


@destination("ga4")
class Ga4(HttpDestination):
    summary = "Events and ecommerce for Google Analytics 4"
    integrations = ("Google Analytics 4", "Google Analytics 4 Cloud", "Google Analytics 4 (GA4)", "GA4")
    types = ("track", "page", "screen", "group")
    limits = RequestLimits(count=25, batch=25, request_bytes=130_000)
    maps = "items"
    Settings = Ga4Settings
    settings: Ga4Settings

    def batch_key(self, event: Delivery) -> Hashable:
        """A request is about one client."""
        return orjson.dumps(self._envelope(event))

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        sent, items, skips = itemized(events, self._items)
        yield from skips
        if sent:
            yield HttpRequest.of_json("POST", self._url(), sent, {**self._envelope(sent[0]), "events": items})

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        outcome = self.by_status(request, response)
        if outcome.kind is not Kind.DELIVERED:
            return [outcome] * len(request.events)
        answer = response.json if self.settings.debug else None
        faults = answer.get("validationMessages") if isinstance(answer, dict) else None
        if faults:
            words = ", ".join(f"{one.get('validationCode')}: {one.get('fieldPath')}" for one in faults)
            refused = Outcome(Kind.REJECTED, "400", words, shared=len(request.events) > 1)
            return [refused] * len(request.events)
        return [Outcome(Kind.UNCONFIRMED, response.code)] * len(request.events)

    def _url(self) -> str:
        """An app id keeps its colons: Google does not decode them."""
        own = self.settings
        stream = (
            f"measurement_id={own.measurement_id}" if own.measurement_id else f"firebase_app_id={own.firebase_app_id}"
        )
        secret = quote(own.api_secret.get_secret_value(), safe="")
        return f"{'/debug' if own.debug else ''}/mp/collect?{stream}&api_secret={secret}"

    def shown(self, request: HttpRequest) -> HttpRequest:
        made = super().shown(request)
        return replace(made, url=f"{made.url.partition('api_secret=')[0]}api_secret=***")

    def _envelope(self, event: Delivery) -> Item:
        """All of a request but its events: whom they are about."""
        own = self.settings
        user = person.real(person.user_id(event)) if own.send_user_id else ""
        return shape.present(
            {
                "client_id" if own.measurement_id else "app_instance_id": self._client_id(event),
                "user_id": user if own.personal_data or not person.is_email(user) else "",
                "user_properties": self._user_properties(event),
                "consent": self._consent(event),
                "ip_override": person.text(context.at(event, "ip")) if own.personal_data else "",
            }
        )

    def _client_id(self, event: Delivery) -> str:
        options, properties = self.options(event), person.properties(event)
        if not self.settings.measurement_id:
            given = (options.get("appInstanceId"), options.get("app_instance_id"), properties.get("app_instance_id"))
            return next(filter(None, map(person.text, given)), "")
        given = (options.get("clientId"), options.get("client_id"), properties.get("client_id"))
        known = next(filter(None, map(person.text, given)), "")
        if not known and self.settings.anonymous_client:
            known = person.real(person.anonymous_id(event))
        parts = known.split(".")  # of a cookie such as GA1.1.444.555 the last two
        return ".".join(parts[-2:]) if parts[0] == "GA1" else known

    def _user_properties(self, event: Delivery) -> Item:
        known, out = person.traits(event), {}
        for name in self.settings.user_properties:
            value, called = known.get(name), cleaned(name)[:USER_PROPERTY_NAME]
            if isinstance(value, bool):
                value = str(value).lower()
            if isinstance(value, str):
                value = (value if self.settings.personal_data else without_addresses(value))[:USER_PROPERTY_VALUE]
            if isinstance(value, str | int | float) and called and not is_reserved(called, _RESERVED_USER_PROPERTIES):
                out[called] = {"value": value}
        return out

    def _consent(self, event: Delivery) -> Item:
        given = context.at(event, "consent.categoryPreferences")
        return {
            name: "GRANTED" if given[category] is True else "DENIED"
            for name, category in self.settings.consent.items()
            if isinstance(given, dict) and category in given
        }

    def _items(self, event: Delivery) -> list[Item] | str:
        """The event at Google, or the reason why it is not sent."""
        web = bool(self.settings.measurement_id)
        if not self._client_id(event):
            return "no_client_id" if web else "no_app_instance_id"
        at = dates.event_time(event)
        if at.timestamp() < self.clock() - OLDEST_SECONDS:
            return "too_old"
        if event.type in ("page", "screen") and (event.type == "page") != web:
            return "other_stream"
        own = self.settings
        content = content_of(event, currency=own.currency, lowercase=own.lowercase, screen_event=own.screen_event)
        if isinstance(content, str):
            return content
        made = {"name": content.name, "params": self._params(event, content), "timestamp_micros": dates.unix_us(at)}
        return [shape.present(self.shaped(event, made))]

    def _params(self, event: Delivery, content: Content) -> Item:
        options, properties = self.options(event), person.properties(event)
        given = options.get("sessionId"), options.get("session_id"), properties.get("session_id")
        session = next(filter(None, map(person.text, (*given, context.at(event, "sessionId")))), "")
        engaged = commerce.amount(properties.get("engagement_time_msec"))
        first = {"engagement_time_msec": int(engaged or self.settings.engagement_msec), "session_id": session}
        own = self.settings
        params, problems = limited(content, first, value_length=own.value_length, personal=own.personal_data)
        self.count_problems(problems)
        return params
