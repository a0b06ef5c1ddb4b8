"""How `router tap` shows a message: its value as NDJSON, the whole message as JSON, or lines for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Message

from router.cli.tap_filter import bodies, named_headers, parsed, text
from router.events.times import iso
from router.gateway.answers import explained
from router.process.logging import as_json_text, visible
from router.replay.reasons import reason_of

_DETAILS = ("properties", "traits", "groupId", "previousId", "integrations", "samples", "latency_ms")
_ID = ("userId", "anonymousId", "profileId")


def lines(value: bytes) -> list[str]:
    """A message's value as NDJSON: JSON on one line, several events on several; what is no JSON as {"bytes": text}."""
    whole_value = parsed(value)
    if whole_value is not None:
        return [as_json_text(whole_value)]
    parts = [part for part in value.split(b"\n") if part.strip()]
    return [as_json_text(parsed(part) or {"bytes": part.decode(errors="backslashreplace")}) for part in parts]


def whole(message: Message) -> str:
    """A message as one JSON object; `value` is JSON where it is, else `bytes` is its text."""
    value = message.value() or b""
    content = parsed(value)
    shown: dict[str, Any] = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "key": text(message.key()),
        "headers": named_headers(message),
    }
    return as_json_text(shown | ({"bytes": text(value)} if content is None else {"value": content}))


def pretty(message: Message) -> Iterator[str]:
    """A message for people: when, where from and what, each event with its details, and why it ended here if it did."""
    value, headers = message.value() or b"", named_headers(message)
    time = iso(message.timestamp()[1])
    found = list(bodies(value))
    for body in found:
        yield f"{time}  {visible(_title(body, headers))}"
        yield from (f"    {name}: {as_json_text(body[name])}" for name in _DETAILS if body.get(name))
    if not found:
        yield f"{time}  no event: {visible(value[:400].decode(errors='backslashreplace'))}"
    yield from (f"    {visible(reason)}" for body in found or [{}] for reason in _reasons(body, headers))


def _title(body: dict[str, Any], headers: dict[str, str]) -> str:
    source = headers.get("source") or body.get("source") or body.get("destination") or "-"
    what = body.get("type") or body.get("callType") or body.get("outcome") or "-"
    name = body.get("event") or body.get("name") or body.get("code") or ""
    person = next((f"{key} {body[key]}" for key in _ID if body.get(key)), "")
    count = f"{body['count']} events" if isinstance(body.get("count"), int) else ""
    ids = f"messageId {body['messageId']}" if body.get("messageId") else ""
    return "  ".join(str(part) for part in (source, what, name, person, count, ids) if part)


def _reasons(body: dict[str, Any], headers: dict[str, str]) -> Iterator[str]:
    """From the headers of what was refused, blocked or given up, and from the value of a violation."""
    code = headers.get("error-code", "")
    if "attempts" in headers:
        reason = reason_of(code)
        yield f"given up: {code} after {headers['attempts']} attempts: {reason.words}; {reason.advice}"
    elif code:
        yield f"{headers.get('error-stage', '-')}: {code}: {explained(code)}"
    if headers.get("partner-answer"):
        yield f"answer: {headers['partner-answer']}"
    violations = _list(headers.get("violations", ""))
    for each in [*violations, *([body] if "path" in body and "class" in body else [])]:
        if isinstance(each, dict):
            yield f"{each.get('class')} at {each.get('path') or '(root)'}: {each.get('message')}"


def _list(raw: str) -> list[Any]:
    try:
        found = json.loads(raw) if raw else []
    except ValueError:
        return []
    return found if isinstance(found, list) else []
