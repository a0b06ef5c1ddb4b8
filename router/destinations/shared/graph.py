"""Meta's Graph API: the address, the token, and what its errors mean. Every Meta destination is made of it.

An error is known by its code and subcode, whatever the status: most come with 400.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import orjson
from pydantic import Field

from router.destinations.base import Kind, Outcome
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings
from router.destinations.response import LONGEST_RETRY_AFTER, HttpResponse

_THROTTLED = frozenset((4, 17, 32, 613, 80003, 80004))
_PASSING = frozenset((1, 2, 341, 5000, 21009))
_BLOCKED = 368  # a policy; it may be lifted, so it is asked again, rarely
_TERMINAL = frozenset((100, 105, 294, 1487301))
_WAIT = 60.0  # seconds, where a throttled answer does not say
_REFUSED = {
    (190, 460): "the password was changed: make a new access token",
    (190, 463): "the access token has expired: make a new one",
    (190, None): "the access token is not valid: make a new one",
    (200, None): "the token lacks a permission",
    (10, None): "the token lacks a permission",
    (3, None): "the application lacks a capability",
    (2650, None): "the audience cannot be changed",
    (2655, None): "the terms for custom audiences have not been accepted",
    (1487366, None): "the audience was deleted",
    (100, 33): "the object is not there, or the token may not use it",
    (100, 1487366): "the audience was deleted",
    (100, 1713230): "Meta blocks uploads to the audience: appeal, or make another one",
}


class GraphSettings(PartnerSettings):
    """What each Meta destination's settings have."""

    regions: ClassVar = {"global": "https://graph.facebook.com"}

    access_token: ApiKey = Field(
        examples=["${META_ACCESS_TOKEN}"], description="Of a system user: tokens of people end after 60 days"
    )
    app_secret: ApiKey | None = Field(None, description="The application's secret; proves that the token is ours")
    version: str = Field("v25.0", pattern=r"^v\d+\.\d+$", description="The version of the Graph API")


class GraphDestination(HttpDestination):
    """Base of Meta's destinations. `graph_url` gives the URL below the version."""

    settings: Any

    def graph_url(self, path: str) -> str:
        proof = self._proof()
        return f"/{self.settings.version}/{path}" + (f"?appsecret_proof={proof}" if proof else "")

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.settings.access_token.get_secret_value()}"}

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        outcome = error_outcome(response, shared=len(request.events) > 1)
        return [outcome or self.by_status(request, response)] * len(request.events)

    def read_probe(self, response: HttpResponse) -> Outcome:
        outcome = error_outcome(response)
        if outcome is None:
            return super().read_probe(response)
        kind = Kind.REFUSED if outcome.kind is Kind.REJECTED else outcome.kind
        return Outcome(kind, outcome.code, outcome.detail, outcome.retry_after)

    def _proof(self) -> str:
        if self.settings.app_secret is None:
            return ""
        secret, token = self.settings.app_secret.get_secret_value(), self.settings.access_token.get_secret_value()
        return quote(hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest())


def error_codes(response: HttpResponse) -> tuple[int, int | None] | None:
    """Code and subcode of an error; None where the answer holds none."""
    answer = response.json
    error = answer.get("error") if isinstance(answer, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(error, dict) or not isinstance(code, int):
        return None
    subcode = error.get("error_subcode")
    return code, subcode if isinstance(subcode, int) else None


def error_outcome(response: HttpResponse, *, shared: bool = False) -> Outcome | None:
    """What an error means, None where there is none. A code that is not known may pass: it is tried again."""
    if (found := error_codes(response)) is None:
        return None
    code, subcode = found
    name = f"GRAPH_{code}" if subcode is None else f"GRAPH_{code}_{subcode}"
    if words := _REFUSED.get((code, subcode)) or _REFUSED.get((code, None)):
        return Outcome(Kind.REFUSED, name, words)
    if code in _TERMINAL:
        return Outcome(Kind.REJECTED, name, "Meta does not take it", shared=shared)
    if code in _THROTTLED:
        return Outcome(Kind.RETRY, "429", name, _regained(response))
    if code == _BLOCKED:
        return Outcome(Kind.RETRY, name, "blocked by a policy of Meta's", LONGEST_RETRY_AFTER)
    return Outcome(Kind.RETRY, name, "" if code in _PASSING else "a code that is not known")


def _regained(response: HttpResponse) -> float:
    """Seconds until calls are taken again, by the usage that a throttled answer names, in minutes."""
    try:
        usage = orjson.loads(response.headers.get("x-business-use-case-usage", "{}"))
    except orjson.JSONDecodeError:
        return _WAIT
    listed = usage.values() if isinstance(usage, dict) else ()
    items = [item for one in listed if isinstance(one, list) for item in one if isinstance(item, dict)]
    minutes = [item.get("estimated_time_to_regain_access") for item in items]
    known = [one for one in minutes if isinstance(one, int | float) and one > 0]
    return min(60.0 * max(known), LONGEST_RETRY_AFTER) if known else _WAIT
