"""Meta's Graph API, as far as its destinations have it in common: Bearer token, error objects, throttling with 400."""

from __future__ import annotations

import hashlib
import hmac
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from router.destinations.base import Connector
from router.destinations.http import HttpDestination
from tests.partners.partner import Call, HttpPartner, Reply

USAGE = '{"1": [{"type": "ads_management", "call_count": 100, "estimated_time_to_regain_access": 1}]}'
APP_SECRET = "app-secret"


def error(code: int, subcode: int | None = None, status: int = 400) -> Reply:
    known = {"message": "no", "type": "OAuthException", "code": code, "error_subcode": subcode, "fbtrace_id": "A"}
    return Reply(status, {"error": {name: value for name, value in known.items() if value is not None}})


class GraphPartner(HttpPartner):
    """Write `take_call`: the credentials are checked here."""

    throttled = Reply(400, error(80003).payload, {"X-Business-Use-Case-Usage": USAGE})
    now = 1_767_225_600.0  # 2026-01-01T00:00:00Z

    def configure(self) -> Mapping[str, Any]:
        return {**super().configure(), "access_token": self.secret, "app_secret": APP_SECRET}

    def connector(self, **settings: Any) -> Connector:
        made = super().connector(**settings)
        assert isinstance(made, HttpDestination)
        made.clock = lambda: self.now
        return made

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            return error(190, 463, 401)
        proof = hmac.new(APP_SECRET.encode(), self.secret.encode(), hashlib.sha256).hexdigest()
        if call.query.get("appsecret_proof") != proof:
            return error(100)
        version, _, path = call.path.removeprefix("/").partition("/")
        return self.take_call(call, path) if version == "v25.0" else error(2635)

    @abstractmethod
    def take_call(self, call: Call, path: str) -> Reply:
        """The answer to a call of somebody who may make it."""
