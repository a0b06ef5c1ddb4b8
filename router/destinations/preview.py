"""A request in full, as people may see it before it is sent: credentials hidden, the rest as it goes out. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from router.destinations.http import HttpDestination, HttpRequest
from router.mask import MASK, Mask

_CREDENTIAL = re.compile(r"auth|cookie|key|pass|secret|sign|token", re.IGNORECASE)
_SCHEME = re.compile(r"(Basic|Bearer) ")


@dataclass(frozen=True, slots=True)
class RequestPreview:
    """`body` is text; credentials in all parts are `***`."""

    method: str
    url: str
    headers: dict[str, str]
    body: str

    def as_dict(self) -> dict[str, Any]:
        return {"method": self.method, "url": self.url, "headers": self.headers, "body": self.body}


def preview(connector: HttpDestination, request: HttpRequest, mask: Mask, now: float) -> RequestPreview:
    """The request of a mapped event, with the headers it would have at `now` (seconds since 1970)."""
    shown = connector.shown(request)
    echoes = frozenset().union(*[mask.hidden(one.body) for one in request.events])
    idempotency = {one.idempotency_key for one in request.events}
    credentials = connector.authenticate(request, now)
    headers = {}
    for name, value in connector.headers(shown, now).items():
        secret = name in credentials or (_CREDENTIAL.search(name) is not None and value not in idempotency)
        headers[name] = _without_credential(value) if secret else mask.text(value, echoes)
    body = shown.body.decode(errors="replace")
    return RequestPreview(shown.method, mask.text(shown.url, echoes), headers, mask.json_text(body, echoes))


def _without_credential(value: str) -> str:
    """The scheme of an Authorization header tells which kind of credential goes out."""
    scheme = _SCHEME.match(value)
    return f"{scheme[0]}{MASK}" if scheme else MASK
