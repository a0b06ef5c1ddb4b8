"""Answers: status, code and message of every outcome. Nothing that a client sent appears in one.

Accepted: `{"success": true, "accepted": n, "rejected": [{"item", "code", "message", "path"}]}`.
Refused: `{"success": false, "error": {"code", "message", "item", "path"}, "rejected": […]}`.
`item` is the index in the batch, `path` a JSON pointer into the request body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from router.events.event import REASONS
from router.gateway.credentials import NO_SOURCE

# The gateway's own; every other code is one of router.events.event.REASONS.
FAULTS = {
    "no_write_key": "no write key: expected it as user name of Basic authentication, or as `writeKey` in the body",
    "unknown_write_key": "no source has this write key",
    "origin_not_allowed": "pages of this origin may not use the write key: it is not in the source's `origins`",
    "no_library": "no browser library is served: `gateway.analytics_js` names none",
    "unknown_hook": "no source of this name takes what a partner posts",
    "no_signature": "the signature or token is missing that shows the partner made this post",
    "bad_signature": "the signature or token is not the partner's: compare the source's settings with the partner's",
    "stale_signature": "the signature is older than the source's tolerance",
    "unknown_partner_event": "a type of event that this version does not know; name it in the source's settings.events",
    "partner_event_failed": "an item that the source's partner type failed on; the log has more",
    "no_items": "there is nothing at the path that the source's settings.items says",
    "type_mismatch": "`type` is not the call that the path names",
    "bad_base64": "`data` is not base64",
    "too_many_events": "more events in one batch than the gateway holds at once",
    "body_too_large": "the body is larger than the limit",
    "inflated_too_large": "the body is larger than the limit once inflated",
    "bad_gzip": "the body is not one whole gzip stream",
    "unsupported_encoding": "Content-Encoding: expected gzip or none",
    "body_timeout": "the body did not arrive in time",
    "bad_request": "not a well-formed HTTP request",
    "head_too_large": "the URL or a header is longer than 8 KiB: POST what does not fit into a URL",
    "not_found": "expected a path of the gateway: /v1/track, /v1/batch, /v1/pixel/…, /v1/projects/…, /v1/hooks/…",
    "method_not_allowed": "this path does not take the method; `Allow` has those it takes",
    "rate_limited": "more events than this write key may send; try again later",
    "overloaded": "too many events are waiting to be stored; try again later",
    "no_room": "the broker is full until its backlog is delivered; try again later",
    "starting": "the gateway has not reached Kafka yet; try again later",
    "broker_unavailable": "Kafka does not answer; try again later",
    "not_acknowledged": "Kafka did not acknowledge in time; try again later",
    "internal": "an error in the gateway; try again later",
}
_STATUS = {
    "no_write_key": 401,
    "unknown_write_key": 401,
    "no_signature": 401,
    "bad_signature": 401,
    "stale_signature": 401,
    "other_environment": 403,
    "origin_not_allowed": 403,
    "no_library": 404,
    "source_disabled": 404,
    "unknown_hook": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "body_timeout": 408,
    "too_large": 413,
    "batch_too_large": 413,
    "too_many_events": 413,
    "body_too_large": 413,
    "inflated_too_large": 413,
    "unsupported_encoding": 415,
    "rate_limited": 429,
    "head_too_large": 431,
    "internal": 500,
    "overloaded": 503,
    "no_room": 503,
    "starting": 503,
    "broker_unavailable": 503,
    "not_acknowledged": 503,
}
_POINTERS = {
    "unknown_type": "/type",
    "type_mismatch": "/type",
    "no_id": "/userId",
    "no_event": "/event",
    "no_group_id": "/groupId",
    "no_previous_id": "/previousId",
    "message_id_too_long": "/messageId",
    "no_write_key": "/writeKey",
    "unknown_write_key": "/writeKey",
}


def explained(code: str) -> str:
    """What a code means, for people; the code itself where it is none of the gateway's."""
    return FAULTS.get(code) or REASONS.get(code, code)


class Answer(NamedTuple):
    """`retry_after` is in seconds, 0 for none; `close` ends the connection after it."""

    status: int
    body: bytes
    retry_after: int = 0
    close: bool = False


class Fault(NamedTuple):
    """A code, and the item of a batch it is about; None where the request as a whole is meant."""

    code: str
    item: int | None = None

    @property
    def status(self) -> int:
        return _STATUS.get(self.code, 400)

    def as_dict(self) -> dict[str, Any]:
        words = {"code": self.code, "message": explained(self.code)}
        if self.item is None:
            path = "/batch" if self.code == "batch_not_list" else _POINTERS.get(self.code, "")
            return words | ({"path": path} if path else {})
        return {"item": self.item, **words, "path": f"/batch/{self.item}{_POINTERS.get(self.code, '')}"}


class Refusal(Exception):
    """The request is answered before any of its events is taken; `source` is that of its key."""

    def __init__(self, code: str, source: str = NO_SOURCE, *, retry_after: float = 0, close: bool = True) -> None:
        super().__init__(code)
        self.code = code
        self.source = source
        self.answer = refused(code, retry_after=retry_after, close=close)


def accepted(count: int, rejected: Sequence[Fault] = ()) -> Answer:
    """At least one event is in the log."""
    if not rejected:
        return Answer(200, b'{"success":true,"accepted":%d,"rejected":[]}' % count)
    return Answer(
        200, orjson.dumps({"success": True, "accepted": count, "rejected": [fault.as_dict() for fault in rejected]})
    )


def refused(
    code: str, *, item: int | None = None, retry_after: float = 0, close: bool = False, rejected: Sequence[Fault] = ()
) -> Answer:
    """Nothing of the request was accepted. `retry_after` is rounded up to whole seconds."""
    fault = Fault(code, item)
    body: dict[str, Any] = {"success": False, "error": fault.as_dict()}
    if rejected:
        body["rejected"] = [each.as_dict() for each in rejected]
    return Answer(fault.status, orjson.dumps(body), -int(-retry_after // 1), close)


def all_refused(rejected: Sequence[Fault]) -> Answer:
    """Every item is bad: the status they share, else 400; the error names the first one."""
    first = rejected[0]
    answer = refused(first.code, item=first.item, rejected=rejected if len(rejected) > 1 else ())
    same = all(fault.status == first.status for fault in rejected)
    return answer if same else answer._replace(status=400)
