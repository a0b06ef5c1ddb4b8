"""Google Ads: conversions and customer-match lists, by the Data Manager API, hashed by Google's rules.

`conversions` names the conversion action of a track name: clicks (`gclid`, `gbraid` or `wbraid`, of `integrations`, the
properties, the campaign or the page's address) and people by mail, phone and address. `audiences` names user lists:
identify says by a trait of that name who is in one; track says it by `Audience Entered`, `Audience Exited` and the
events that a list names. All else is filtered, as are conversions older than `max_age` (`too_old`) and people whom
Google could not know (`no_identifier`). Google takes a request (`unconfirmed`: it matches people later) or refuses it
whole and names the fields: those events are dead letters, the others go again. kill -9 or a timeout repeats nothing
that counts: a conversion is known by its order id, else its messageId; a list is a set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from router.config.types import Duration
from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, checked_url
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, context, dates, hashing, keys, membership, person, shape

_CLICKS = ("gclid", "gbraid", "wbraid")  # never two of them
_FAULT = re.compile(r"(?:events|audience_?[mM]embers)\[(\d+)\](?:\.([\w.\[\]]+))?")
_ITEMS = ("events", "audienceMembers")

AccountId = Annotated[
    str,
    BeforeValidator(lambda value: str(value).replace("-", "")),
    StringConstraints(pattern=r"^\d{10}$"),
]
ActionId = Annotated[str, BeforeValidator(str), StringConstraints(pattern=r"^\d+$")]


class GoogleAdsSettings(PartnerSettings):
    regions: ClassVar = {"global": "https://datamanager.googleapis.com"}

    client_id: ApiKey = Field(examples=["${GOOGLE_CLIENT_ID}"], description="Of the OAuth client")
    client_secret: ApiKey = Field(examples=["${GOOGLE_CLIENT_SECRET}"], description="Of the OAuth client")
    refresh_token: ApiKey = Field(
        examples=["${GOOGLE_REFRESH_TOKEN}"],
        description="Granted for the scope https://www.googleapis.com/auth/datamanager",
    )
    token_url: str = Field("https://oauth2.googleapis.com/token", description="Where access tokens are granted")
    account_id: AccountId = Field(examples=["123-456-7890"], description="The account that is sent to, with ten digits")
    login_account_id: AccountId | None = Field(None, description="The manager account that signs in, if it is another")
    conversions: dict[str, ActionId] = Field(
        {}, examples=[{"Order Completed": "987654321"}], description="Ids of conversion actions by track name"
    )
    audiences: membership.Audiences | None = Field(
        None, description="Ids of user lists by the name of the audience; {id, entered, left} also names events"
    )
    terms_accepted: bool = Field(False, description="You have accepted Google's terms for customer match")
    consent: Literal["granted", "denied"] | None = Field(
        None, description="Consent to user data and personalisation, needed for people in the EEA; left out: not said"
    )
    event_source: Literal["WEB", "APP", "IN_STORE", "PHONE", "OTHER"] = Field(
        "WEB", description="Where conversions happen"
    )
    currency: str | None = Field(None, pattern="^[A-Z]{3}$", description="Of amounts whose event names none")
    merchant_id: ActionId | None = Field(None, description="Merchant Center's id; left out: no products are sent")
    max_age: Duration = Field("90d", validate_default=True, gt=0, description="Older conversions are not sent")
    validate_only: bool = Field(False, description="Google checks what is sent and keeps nothing")

    @field_validator("token_url")
    @classmethod
    def _check_token_url(cls, value: str) -> str:
        return checked_url(value)

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        if not self.conversions and not self.audiences:
            raise ValueError("expected conversions, audiences or both, got neither")
        if self.audiences and not self.terms_accepted:
            raise ValueError("expected terms_accepted: true for audiences: Google asks whether you have accepted them")
        return self


@destination("google-ads")
class GoogleAds(HttpDestination):
    summary = "Conversions and customer-match lists for Google Ads"
    integrations = ("Google Ads Conversions", "Google Ads Remarketing Lists", "Google Adwords Remarketing Lists")
    types = ("identify", "track")
    limits = RequestLimits(count=2_000, batch=1_000, age=2.0)  # 300 requests a minute
    order = "profile"
    idempotency = "message_id"
    maps = "items"
    default_wait = 60.0
    Settings = GoogleAdsSettings
    settings: GoogleAdsSettings

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        made = [*self._conversions(events), *self._members(events)]
        sent = {id(event) for one in made if isinstance(one, HttpRequest) for event in one.events}
        skipped = {id(one.event): one for one in reversed(made) if isinstance(one, Skip)}  # the first reason counts
        for event in events:
            if id(event) not in sent:
                yield skipped.get(id(event)) or Skip(event, "no_conversion")
        yield from (one for one in made if isinstance(one, HttpRequest))

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        answer = response.json
        if response.status == 200:
            given = answer.get("requestId") if isinstance(answer, dict) else None
            known = isinstance(given, str) and re.fullmatch(r"[\w-]{1,100}", given)
            return [Outcome(Kind.UNCONFIRMED, "200", f"request {given}" if known else "")] * len(request.events)
        faults = _violations(answer) if response.status == 400 else []
        if any(one.startswith("destinations") for one in faults):
            outcome = Outcome(Kind.REFUSED, "400", "the account, the conversion action or the list is not there")
            return [outcome] * len(request.events)
        bad = {int(found[1]): found[2] or "" for one in faults if (found := _FAULT.match(one))}
        if not bad or max(bad) >= len(request.events):
            return super().read(request, response)
        failed = {place: Outcome(Kind.REJECTED, "400", f"invalid: {name}") for place, name in bad.items()}
        again = _without(request, bad)
        return [failed.get(place) or again for place in range(len(request.events))]

    def token_request(self) -> HttpRequest:
        known = self.settings
        form = {
            "grant_type": "refresh_token", "refresh_token": known.refresh_token.get_secret_value(),
            "client_id": known.client_id.get_secret_value(), "client_secret": known.client_secret.get_secret_value(),
        }  # fmt: skip
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return HttpRequest("POST", known.token_url, (), urlencode(form).encode(), kind)

    def probe(self) -> HttpRequest:
        """Of a request that nobody made: whether there is an access token to be had, and whether it is taken."""
        return HttpRequest("GET", "/v1/requestStatus:retrieve?requestId=event-router", ())

    def read_probe(self, response: HttpResponse) -> Outcome:
        return Outcome(Kind.DELIVERED, response.code) if response.status in (400, 404) else super().read_probe(response)

    def _conversions(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        found: dict[str, tuple[list[Delivery], list[dict[str, Any]]]] = {}
        for event in events:
            action = self.settings.conversions.get(event.event) if event.type == "track" else None
            if action is None:
                continue
            item = self._conversion(event)
            if isinstance(item, Skip):
                yield item
            else:
                those, items = found.setdefault(action, ([], []))
                those.append(event)
                items.append(item)
        for action, (those, items) in found.items():
            yield self._request("/v1/events:ingest", action, those, {"events": items})

    def _conversion(self, event: Delivery) -> dict[str, Any] | Skip:
        at, value = dates.event_time(event), commerce.revenue(event)
        if (datetime.fromtimestamp(self.clock(), UTC) - at).total_seconds() > self.settings.max_age:
            return Skip(event, "too_old")
        item = shape.present(self.shaped(event, {
            "eventTimestamp": dates.iso(at), "eventSource": self.settings.event_source,
            "transactionId": commerce.order_id(event) or person.message_id(event) or keys.as_hex(event),
            "adIdentifiers": self._click(event), "userData": user_data(event), "conversionValue": value,
            "currency": commerce.currency(event, self.settings.currency or "") if value is not None else "",
            "cartData": self._cart(event) if self.settings.merchant_id else None,
        }))  # fmt: skip
        return item if item.get("adIdentifiers") or item.get("userData") else Skip(event, "no_identifier")

    def _click(self, event: Delivery) -> dict[str, str]:
        own, given = person.properties(event), self.options(event)
        for name in _CLICKS:
            found = given.get(name), own.get(name), context.at(event, f"campaign.{name}"), _of_page(event, name)
            if click := next(filter(None, map(person.text, found)), ""):
                return {name: click}
        return {}

    def _cart(self, event: Delivery) -> dict[str, Any] | None:
        bought = [one for one in commerce.products(event) if one.id or one.sku]
        items = [
            shape.present({"merchantProductId": one.id or one.sku, "quantity": one.quantity, "unitPrice": one.price})
            for one in bought
        ]
        return {"merchantId": self.settings.merchant_id, "items": items} if items else None

    def _members(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        for one in membership.changes(events, self.settings.audiences or {}, user_data):
            if isinstance(one, Skip):
                yield one if self.settings.audiences else Skip(one.event, "no_conversion")
                continue
            path = "/v1/audienceMembers:ingest" if one.enters else "/v1/audienceMembers:remove"
            payload: dict[str, Any] = {"audienceMembers": [{"userData": member} for member in one.members]}
            if one.enters:
                payload["termsOfService"] = {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
            yield self._request(path, one.list_id, one.events, payload)

    def _request(self, path: str, target: str, events: Sequence[Delivery], items: Mapping[str, Any]) -> HttpRequest:
        known = self.settings
        destination = {"operatingAccount": _account(known.account_id), "productDestinationId": target}
        if known.login_account_id:
            destination["loginAccount"] = _account(known.login_account_id)
        payload = {"destinations": [destination], "encoding": "HEX", **items}
        if known.consent and not path.endswith(":remove"):
            said = f"CONSENT_{known.consent.upper()}"
            payload["consent"] = {"adUserData": said, "adPersonalization": said}
        if known.validate_only:
            payload["validateOnly"] = True
        return HttpRequest.of_json("POST", path, events, payload)


def user_data(event: Delivery) -> dict[str, Any]:
    """Who it is, hashed by Google's rules; empty for somebody of whom it could know nothing."""
    home = person.address(event)
    name = {
        "givenName": hashing.google_name(person.first_name(event)),
        "familyName": hashing.google_name(person.last_name(event)),
        "regionCode": home.country.upper() if re.fullmatch("[A-Za-z]{2}", home.country) else "",
        "postalCode": home.postal_code,
    }  # fmt: skip
    found: list[dict[str, Any]] = [
        {"emailAddress": hashing.google_email(person.email_or_hash(event))},
        {"phoneNumber": hashing.google_phone(person.phone(event))},
        {"address": name if all(name.values()) else {}},
    ]
    identifiers = [one for one in map(shape.present, found) if one]
    return {"userIdentifiers": identifiers} if identifiers else {}


def _account(number: str) -> dict[str, str]:
    return {"accountType": "GOOGLE_ADS", "accountId": number}


def _of_page(event: Delivery, name: str) -> str:
    try:
        return parse_qs(urlsplit(person.text(context.at(event, "page.url"))).query).get(name, [""])[0]
    except ValueError:
        return ""


def _violations(answer: Any) -> list[str]:
    """The fields that a refused request's error names."""
    error = answer.get("error") if isinstance(answer, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    found = [one for detail in details or () if isinstance(detail, dict) for one in detail.get("fieldViolations") or ()]
    return [one["field"] for one in found if isinstance(one, dict) and isinstance(one.get("field"), str)]


def _without(request: HttpRequest, bad: Mapping[int, str]) -> HttpRequest:
    """The same request with the other events; each of them is one item of its list."""
    payload = orjson.loads(request.body)
    for name in _ITEMS:
        if name in payload:
            payload[name] = [one for place, one in enumerate(payload[name]) if place not in bad]
    events = [event for place, event in enumerate(request.events) if place not in bad]
    return HttpRequest.of_json(request.method, request.url, events, payload)
