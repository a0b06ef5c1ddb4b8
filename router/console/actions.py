"""What an operator can do in the console. Each action is written down before it is taken, and how it ended after it.

A request is JSON: `target` (of some actions a list), `reason`, and what the action wants. To add one: a function that
takes the sight and the request's values, waits for Kafka and says what it has done, and a line in ACTIONS.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from aiohttp import web

from router.console.access import ConsoleUser
from router.console.audit import AuditLog, Deed
from router.console.redriving import redrive, stop_redrive
from router.console.replaying import replay, resume_replay, stop_replay
from router.console.sight import Sight
from router.console.snippets import snippets_with_key
from router.console.trying import try_event
from router.delivery.pauses import pause_now, write_pause
from router.document import nearest
from router.errors import RouterError, UsageError
from router.replay.replay_log import ReplayLog

TOKEN_HEADER = "X-Console-Token"  # noqa: S105  a header's name


class Done(NamedTuple):
    """What an action says, which is written down, and what its page gets besides, which is not."""

    says: str
    data: Mapping[str, Any] = MappingProxyType({})


Act = Callable[[Sight, Deed, Mapping[str, Any]], str | Done | None]


class Action(NamedTuple):
    """`kind` says what its target is the name of: a destination, a source or a replay; `several`: names, in a list.

    An act that gives None goes on as a job, whose end is written down when it comes.
    """

    act: Act
    kind: str = "destination"
    several: bool = False

    def check(self, sight: Sight, target: str) -> None:
        """Raises UsageError for a name that is none."""
        if not target:
            raise UsageError(f"expected a {self.kind}, got none")
        known = self._known(sight)
        for name in target.split() if self.several else [target]:
            if name not in known:
                hint = nearest(name, known)
                did_you_mean = f" (did you mean {hint}?)" if hint else ""
                raise UsageError(f"expected a {self.kind}, got {name!r}{did_you_mean}")

    def _known(self, sight: Sight) -> Collection[str]:
        topology = sight.loaded.topology
        if self.kind == "replay":
            return ReplayLog(sight.cluster, sight.topics.replays).read().keys()
        return (topology.sources if self.kind == "source" else topology.destinations).keys()


def _pause(sight: Sight, deed: Deed, _: Mapping[str, Any]) -> str:
    write_pause(sight.cluster, sight.topics.control, deed.target, pause_now(f"{deed.who} (console)", deed.reason))
    return f"{deed.target} is paused: what is under way ends, everything else waits."


def _resume(sight: Sight, deed: Deed, _: Mapping[str, Any]) -> str:
    write_pause(sight.cluster, sight.topics.control, deed.target, None)
    return f"{deed.target} is resumed."


def _show_key(sight: Sight, deed: Deed, _: Mapping[str, Any]) -> Done:
    texts = snippets_with_key(sight.loaded.topology, sight.options, deed.target)
    return Done(f"The write key of {deed.target} was shown to {deed.who}.", {"snippets": texts})


def _try(sight: Sight, deed: Deed, values: Mapping[str, Any]) -> Done:
    return Done(*try_event(sight, deed, values))


ACTIONS: Mapping[str, Action] = {
    "pause": Action(_pause), "resume": Action(_resume), "key": Action(_show_key, "source"), "try": Action(_try),
    "redrive": Action(redrive), "stop-redrive": Action(stop_redrive), "replay": Action(replay, several=True),
    "stop-replay": Action(stop_replay, "replay"), "resume-replay": Action(resume_replay, "replay"),
}  # fmt: skip


async def act(sight: Sight, person: ConsoleUser, request: web.Request, name: str) -> tuple[int, dict[str, Any]]:
    """Status and answer of an action, whoever asks for it. Only a request with the session's token is looked at."""
    if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), person.token.encode()):
        return 403, {"error": f"expected this session's {TOKEN_HEADER}: load the page again"}
    if request.content_type != "application/json":
        return 415, {"error": "expected Content-Type: application/json"}
    try:
        values = json.loads(await request.text())
    except ValueError:
        return 400, {"error": "expected JSON"}
    target = _target(values.get("target", ""), name) if isinstance(values, dict) else None
    if target is None:
        return 400, {"error": "expected an object with a target: what it is to be done to"}
    reason = values.get("reason", "")
    if not isinstance(reason, str):
        return 400, {"error": "expected reason to be a text"}
    deed = Deed(person.name, person.role, request.remote or "", name, target, reason).shortened()
    return await asyncio.to_thread(_take, sight, person, deed, values)


def _target(given: object, action: str) -> str | None:
    """Several names with blanks between, for no name has one; None for what is neither a name nor, where that is meant,
    a list of them.
    """
    if isinstance(given, list) and ACTIONS[action].several and all(isinstance(one, str) for one in given):
        return " ".join(dict.fromkeys(given))
    return given if isinstance(given, str) else None


def _take(sight: Sight, person: ConsoleUser, deed: Deed, values: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    audit = sight.audit
    try:
        if not person.may_act:
            audit.write(deed, "refused", "needs the role operator")
            return 403, {"error": "You are a viewer: this needs the role operator."}
        audit.write(deed, "begun")
    except RouterError as error:
        return error_status(error), {"error": f"not done, for it could not be written down: {error}"}
    return _taken(sight, audit, deed, values)


def _taken(sight: Sight, audit: AuditLog, deed: Deed, values: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    action = ACTIONS[deed.action]
    try:
        action.check(sight, deed.target)
        done = action.act(sight, deed, values)
    except RouterError as error:
        audit.write(deed, "failed", sight.mask.text(str(error)))
        return error_status(error), {"error": str(error)}
    if done is None:
        return 200, {"says": "Begun: the page shows how far it is."}
    says, data = done if isinstance(done, Done) else Done(done)
    audit.write(deed, "done", says)
    return 200, {"says": says, **data}


def error_status(error: RouterError) -> int:
    """An HTTP status for a fault."""
    return 400 if isinstance(error, UsageError) else 503
