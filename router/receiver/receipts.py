"""Receipts: what was accepted, a line of JSON for each event; and what is shown of a request, a line for people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

_KEPT = ("messageId", "profileId", "userId", "anonymousId", "type", "event", "receivedAt", "seq")


def events_of(body: bytes) -> list[dict[str, Any]]:
    """The JSON objects of a request: one, or an array of them. Raises ValueError for anything else."""
    data = orjson.loads(body)
    events = data if isinstance(data, list) else [data]
    if not all(isinstance(event, dict) for event in events):
        raise ValueError("expected a JSON object, or an array of them")
    return events


def receipts_of(path: str, headers: Mapping[str, str], events: list[dict[str, Any]]) -> bytes:
    """Lines for the log, one for each event."""
    attempt = headers.get("X-Attempt", "")
    shared = {
        "at": time.time(), "path": path, "attempt": int(attempt) if attempt.isdecimal() else 0,
        "idempotency": headers.get("Idempotency-Key", ""), "batch": len(events),
    }  # fmt: skip
    lines = (shared | {name: one[name] for name in _KEPT if name in one} for one in events)
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The receipts so far, in order of arrival; a line that is just being written is left for the next call."""
    content = path.read_bytes() if path.exists() else b""
    return [orjson.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def line_of(path: str, answer: str, signature: str, attempt: str, event: Mapping[str, Any]) -> str:
    """One event of a request as a person reads it: when, where, how it was answered, what it is."""
    what = " ".join(str(event[key]) for key in ("type", "event", "name") if event.get(key))
    who = str(event.get("userId") or event.get("anonymousId") or "-")
    parts = [f"{path:<10}", f"{answer:<8}", f"{what or '-':<28}", f"{who:<16}", str(event.get("messageId") or "-")]
    more = [f"attempt {attempt}"] if attempt not in ("", "0", "1") else []
    more += [signature] if signature else []
    return f"{time.strftime('%H:%M:%S')}  {'  '.join([*parts, *more])}"
