"""What an operator can do in the console. Each action is written down before it is taken, and how it ended after it.

A request is JSON: `target`, `reason`, and what the action wants. To add one: a function that takes the sight and the
request's values, waits for Kafka and returns a sentence, and a line in ACTIONS.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from router.console.access import ConsoleUser
from router.console.audit import AuditLog, Deed
from router.console.redriving import redrive
from router.console.sight import Sight
from router.delivery.pauses import pause_now, write_pause
from router.document import nearest
from router.errors import RouterError, UsageError

TOKEN_HEADER = "X-Console-Token"  # noqa: S105  a header's name
Action = Callable[[Sight, Deed, Mapping[str, Any]], str]


def _pause(sight: Sight, deed: Deed, _: Mapping[str, Any]) -> str:
    write_pause(sight.cluster, sight.topics.control, deed.target, pause_now(f"{deed.who} (console)", deed.reason))
    return f"{deed.target} is paused: what is under way ends, everything else waits."


def _resume(sight: Sight, deed: Deed, _: Mapping[str, Any]) -> str:
    write_pause(sight.cluster, sight.topics.control, deed.target, None)
    return f"{deed.target} is resumed."


ACTIONS: Mapping[str, Action] = {"pause": _pause, "resume": _resume, "redrive": redrive}


async def act(sight: Sight, person: ConsoleUser, request: web.Request, name: str) -> tuple[int, dict[str, str]]:
    """Status and answer of an action, whoever asks for it. Only a request with the session's token is looked at."""
    if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), person.token.encode()):
        return 403, {"error": f"expected this session's {TOKEN_HEADER}: load the page again"}
    if request.content_type != "application/json":
        return 415, {"error": "expected Content-Type: application/json"}
    try:
        values = json.loads(await request.text())
    except ValueError:
        return 400, {"error": "expected JSON"}
    if not isinstance(values, dict) or not isinstance(values.get("target"), str):
        return 400, {"error": "expected an object with a target"}
    reason = values.get("reason", "")
    if not isinstance(reason, str):
        return 400, {"error": "expected reason to be a text"}
    deed = Deed(person.name, person.role, request.remote or "", name, values["target"], reason).shortened()
    return await asyncio.to_thread(_take, sight, person, deed, values)


def _take(sight: Sight, person: ConsoleUser, deed: Deed, values: Mapping[str, Any]) -> tuple[int, dict[str, str]]:
    audit = sight.audit
    try:
        if not person.may_act:
            audit.write(deed, "refused", "needs the role operator")
            return 403, {"error": "You are a viewer: this needs the role operator."}
        audit.write(deed, "begun")
    except RouterError as error:
        return error_status(error), {"error": f"not done, for it could not be written down: {error}"}
    return _taken(sight, audit, deed, values)


def _taken(sight: Sight, audit: AuditLog, deed: Deed, values: Mapping[str, Any]) -> tuple[int, dict[str, str]]:
    try:
        check_destination(sight, deed.target)
        says = ACTIONS[deed.action](sight, deed, values)
    except RouterError as error:
        audit.write(deed, "failed", sight.mask.text(str(error)))
        return error_status(error), {"error": str(error)}
    audit.write(deed, "done", says)
    return 200, {"says": says}


def check_destination(sight: Sight, name: str) -> None:
    """Raises UsageError for a name that is none of the topology's destinations."""
    known = sight.loaded.topology.destinations
    if name not in known:
        hint = nearest(name, known)
        raise UsageError(f"expected a destination, got {name!r}" + (f" (did you mean {hint}?)" if hint else ""))


def error_status(error: RouterError) -> int:
    """An HTTP status for a fault."""
    return 400 if isinstance(error, UsageError) else 503
