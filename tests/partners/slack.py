"""Slack's Web API: Bearer token, 200 with `ok: false` for what it does not take, 429 with Retry-After, no dedupe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.partners.partner import Call, HttpPartner, Reply


class SlackPartner(HttpPartner):
    type = "slack"
    throttled = Reply(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "1"})

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self._messages: list[str] = []

    def configure(self) -> Mapping[str, Any]:
        made = {"token": self.secret, "channel": "C01", "templates": {"*": "{messageId} {event} {note}"}}
        return {**super().configure(), **made}

    def take(self, names: Sequence[str]) -> None:
        self._messages += names

    def accepted(self) -> list[str]:
        return self._messages

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            return Reply(200, {"ok": False, "error": "invalid_auth"})
        if call.path == "/api/auth.test":
            return Reply(200, {"ok": True, "team": "shop"})
        if call.path != "/api/chat.postMessage":
            return Reply(200, {"ok": False, "error": "unknown_method"})
        if error := _wrong(call.json):
            return Reply(200, {"ok": False, "error": error})
        self.take([call.json["text"].split(" ")[0]])
        return Reply(200, {"ok": True, "channel": call.json["channel"], "ts": "1767225600.000100"})


def _wrong(message: dict[str, Any]) -> str:
    if message.get("channel") != "C01":
        return "channel_not_found"
    if not message.get("text"):
        return "no_text"
    return "msg_too_long" if len(message["text"].encode()) > 40_000 else ""
