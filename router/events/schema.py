"""The JSON Schema of one event as producers send it. It accepts exactly what `shape_problem` does."""

from __future__ import annotations

from typing import Any

from router.events.event import CALL_TYPES, Limits

_ID = {"type": ["string", "integer", "null"]}
_NEEDED_ID = {"type": ["string", "integer"], "minLength": 1}
_OBJECT = {"type": ["object", "null", "array"], "maxItems": 0}  # an empty list is PHP's empty object
_TIME = {
    "description": "ISO 8601, RFC 2822 or the time since 1970; what cannot be read is replaced by the receive time"
}
_OF_TYPE: dict[str, dict[str, Any]] = {
    "track": {"required": ["event"], "properties": {"event": {"type": "string", "minLength": 1}}},
    "group": {"required": ["groupId"], "properties": {"groupId": _NEEDED_ID}},
    "alias": {"required": ["previousId", "userId"], "properties": {"previousId": _NEEDED_ID, "userId": _NEEDED_ID}},
}


def event_schema(limits: Limits) -> dict[str, Any]:
    """Draft 2020-12. Bytes, depth and count of keys are limits too, which a schema cannot say."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event",
        "description": "One call of the Segment spec. Further fields pass through.",
        "type": "object",
        "required": ["type"],
        "properties": _properties(limits),
        "anyOf": [{"required": [field], "properties": {field: _NEEDED_ID}} for field in ("userId", "anonymousId")],
        "allOf": [{"if": {"properties": {"type": {"const": name}}}, "then": rule} for name, rule in _OF_TYPE.items()],
    }


def _properties(limits: Limits) -> dict[str, Any]:
    return {
        "type": {"enum": list(CALL_TYPES)},
        "messageId": {
            **_ID,
            "maxLength": limits.message_id,
            "description": "Names the event: repeats are dropped. Left out: made from its place in the topic",
        },
        "userId": {**_ID, "description": "The person; this or anonymousId is needed"},
        "anonymousId": {**_ID, "description": "The device or browser; this or userId is needed"},
        "event": {"description": "Name of a track call"},
        "name": {"description": "Name of a page or screen call"},
        "groupId": {"description": "The account of a group call"},
        "previousId": {"description": "The earlier id of an alias call"},
        "properties": {**_OBJECT, "description": "Of track, page and screen"},
        "traits": {**_OBJECT, "description": "Of identify and group"},
        "context": {**_OBJECT, "description": "Circumstances: page, library, device, campaign, locale, traits, …"},
        "integrations": {
            **_OBJECT,
            "description": "Destinations by name, and All: false switches one off for this event",
        },
        "timestamp": _TIME,
        "originalTimestamp": _TIME,
        "sentAt": _TIME,
        "writeKey": {"description": "Names the source, where neither the topic nor the header write-key does"},
    }
