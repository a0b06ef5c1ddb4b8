"""An event of the Segment spec: its shape, its limits, and how it is normalised.

A normalised body is a dict with `type`, `messageId`, `receivedAt`, `originalTimestamp` and `timestamp`, and the ids as
strings. `receivedAt` and `timestamp` are UTC with milliseconds, `originalTimestamp` is what the sender wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product
from typing import Any, NamedTuple

from router.events.parser import Repairs
from router.events.placeholders import Placeholders
from router.events.times import iso, milliseconds

Body = dict[str, Any]
RELEASED: Body = {}  # in the place of a body that no agent needs any more
CALL_TYPES = ("identify", "track", "page", "screen", "group", "alias")
_TYPES = frozenset(CALL_TYPES)
_OBJECTS = ("properties", "traits", "context", "integrations")
_NESTED_OBJECTS = {
    "context": (
        *("traits", "app", "campaign", "device", "library", "location", "network", "os", "page", "referrer", "screen"),
    ),
    "traits": ("address", "company"),
}  # what the spec calls an object inside of these
_EMPTY: Body = {}
_IDS = ("userId", "anonymousId", "messageId")
_IDS_OF = {"group": (*_IDS, "groupId"), "alias": (*_IDS, "previousId")}
_ID_TYPES = frozenset(product((str, type(None)), repeat=3))
LEAST_BYTES_OF_A_KEY = 5  # "":1,

REASONS = {
    "empty": "no event: an empty message, list or batch",
    "not_utf8": "not UTF-8",
    "not_json": "not JSON (RFC 8259: no NaN, no comments, no comma at the end)",
    "number_out_of_range": "a number beyond the range of a double, or a whole number of more than 4,300 digits",
    "not_object": "JSON, but not an object",
    "binary_frame": "a schema registry frame around Avro or Protobuf; send JSON",
    "connect_envelope": "Kafka Connect's {schema, payload} envelope; set schemas.enable=false",
    "too_large": "larger than the limit for one event",
    "batch_too_large": "larger than the limit for one batch",
    "too_deep": "nested deeper than the limit",
    "too_many_keys": "more keys than the limit",
    "batch_not_list": "`batch` is not a list of events",
    "unknown_type": "`type` is none of identify, track, page, screen, group, alias",
    "no_id": "neither `userId` nor `anonymousId`",
    "bad_id": "an id is neither text nor a whole number",
    "no_event": "a track call without an `event` name",
    "no_group_id": "a group call without `groupId`",
    "no_previous_id": "an alias call without `previousId` and `userId`",
    "message_id_too_long": "`messageId` is longer than the limit",
    "not_an_object": "`properties`, `traits`, `context` or `integrations` is not an object",
    "unknown_source": "no source has this write key, and there is no default source",
    "source_disabled": "the source is switched off",
    "other_environment": "the source is labelled with another environment than the topology's",
    "transform_failed": "the source's own function failed on it, or gave something that is no event",
    "transform_timeout": "the source's own function took too long",
    "poison": "an agent failed on it; see the stage",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, levels and counts an event may have."""

    event_bytes: int = 32 * 1024
    batch_bytes: int = 500 * 1024
    depth: int = 32
    keys: int = 2000
    message_id: int = 100


class Invalid(NamedTuple):
    """An item that is not an event: a reason from REASONS and its bytes, or the whole message's where it is not cut."""

    reason: str
    raw: bytes


class Event:
    """A normalised event on its way through the agents.

    `lane` names the partition it came from, `offset` its place there, `received` is the receive time in
    milliseconds, `headers` are the producer's own. What the agents need of the body they take while it is fresh from
    the parser (`value`, `digest`, `mark`, `ids`, `choice`, `out` headers, `verdict`); then it is released, unless an
    agent has set `keep`.
    """

    own: dict[str, bytes]  # set by emit, for an event whose destinations do not all share its bytes
    message_id: str  # set with a verdict, for the records about it

    __slots__ = (
        *("body", "headers", "key", "lane", "message_id", "name", "offset", "received", "source", "type"),
        *("choice", "digest", "ids", "keep", "mark", "out", "own", "value", "verdict"),
    )

    def __init__(
        self,
        body: Body,
        source: str,
        lane: int,
        offset: int,
        received: int,
        key: bytes | None,
        headers: Any,
    ) -> None:
        self.body = body
        self.source = source
        self.lane = lane
        self.offset = offset
        self.received = received
        self.key = key
        self.headers = headers
        self.type: str = body["type"]
        self.name: str = body["event"] if self.type == "track" else ""
        self.keep = False
        self.value = b""
        self.digest = b""
        self.mark = b""
        self.ids: tuple[tuple[str, str], ...] = ()
        self.choice: Any = None
        self.out: Any = None
        self.verdict: Any = None

    def judged(self, verdict: Any, *, keep: bool) -> None:
        """Set what the plan or a rule says of it; `keep` its body for what is to be written of that."""
        self.verdict = verdict
        self.message_id = self.body["messageId"]
        self.keep = self.keep or keep

    @classmethod
    def prepared(cls, source: str, call_type: str, name: str, received: int, key: bytes | None) -> Event:
        """An event without a body, for whoever sets what the agents would have taken of it."""
        event = cls.__new__(cls)
        event.body = RELEASED
        event.source = source
        event.received = received
        event.key = key
        event.headers = None
        event.type = call_type
        event.name = name
        event.keep = False
        event.verdict = None
        return event


def shape_problem(body: Body, limits: Limits, repairs: Repairs) -> str:
    """The reason why a body is not an event, or an empty string.

    Turns ids that are whole numbers into text, and empty lists into the empty objects they stand for.
    """
    kind = body.get("type")
    if type(kind) is not str or kind not in _TYPES:
        return "unknown_type"
    user, anonymous, message_id = body.get("userId"), body.get("anonymousId"), body.get("messageId")
    if (type(user), type(anonymous), type(message_id)) not in _ID_TYPES or kind in _IDS_OF:
        if not _ids_are_text(body, _IDS_OF.get(kind, _IDS)):
            return "bad_id"
        user, anonymous, message_id = body.get("userId"), body.get("anonymousId"), body.get("messageId")
    if not user and not anonymous:
        return "no_id"
    if message_id and len(message_id) > limits.message_id:
        return "message_id_too_long"
    return _missing(kind, body) or ("not_an_object" if object_problem(body, repairs) else "")


def _missing(kind: str, body: Body) -> str:
    """The reason why a call of this type lacks what it must have."""
    if kind == "track":
        name = body.get("event")
        return "" if type(name) is str and name else "no_event"
    if kind == "group":
        return "" if body.get("groupId") else "no_group_id"
    if kind == "alias":
        return "" if body.get("previousId") and body.get("userId") else "no_previous_id"
    return ""


def object_problem(body: Body, repairs: Repairs) -> str:
    """The field that is not an object though it should be, or an empty string.

    An object that is null is left out; an empty list is PHP's way to write an empty object.
    """
    for field in _OBJECTS:
        if field not in body:
            continue
        value = body[field]
        if type(value) is not dict:
            if value is None:
                del body[field]
            elif not _is_emptied(body, field, repairs):
                return field
        elif field in _NESTED_OBJECTS:
            _empty_lists(value, field, repairs)
    traits = body.get("context", _EMPTY).get("traits")
    if type(traits) is dict:
        _empty_lists(traits, "traits", repairs)
    return ""


def _empty_lists(value: Body, field: str, repairs: Repairs) -> None:
    if [] in value.values():  # hardly ever, and much faster than a look at each name
        for inner in _NESTED_OBJECTS[field]:
            _is_emptied(value, inner, repairs)


def _is_emptied(body: Body, field: str, repairs: Repairs) -> bool:
    if field not in body or body[field] != []:
        return False
    body[field] = {}
    repairs["empty_list"] += 1
    return True


def _ids_are_text(body: Body, fields: Iterable[str]) -> bool:
    for field in fields:
        value = body.get(field)
        if type(value) is str or value is None:
            continue
        if type(value) is not int:
            return False
        body[field] = str(value)
    return True


def lacks_message_id(body: Body, placeholders: Placeholders, repairs: Repairs) -> bool:
    """Whether a new `messageId` is due: there is none, or a placeholder stands in its place."""
    message_id = body.get("messageId")
    if not message_id:
        return True
    if not placeholders.matches(message_id):
        return False
    repairs["placeholder_message_id"] += 1
    return True


def normalise(body: Body, received: int, message_id: str, repairs: Repairs) -> None:
    """Fill the four times of a body that has an event's shape, and its `messageId` where a new one is given.

    `timestamp` is when it happened by the router's clock: `received` (milliseconds) less the time that the sender's
    clock says had passed. Without `sentAt` the sender's clock is believed, and without a time that can be read it is
    the receive time.
    """
    if message_id:
        body["messageId"] = message_id
    at = body["receivedAt"] = iso(received)
    original = body.get("originalTimestamp") or body.get("timestamp")
    if not original:
        body["originalTimestamp"] = body["timestamp"] = at
        return
    happened = milliseconds(original)
    if happened is None:
        repairs["unreadable_timestamp"] += 1
    elif body.get("sentAt") is not None:
        sent = milliseconds(body["sentAt"])
        if sent is None:
            repairs["unreadable_sent_at"] += 1
        else:
            happened += received - sent
    body["originalTimestamp"] = original
    body["timestamp"] = at if happened is None else iso(happened, otherwise=at)


def fallback_id(cluster: str, topic: str, partition: int, offset: int, received: int, index: int) -> str:
    """The messageId of an event that has none: the same for the same place in the log, whoever reads it."""
    place = f"{cluster}\0{topic}\0{partition}\0{offset}\0{received}\0{index}"
    return "er-" + blake2b(place.encode(), digest_size=16).hexdigest()


def device_key(body: Body) -> bytes | None:
    """The key of a raw message: `anonymousId`, else `userId`."""
    key = body.get("anonymousId") or body.get("userId")
    return key.encode() if isinstance(key, str) else None
