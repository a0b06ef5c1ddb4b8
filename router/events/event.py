"""The Segment-spec message: parse, check, normalise, limits.

A Kafka value is one JSON event, several separated by newlines, or a Segment batch body. Splitting and normalising
are total: whatever the bytes are, each item becomes an event body or an `Invalid` with a reason from a closed set, and
a bad item never takes a neighbour with it. A normalised body is a dict with `type`, `messageId`, `receivedAt`,
`originalTimestamp` and `timestamp` (ISO-8601, UTC), and the ids as strings.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import product
from typing import Any, NamedTuple

import orjson

from router.events.damaged_batch import cut

Body = dict[str, Any]
RELEASED: Body = {}  # in the place of a body that no agent needs any more
CALL_TYPES = ("identify", "track", "page", "screen", "group", "alias")
_TYPES = frozenset(CALL_TYPES)
_OBJECTS = ("properties", "traits", "context", "integrations")
_MORE_IDS = frozenset(("group", "alias"))
_ID_TYPES = frozenset(product((str, type(None)), repeat=3))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAST_BYTES_OF_A_KEY = 5  # "":1,
_MILLISECOND = timedelta(milliseconds=1)
_YEAR_1, _YEAR_9999 = -62_135_596_800_000, 253_402_300_799_999

REASONS = {
    "empty": "the message has no value",
    "not_utf8": "not UTF-8",
    "not_json": "not JSON (RFC 8259: no NaN, no comments, depth at most 1024)",
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
    """An item that is no event: a reason from REASONS and its bytes (the whole message's where it cannot be cut)."""

    reason: str
    raw: bytes


class Event:
    """A normalised event on its way through the agents.

    `lane` names the partition it came from, `offset` its place there, `received` is the receive time in
    milliseconds, `headers` are the producer's own. What the agents need of the body they take while it is fresh from
    the parser (`value`, `digest`, `ids`, `choice`, `out` headers, `verdict`); then it is released, unless an agent has
    set `keep`.
    """

    __slots__ = (
        *("body", "headers", "key", "lane", "name", "offset", "received", "source", "type"),
        *("choice", "digest", "ids", "keep", "out", "profile", "value", "verdict"),
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
        self.profile = ""
        self.value = b""
        self.digest = b""
        self.ids: tuple[tuple[str, str], ...] = ()
        self.choice: Any = None
        self.out: Any = None
        self.verdict: Any = None


def split(value: bytes | None, limits: Limits) -> list[Body | Invalid]:
    """The items of a message, batch-level fields merged into them; shapes are not yet checked."""
    if not value:
        return [Invalid("empty", b"")]
    if value[0] == 0:
        if value[5:6] not in (b"{", b"["):
            return [Invalid("binary_frame", value)]
        value = value[5:]
    try:
        item = orjson.loads(value)
    except orjson.JSONDecodeError:
        return _split_lines(value, limits)
    if type(item) is dict and "batch" in item and "type" not in item:
        return list(_batch(item, value, limits))
    return [limited(item, value, limits)]


def _split_lines(value: bytes, limits: Limits) -> list[Body | Invalid]:
    lines = [line for line in value.splitlines() if line and not line.isspace()]
    if len(lines) < 2 or not lines[0].rstrip().endswith(b"}"):
        return _salvaged(value, limits) or [Invalid(json_reason(value), value)]
    if len(value) > limits.batch_bytes:
        return [Invalid("batch_too_large", value)]
    return [_line(line, limits) for line in lines]


def _line(line: bytes, limits: Limits) -> Body | Invalid:
    try:
        return limited(orjson.loads(line), line, limits)
    except orjson.JSONDecodeError:
        return Invalid(json_reason(line), line)


def _salvaged(value: bytes, limits: Limits) -> list[Body | Invalid]:
    """The items of a batch body that one of them spoils; empty when it is none."""
    pieces = cut(value) if len(value) <= limits.batch_bytes else None
    if not pieces or not pieces.items:
        return []
    try:
        batch = orjson.loads(pieces.envelope)
    except orjson.JSONDecodeError:
        return []
    items = [_line(piece, limits) for piece in pieces.items]
    return [merged(item, batch) if type(item) is dict else item for item in items]


def json_reason(value: bytes) -> str:
    """Why these bytes are no JSON: not_utf8 or not_json."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    return "not_json"


def _batch(batch: Body, value: bytes, limits: Limits) -> Iterator[Body | Invalid]:
    items = batch["batch"]
    if type(items) is not list:
        yield Invalid("batch_not_list", value)
    elif len(value) > limits.batch_bytes:
        yield Invalid("batch_too_large", value)
    elif not items:
        yield Invalid("empty", value)
    else:
        for item in items:
            yield limited(merged(item, batch), value, limits, of_batch=True)


def merged(item: Any, batch: Body) -> Any:
    """The item with what the batch says for all of its items; the item's own word wins, key by key."""
    if type(item) is not dict:
        return item
    for field in ("sentAt", "writeKey"):
        if field in batch and field not in item:
            item[field] = batch[field]
    for field in ("context", "integrations"):
        shared, own = batch.get(field), item.get(field)
        if type(shared) is dict and (own is None or type(own) is dict):
            item[field] = {**deepcopy(shared), **(own or {})}
    return item


def limited(item: Any, raw: bytes, limits: Limits, *, of_batch: bool = False) -> Body | Invalid:
    """The item, or why it is over a limit. Counting bytes is a cheap upper bound that clears nearly every event."""
    if of_batch and (type(item) is not dict or len(raw) > limits.event_bytes):
        try:
            raw = orjson.dumps(item)
        except TypeError:  # orjson writes fewer levels than it reads
            return Invalid("too_deep", raw)
    if type(item) is not dict:
        return Invalid("not_object", raw)
    if "payload" in item and "schema" in item and len(item) == 2:
        return Invalid("connect_envelope", raw)
    reason = ""
    if len(raw) > limits.event_bytes:
        reason = "too_large"
    elif raw.count(b"{") + raw.count(b"[") > limits.depth and depth(item) > limits.depth:
        reason = "too_deep"
    elif raw.count(b":") > limits.keys and count_keys(item) > limits.keys:
        reason = "too_many_keys"
    if not reason:
        return item
    return Invalid(reason, orjson.dumps(item) if of_batch and reason != "too_deep" else raw)


def depth(value: Any) -> int:
    """Levels of nesting: a scalar 0, `{}` 1. Without recursion, since the value may be hostile."""
    deepest, stack = 0, [(value, 0)]
    while stack:
        item, level = stack.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, level + 1)
            children = item.values() if isinstance(item, dict) else item
            stack.extend((child, level + 1) for child in children)
    return deepest


def count_keys(value: Any) -> int:
    """Keys of all objects inside."""
    keys, stack = 0, [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            keys += len(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return keys


def shape_problem(body: Body, limits: Limits) -> str:
    """The reason why a body is no event, or an empty string. Turns ids that are whole numbers into text."""
    kind = body.get("type")
    if type(kind) is not str or kind not in _TYPES:
        return "unknown_type"
    user, anonymous, message_id = body.get("userId"), body.get("anonymousId"), body.get("messageId")
    if (type(user), type(anonymous), type(message_id)) not in _ID_TYPES or kind in _MORE_IDS:
        if not _ids_are_text(body):
            return "bad_id"
        user, anonymous, message_id = body.get("userId"), body.get("anonymousId"), body.get("messageId")
    if not user and not anonymous:
        return "no_id"
    if message_id and len(message_id) > limits.message_id:
        return "message_id_too_long"
    return _missing(kind, body) or _not_an_object(body)


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


def _not_an_object(body: Body) -> str:
    """Objects that are null are left out."""
    for field in _OBJECTS:
        if field in body and type(body[field]) is not dict:
            if body[field] is not None:
                return "not_an_object"
            del body[field]
    return ""


def _ids_are_text(body: Body) -> bool:
    for field in ("userId", "anonymousId", "messageId", "groupId", "previousId"):
        value = body.get(field)
        if type(value) is str or value is None:
            continue
        if type(value) is not int:
            return False
        body[field] = str(value)
    return True


def normalise(body: Body, received: int, fallback_id: str) -> None:
    """Fill messageId and the four times of a body that has an event's shape. `received` is in milliseconds."""
    if not body.get("messageId"):
        body["messageId"] = fallback_id
    at = iso(received)
    body["receivedAt"] = at
    original = body.get("originalTimestamp") or body.get("timestamp")
    sent = body.get("sentAt")
    if original is None:
        body["originalTimestamp"] = body["timestamp"] = at
        return
    body["originalTimestamp"] = original
    if sent is None:
        body["timestamp"] = original if is_time(original) else at
        return
    happened = milliseconds(original)
    if happened is None:
        body["timestamp"] = at
    else:
        left = milliseconds(sent)
        body["timestamp"] = original if left is None else iso(received - (left - happened), otherwise=at)


def fallback_id(cluster: str, topic: str, partition: int, offset: int, received: int, index: int) -> str:
    """The messageId of an event that has none: the same for the same place in the log, whoever reads it."""
    place = f"{cluster}\0{topic}\0{partition}\0{offset}\0{received}\0{index}"
    return "er-" + blake2b(place.encode(), digest_size=16).hexdigest()


_seconds: dict[int, str] = {}


def iso(ms: int, otherwise: str = "") -> str:
    """`2026-01-01T00:00:00.000Z`; `otherwise` outside the years 1 to 9999."""
    second, millisecond = divmod(ms, 1000)
    prefix = _seconds.get(second)
    if prefix is None:
        if not _YEAR_1 <= ms <= _YEAR_9999:
            return otherwise
        if len(_seconds) > 4096:
            _seconds.clear()
        prefix = _seconds[second] = (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.").rjust(20, "0")
    return f"{prefix}{millisecond:03d}Z"


def is_time(text: Any) -> bool:
    """Whether a value is an ISO-8601 time."""
    try:
        datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return False
    return True


def milliseconds(text: Any) -> int | None:
    """Milliseconds since 1970 of an ISO-8601 time (UTC where it names no zone), or None."""
    if type(text) is not str:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return (moment - _EPOCH) // _MILLISECOND
    except OverflowError:
        return None


def device_key(body: Body) -> bytes | None:
    """The key of a raw message: `anonymousId`, else `userId`."""
    key = body.get("anonymousId") or body.get("userId")
    return key.encode() if isinstance(key, str) else None
