"""AdRoll: people enter segments of NextRoll's Audience API by their mail address.

`audiences` names the segments (type `crm`): identify says by a trait of that name who is in one; track says it by
`Audience Entered` and the events that a segment names. People are only appended: nobody can be taken off a segment
(`leave_not_supported`), they leave it by the duration that it has at AdRoll. Who has no mail address is filtered, as
is what concerns no segment. An application may make 100 requests a day, so events are collected for an hour, or until
there are 4,000 or 1 MiB of them; `delivery.batch` says otherwise. AdRoll serves a segment once it has 100 people. kill
-9 or a timeout sends people again, which changes nothing: a segment is a set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import hashing, membership, person


class AdrollSettings(PartnerSettings):
    regions: ClassVar = {"global": "https://services.adroll.com"}

    access_token: ApiKey = Field(examples=["${ADROLL_TOKEN}"], description="A personal access token")
    client_id: ApiKey = Field(examples=["${ADROLL_CLIENT_ID}"], description="Of the application, sent as its API key")
    audiences: membership.Audiences = Field(
        examples=[{"gold_customers": "ABCDEFGHIJKLMNOPQRSTUV"}],
        description="Ids of segments by the name of the audience; {id, entered} also names events",
    )
    hash: Literal["none", "md5", "sha256"] = Field(
        "none", description="How addresses are sent; AdRoll's text asks for plain ones, some accounts take hashes"
    )
    send_names: bool = Field(
        False, description="Send the audience's name too, which becomes the segment's; for accounts that ask for it"
    )


@destination("adroll")
class Adroll(HttpDestination):
    summary = "Members of retargeting segments at AdRoll"
    integrations = ("AdRoll",)
    types = ("identify", "track")
    limits = RequestLimits(count=10_000, batch=4_000, age=3_600.0)
    idempotency = "upsert"
    Settings = AdrollSettings
    settings: AdrollSettings

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        made = list(membership.changes(events, self.settings.audiences, self._address_of))
        entering = [one for one in made if not isinstance(one, Skip) and one.enters]
        sent = {id(event) for one in entering for event in one.events}
        for one in made:
            if isinstance(one, Skip):
                yield one
            elif not one.enters:
                yield from (Skip(event, "leave_not_supported") for event in one.events if id(event) not in sent)
        for one in entering:
            yield HttpRequest.of_json("POST", self._url(f"segments/{one.list_id}"), one.events, self._payload(one))

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        answer = response.json
        outcome = self.by_status(request, response)
        if response.status == 404:
            outcome = Outcome(Kind.REFUSED, "404", "the segment is not there")
        elif outcome.kind is Kind.DELIVERED and not (isinstance(answer, dict) and answer.get("result") == "success"):
            outcome = Outcome(Kind.UNCONFIRMED, outcome.code)
        return [outcome] * len(request.events)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return {"Authorization": f"Token {self.settings.access_token.get_secret_value()}"}

    def probe(self) -> HttpRequest:
        return HttpRequest("GET", self._url("advertisers"), ())

    def _url(self, path: str) -> str:
        return f"/audience/v1/{path}?apikey={self.settings.client_id.get_secret_value()}"

    def _address_of(self, event: Delivery) -> str:
        return hashing.adroll_email(person.email(event), self.settings.hash)

    def _payload(self, change: membership.MembershipChange) -> dict[str, object]:
        names = [name for name, one in self.settings.audiences.items() if one.id == change.list_id]
        people = [{"email": one} for one in dict.fromkeys(change.members)]
        return {**({"name": names[0]} if self.settings.send_names else {}), "data": people}
