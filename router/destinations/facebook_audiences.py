"""Facebook Custom Audiences: people enter and leave lists at Meta, hashed, up to 10,000 a request.

`audiences` names the lists: identify says by a trait of that name, true or false, who is in one; track says it by
`Audience Entered`, `Audience Exited` and the events that a list names. All else is filtered (`no_audience`), as are
people of whom Meta could know nothing (`no_identifier`); the earlier of two changes in one batch is `superseded`. Meta
takes a request whole and says how many rows it could not use, not which: they count in `router_mapping_problems_total`.
A list that is gone or blocked, terms that were not accepted and a token that has expired pause the destination. kill -9
or a timeout sends changes again, which changes nothing: a list is a set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from router.destinations.base import Delivery, Outcome, RequestLimits
from router.destinations.http import HttpRequest, Skip
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, context, dates, hashing, membership, person, shape
from router.destinations.shared.graph import GraphDestination, GraphSettings, error_codes

SCHEMA = (
    "EXTERN_ID", "EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "FN", "LN", "FI", "CT", "ST", "ZIP", "COUNTRY",
    "MADID",
)  # fmt: skip
_NOT_LETTERS = re.compile(r"[^a-z]")
_ENOUGH = frozenset(("EXTERN_ID", "EMAIL", "PHONE", "MADID"))  # one of these a person needs to be known by


class FacebookAudiencesSettings(GraphSettings):
    audiences: membership.Audiences = Field(
        examples=[{"gold_customers": "23842000000000001"}],
        description="Ids of lists by the name of the audience; {id, entered, left} also names events",
    )
    value_trait: str | None = Field(
        None, description="A trait with a person's value, for value-based audiences; left out: none is sent"
    )


@destination("facebook-audiences")
class FacebookAudiences(GraphDestination):
    summary = "Members of Custom Audiences at Meta"
    integrations = ("Facebook Custom Audiences", "Facebook Custom Audiences (Actions)")
    types = ("identify", "track")
    limits = RequestLimits(count=10_000, batch=1_000)
    order = "profile"
    idempotency = "upsert"
    Settings = FacebookAudiencesSettings
    settings: FacebookAudiencesSettings

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        schema = [*SCHEMA, "LOOKALIKE_VALUE"] if self.settings.value_trait else list(SCHEMA)
        for one in membership.changes(events, self.settings.audiences, self._row):
            if isinstance(one, Skip):
                yield one
            else:
                method, payload = "POST" if one.enters else "DELETE", {"schema": schema, "data": one.members}
                yield HttpRequest.of_json(
                    method, self.graph_url(f"{one.list_id}/users"), one.events, {"payload": payload}
                )

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        answer = response.json
        unusable = answer.get("num_invalid_entries") if isinstance(answer, dict) else None
        if error_codes(response) is None and isinstance(unusable, int):
            self.count_problems(["invalid_entries: Meta could not use a row"] * min(unusable, len(request.events)))
        return super().read(request, response)

    def probe(self) -> HttpRequest:
        """Whether the first list is there and may be read."""
        first = next(iter(self.settings.audiences.values()))
        return HttpRequest("GET", self.graph_url(first.id), ())

    def _row(self, event: Delivery) -> list[Any]:
        known = identifiers(event)
        if not any(known.get(name) for name in _ENOUGH):
            return []
        row: list[Any] = [known.get(name, "") for name in SCHEMA]
        if self.settings.value_trait:
            value = commerce.amount(person.traits(event).get(self.settings.value_trait))
            row.append(max(value or 0, 0))
        return row


def identifiers(event: Delivery) -> dict[str, str]:
    """What Meta may know the person by, by the names of its columns."""
    known, home = person.traits(event), person.address(event)
    born = dates.yyyymmdd(known.get("birthday"))
    fields: dict[str, tuple[hashing.MetaField, str]] = {
        "EMAIL": ("em", person.email_or_hash(event)), "PHONE": ("ph", person.phone(event)),
        "GEN": ("ge", person.text(known.get("gender"))), "FN": ("fn", person.first_name(event)),
        "LN": ("ln", person.last_name(event)), "FI": ("fi", person.first_name(event)), "ST": ("st", home.region),
        "ZIP": ("zp", home.postal_code), "COUNTRY": ("country", home.country),
    }  # fmt: skip
    tracked = context.at(event, "device.adTrackingEnabled") is True
    found = {
        **{column: hashing.meta(field, value, home.country) for column, (field, value) in fields.items()},
        "CT": hashing.sha256(_NOT_LETTERS.sub("", home.city.lower())),
        "DOBY": hashing.sha256(born[:4]), "DOBM": hashing.sha256(born[4:6]), "DOBD": hashing.sha256(born[6:]),
        "EXTERN_ID": person.user_id(event),
        "MADID": person.text(context.at(event, "device.advertisingId")).lower() if tracked else "",
    }  # fmt: skip
    return shape.present(found)
