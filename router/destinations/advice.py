"""What an outcome means, in words for the person who sets a destination up: what to look at, and where.

Nothing in the words comes out of an event or of a credential.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from router.destinations.base import Connector, Kind, Outcome
from router.destinations.http import PartnerSettings

_CODES = {
    "ENOTFOUND": "no such host: look at the address in settings (base_url, region or url)",
    "EAI_AGAIN": "the name service did not answer: is there a network?",
    "ECONNREFUSED": "nothing listens at that address and port",
    "ECONNRESET": "the connection was closed before an answer came",
    "EHOSTUNREACH": "the host cannot be reached from here",
    "ENETUNREACH": "the network of the host cannot be reached from here",
    "ETIMEDOUT": "no answer within delivery.timeout",
    "ETLS": "no TLS connection: the certificate is not accepted, or it is no TLS port",
    "EPROTO": "the answer is not HTTP",
    "INVALID_SETTINGS": "the address may not be used: a private one needs settings.allow_private",
}
_STATUSES = {
    400: "the partner does not accept what was sent; its answer says why",
    401: "the partner does not accept the credentials",
    402: "the account is not paid for",
    403: "the partner knows the credentials, and they lack the right to do this",
    404: "the partner has nothing at this address: look at the URL and the ids in it",
    405: "the partner does not take this method at this address",
    408: "the partner waited too long for the request",
    410: "the partner has removed what was at this address",
    413: "the request is larger than the partner takes",
    415: "the partner does not take this content type",
    422: "the partner understood the request and does not accept its values; its answer says why",
    429: "too many requests for the partner at this time",
}
_UNREACHABLE = frozenset(
    ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT")
)
_KINDS = {
    Kind.DELIVERED: "accepted",
    Kind.UNCONFIRMED: "sent; this partner's answer does not say whether it accepts the event",
    Kind.FILTERED: "not sent",
    Kind.RETRY: "not accepted now; delivery would try again",
    Kind.REJECTED: "not accepted; delivery would keep it as a dead letter",
    Kind.REFUSED: "refused; delivery would pause the destination",
}


def accepted(outcome: Outcome) -> bool:
    """Whether the partner has the event, as far as it says."""
    return outcome.kind in (Kind.DELIVERED, Kind.UNCONFIRMED)


def unreachable(outcome: Outcome) -> bool:
    """Whether nobody answered: no connection to the partner, or no answer in time."""
    return outcome.code in _UNREACHABLE


def in_words(outcome: Outcome) -> str:
    """The outcome, its code and what the code means, such as `refused; …: 401: the partner does not accept …`."""
    parts = [_KINDS[outcome.kind], outcome.code, "" if accepted(outcome) else meaning(outcome.code)]
    if " " in outcome.detail and not accepted(outcome):  # words; a single one names an exception
        parts.append(outcome.detail)
    return ": ".join(part for part in parts if part)


def meaning(code: str) -> str:
    """What a code says; empty where it speaks for itself."""
    if not code.isdecimal():
        return _CODES.get(code, "")
    status = int(code)
    if 300 <= status < 400:
        return "the partner is at another address, and redirects are not followed: look at the URL"
    return _STATUSES.get(status, "the partner has a fault of its own" if status >= 500 else "")


def blank_credentials(settings: Any) -> Iterator[str]:
    """Names of credentials that begin or end with a blank: nearly always a fault of copying."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        named = value if isinstance(value, dict) else {"": value}
        for key, one in named.items():
            text = one.get_secret_value() if isinstance(one, SecretStr) else ""
            if text != text.strip():
                yield f"settings.{name}" + (f".{key}" if key else "")


def other_regions(connector: Connector) -> list[Connector]:
    """The same destination in the partner's other regions, not yet open; none where its address is given."""
    settings = connector.settings
    if not isinstance(settings, PartnerSettings) or settings.base_url is not None:
        return []
    current = settings.region or next(iter(settings.regions))
    others = [region for region in settings.regions if region != current]
    make = type(connector)
    return [make(connector.name, settings.model_copy(update={"region": one}), connector.timeout) for one in others]


async def check(connector: Connector) -> Outcome | None:
    """Ask the partner, by a request without events, whether it takes the credentials; None where it has none."""
    outcome = await _probed(connector)
    return outcome if outcome is None else await with_region(connector, outcome)


async def with_region(connector: Connector, outcome: Outcome) -> Outcome:
    """The outcome; its `detail` names another region of the partner's where credentials refused here are taken."""
    if outcome.kind is not Kind.REFUSED or outcome.code not in ("401", "403"):
        return outcome
    for other in other_regions(connector):
        answer = await _probed(other)
        if answer is not None and accepted(answer):
            return replace(outcome, detail=f"they belong to the region {other.settings.region}")
    return outcome


async def _probed(connector: Connector) -> Outcome | None:
    """A connector that is not open is opened and closed again."""
    if not connector.can_check():
        return None
    try:
        await connector.open()
        return await connector.check()
    finally:
        await connector.close()
