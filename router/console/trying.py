"""The action `try`: an event on a destination, as `router destinations try` has it; sent only where asked for."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from router.console.audit import Deed
from router.console.one_event import place_of, taken
from router.console.sight import Sight
from router.console.text import payload, visible
from router.destinations.http import HttpDestination
from router.errors import UsageError
from router.plan_tools.samples import sample_events, source_for
from router.topology_tests.trial import Trial, Trials

LARGEST_EVENT = 64 * 1024
MOST_EXAMPLES = 20
SEND = "yes"


def examples(sight: Sight, destination: str, source: str) -> list[tuple[str, str]]:
    """Events to begin with, each with its name. Raises FileError, UsageError where it takes no source."""
    source = source_for(sight.loaded, destination, source)
    found = []
    for event in sample_events(sight.with_plans([source]), destination, source):
        name = f"{event['type']} {event.get('event') or event.get('name') or ''}".strip()
        found.append((name, payload(event)))
        if len(found) == MOST_EXAMPLES:
            break
    return found


def try_event(sight: Sight, deed: Deed, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """`event` is its JSON, `source` where it comes from; `send: yes` sends what it becomes. What is said and shown.

    With `at`, the place of an event, and its text as it was shown there, that event is meant, masked values with it.
    Nothing is written to Kafka. kill -9 may have sent a request whose answer nobody sees.
    """
    name, sends = deed.target, values.get("send") == SEND
    source = source_for(sight.loaded, name, str(values.get("source") or ""))
    trials = Trials(sight.with_plans([source]), name, sight.mask)
    if sends and not isinstance(trials.connector, HttpDestination):
        raise UsageError(f"expected a destination that is sent requests, got {name}: what it would write is shown")
    event = {"messageId": f"try-{uuid.uuid4()}", **_meant(sight, values)}
    item = {**event, "source": source, "raw": json.dumps(event)}  # whole, whatever its keys are
    done = trials.run(item, time.time())
    if sends:
        asyncio.run(trials.send(done))
    verb = "was sent to" if sends else "was tried on"
    return f"An event {verb} {name}: {'; '.join(map(_outcome, done))}.", {"trials": [_shown(one) for one in done]}


def _meant(sight: Sight, values: Mapping[str, Any]) -> dict[str, Any]:
    text, at = values.get("event"), str(values.get("at") or "")
    if at and isinstance(text, str):
        found = taken(sight, place_of(sight, at))
        if text.replace("\r\n", "\n").strip() == found.text.strip():
            return found.body
    return _event(text)


def _event(text: object) -> dict[str, Any]:
    if not isinstance(text, str) or len(text) > LARGEST_EVENT:
        raise UsageError(f"expected an event as JSON text of at most {LARGEST_EVENT:,} characters")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"event: expected JSON, line {error.lineno}, column {error.colno}: {error.msg}") from error
    if not isinstance(found, dict):
        raise UsageError(f"event: expected a JSON object, got {type(found).__name__}")
    return found


def _outcome(trial: Trial) -> str:
    if trial.outcome is not None:
        return f"{trial.outcome.kind.value} {trial.outcome.code}".strip()
    return f"not sent, {trial.refusal}" if trial.refusal else "it would be sent"


def _shown(trial: Trial) -> dict[str, Any]:
    """As a page shows it: texts, nothing hidden in them."""
    found = trial.as_dict()
    requests = [
        "\n".join([f"{one.method} {one.url}", *(f"{key}: {text}" for key, text in one.headers.items()), "", one.body])
        for one in trial.requests
    ]
    answer = found.get("answer")
    return {
        "title": visible(f"{found['type']} {found['event']}".strip(), 120), "accepted": trial.accepted,
        "sent": trial.outcome is not None,
        "steps": [
            {"agent": step["agent"], "says": [visible(line, 500) for line in step["says"]], "ended": step["ended"]}
            for step in found["steps"]
        ],
        "problems": [visible(line, 500) for line in trial.problems], "refusal": visible(trial.refusal),
        "requests": [visible(one[:LARGEST_EVENT]) for one in requests],
        "written": "" if requests or trial.written is None else payload(trial.written),
        "answer": visible(f"{answer['says']}\n\n{answer['response']}".strip()) if answer else "",
    }  # fmt: skip
