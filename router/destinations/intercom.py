"""Intercom: contacts, events, companies, one request at a time.

identify looks for the contact, by user id, else by an e-mail address that only one has, and updates or creates it; a
lead of that address is merged into the user. People without a user id are leads. track is an event: ten values of
metadata, more are left out and counted. group is a company, with its tags, to which the contact is added, or with
`traits.remove` is removed from; `User Deleted` deletes the contact. page, screen and alias have no counterpart. A
contact that is not known is tried again once, then a dead letter. kill -9 or a timeout repeats nothing that counts:
updates change nothing, and Intercom drops an event that it has of that person, name and second. So it does with two
real ones: at most one event of a name is kept a second.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import orjson
from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, dates, person, shape

METADATA = 10
_MONEY, _LINK = {"amount", "currency"}, {"url", "value"}  # the only objects that metadata may hold
_CONTACT = frozenset(
    ("email", "name", "firstName", "first_name", "lastName", "last_name", "phone", "avatar", "createdAt", "created_at")
) | {"lastSeenAt", "last_seen_at", "company", "unsubscribedFromEmails"}
_COMPANY = frozenset(("id", "name", "plan", "size", "employees", "website", "industry", "createdAt", "created_at")) | {
    "monthlySpend", "monthly_spend", "remove", "tags",
}  # fmt: skip
_WORD = re.compile(r"[a-z_]{1,60}\Z")
Item = dict[str, Any]


class IntercomSettings(PartnerSettings):
    regions: ClassVar = {
        "us": "https://api.intercom.io", "eu": "https://api.eu.intercom.io", "au": "https://api.au.intercom.io",
    }  # fmt: skip

    access_token: ApiKey = Field(
        examples=["${INTERCOM_ACCESS_TOKEN}"], description="Of an app that may read and write contacts and companies"
    )
    version: str = Field("2.10", pattern=r"^\d+\.\d+$", description="The version of the API")
    attributes: list[str] | None = Field(
        None, description="Only these custom attributes are sent; Intercom refuses those that it does not know"
    )
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Of revenue that does not say")


@dataclass(frozen=True, slots=True, eq=False)
class _Step(HttpRequest):
    """A request that another may follow. `lead` is to be merged into the contact, which belongs to `company`."""

    step: Literal["find", "save", "merge", "company"] = "find"
    lead: str = ""
    company: str = ""


@destination("intercom")
class Intercom(HttpDestination):
    summary = "Contacts, events and companies for Intercom"
    integrations = ("Intercom", "Intercom Cloud Mode (Actions)")
    types = ("identify", "track", "group")
    limits = RequestLimits(rate=150.0)
    order = "profile"
    idempotency = "upsert"
    maps = "items"
    wait_headers = ("x-ratelimit-reset", "retry-after")
    default_wait = 10.0  # its limits are by ten seconds
    Settings = IntercomSettings
    settings: IntercomSettings

    def batch_key(self, event: Delivery) -> Hashable:
        return event.idempotency_key

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        for event in events:
            if event.type == "group":
                yield from self._company(event)
            elif not _known(event):
                yield Skip(event, "no_identifier")
            elif event.type == "identify" or event.event == "User Deleted":
                yield _find(event)
            else:
                item = shape.present(self.shaped(event, self._event(event)))
                yield HttpRequest.of_json("POST", "/events", [event], item)

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        event = request.events[0]
        following = self._next(event, request, response) if isinstance(request, _Step) else None
        if following is not None:
            return [following]
        if response.status == 409:  # its search lags behind: the contact is there in a moment
            return [Outcome(Kind.RETRY, "409", "conflict")]
        if response.status == 404:
            gone = request.method == "DELETE"
            return [Outcome(Kind.DELIVERED, "404") if gone else _unknown(event)]
        if response.status in (400, 422):
            return [Outcome(Kind.REJECTED, response.code, _word(response))]
        return super().read(request, response)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        token = self.settings.access_token.get_secret_value()
        return {
            "Authorization": f"Bearer {token}", "Intercom-Version": self.settings.version, "Accept": "application/json",
        }  # fmt: skip

    def probe(self) -> HttpRequest:
        return HttpRequest("GET", "/me", ())

    def _next(self, event: Delivery, request: _Step, response: HttpResponse) -> Outcome | HttpRequest | None:
        """What follows a step that went well; None where its answer is the last word."""
        answer = response.json
        if request.step == "merge" and response.status in (400, 404, 422):
            return Outcome(Kind.UNCONFIRMED, response.code, "the contact is saved, its lead was not merged into it")
        if request.step == "save" and response.status == 404:  # found, and deleted since
            return self._save(event, None, request.lead)
        if not 200 <= response.status < 300 or not isinstance(answer, dict):
            return None
        match request.step:
            case "find":
                return self._found(event, request, [one for one in answer["data"] if isinstance(one, dict)])
            case "company" if _known(event):
                return _find(event, company=str(answer["id"]))
            case "save" if request.lead:
                return _step("merge", "POST", "/contacts/merge", event, {"from": request.lead, "into": answer["id"]})
        return None

    def _found(self, event: Delivery, request: _Step, contacts: Sequence[Item]) -> Outcome | HttpRequest:
        contact, lead = _matching(event, contacts)
        if event.type == "identify":
            return self._save(event, contact, lead)
        found = contact or lead
        if event.type == "group" and found:
            if person.group_traits(event).get("remove") is True:
                return HttpRequest("DELETE", f"/contacts/{found}/companies/{request.company}", [event])
            return HttpRequest.of_json("POST", f"/contacts/{found}/companies", [event], {"id": request.company})
        if event.type == "group":
            return _unknown(event)
        return HttpRequest("DELETE", f"/contacts/{found}", [event]) if found else Outcome(Kind.DELIVERED, "200")

    def _save(self, event: Delivery, contact: str | None, lead: str) -> HttpRequest:
        """A lead is one that was found, or made; a user may have a lead that is merged into it."""
        user = person.user_id(event)
        target = contact or ("" if user else lead)
        item = shape.present(self.shaped(event, self._contact(event, new=not target)))
        merged = lead if user and lead else ""
        if target:
            return _step("save", "PUT", f"/contacts/{target}", event, item, lead=merged)
        return _step("save", "POST", "/contacts", event, item, lead=merged)

    def _contact(self, event: Delivery, *, new: bool) -> Item:
        """Intercom gives a lead an external id of its own."""
        traits, user = person.traits(event), person.user_id(event)
        return {
            "role": ("user" if user else "lead") if new else None, "external_id": user,
            "email": person.email(event).lower(), "name": person.full_name(event), "phone": person.phone(event),
            "avatar": person.text(traits.get("avatar")), "signed_up_at": _seconds(traits, "createdAt", "created_at"),
            "last_seen_at": _seconds(traits, "lastSeenAt", "last_seen_at"),
            "unsubscribed_from_emails": traits.get("unsubscribedFromEmails"),
            "custom_attributes": self._attributes(traits, _CONTACT),
        }  # fmt: skip

    def _attributes(self, given: Mapping[str, Any], own: frozenset[str]) -> Item:
        flat = shape.flat({name: value for name, value in given.items() if name not in own})
        wanted = self.settings.attributes
        return {name: shape.scalar(one) for name, one in flat.items() if wanted is None or name in wanted}

    def _event(self, event: Delivery) -> Item:
        user = person.user_id(event)
        return {
            **({"user_id": user} if user else {"email": person.email(event).lower()}),
            "event_name": event.event or "unnamed", "created_at": dates.unix_seconds(dates.event_time(event)),
            "metadata": self._metadata(event),
        }  # fmt: skip

    def _metadata(self, event: Delivery) -> Item:
        made: Item = {}
        total = commerce.revenue(event)
        if total is not None:
            currency = commerce.currency(event, self.settings.currency)
            made["price"] = {"amount": commerce.cents(total), "currency": currency}
        left = {"email", "revenue", "currency"} if made else {"email"}
        for name, value in person.properties(event).items():
            if name not in left:
                made |= {key: one for key, one in _flat(name, value).items() if key not in made}
        kept = shape.present({name: _value(name, value) for name, value in made.items()})
        if len(kept) > METADATA:
            self.count_problems(["metadata: more than Intercom takes"] * (len(kept) - METADATA))
        return dict(list(kept.items())[:METADATA])

    def _company(self, event: Delivery) -> Iterator[HttpRequest | Skip]:
        group, traits = person.group_id(event), person.group_traits(event)
        if not group:
            yield Skip(event, "no_group_id")
            return
        item = {
            "company_id": group, "name": person.text(traits.get("name")), "plan": person.text(traits.get("plan")),
            "size": commerce.amount(traits.get("size") or traits.get("employees")),
            "website": person.text(traits.get("website")), "industry": person.text(traits.get("industry")),
            "monthly_spend": commerce.amount(traits.get("monthlySpend") or traits.get("monthly_spend")),
            "remote_created_at": _seconds(traits, "createdAt", "created_at"),
            "custom_attributes": self._attributes(traits, _COMPANY),
        }  # fmt: skip
        yield _step("company", "POST", "/companies", event, shape.present(self.shaped(event, item)))
        tags = traits.get("tags")
        for tag in tags if isinstance(tags, list) else ():
            if name := person.text(tag):
                content = {"name": name, "companies": [{"company_id": group}]}
                yield HttpRequest.of_json("POST", "/tags", [event], content)


def _known(event: Delivery) -> bool:
    return bool(person.user_id(event) or person.email(event))


def _find(event: Delivery, company: str = "") -> _Step:
    wanted = shape.present({"external_id": person.user_id(event), "email": person.email(event).lower()})
    terms = [{"field": field, "operator": "=", "value": value} for field, value in wanted.items()]
    query = terms[0] if len(terms) == 1 else {"operator": "OR", "value": terms}
    return _step("find", "POST", "/contacts/search", event, {"query": query}, company=company)


def _matching(event: Delivery, contacts: Sequence[Item]) -> tuple[str, str]:
    """The ids of the user and of the lead that the event is about; empty where there is none.

    A user who has another external id is somebody else, even with the same e-mail address.
    """
    user = person.user_id(event)
    leads = [str(one["id"]) for one in contacts if one.get("role") == "lead"]
    users = [one for one in contacts if one.get("role") != "lead"]
    by_id = [str(one["id"]) for one in users if user and one.get("external_id") == user]
    by_email = [str(one["id"]) for one in users if not user or not one.get("external_id")]
    found = by_id or (by_email if len(by_email) == 1 else [])
    return found[0] if found else "", leads[0] if leads else ""


def _step(
    step: Literal["find", "save", "merge", "company"], method: str, path: str, event: Delivery, content: Item,
    *, lead: str = "", company: str = "",
) -> _Step:  # fmt: skip
    body = orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    headers = {"Content-Type": "application/json"}
    return _Step(method, path, [event], body, headers, step=step, lead=lead, company=company)


def _unknown(event: Delivery) -> Outcome:
    """The contact may be on its way: tried again once."""
    return Outcome(Kind.RETRY if event.attempt == 1 else Kind.REJECTED, "404", "the contact is not known")


def _flat(name: str, value: Any) -> Item:
    if isinstance(value, dict) and value.keys() not in (_MONEY, _LINK):
        return shape.flat(value, prefix=f"{name}_")
    return {name: value}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return value
    at = dates.parsed(value) if name.endswith("_date") else None
    return shape.scalar(value) if at is None else dates.unix_seconds(at)


def _seconds(traits: Mapping[str, Any], *names: str) -> int | None:
    found = (dates.parsed(traits.get(name)) for name in names)
    return next((dates.unix_seconds(at) for at in found if at is not None), None)


def _word(response: HttpResponse) -> str:
    """The code of the answer's first error: its message may hold values."""
    answer = response.json
    errors = answer.get("errors") if isinstance(answer, dict) else None
    code = errors[0].get("code") if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None
    return code if isinstance(code, str) and _WORD.match(code) else response.detail
