"""Faults of the receiver: what it does in place of accepting, as values and as words of a command line."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from router.document import nearest
from router.errors import UsageError

Kind = Literal["status", "slow", "hang", "close", "lost", "garbage", "endless", "redirect", "poison"]
KINDS: tuple[str, ...] = get_args(Kind)
EVERY_PATH = "*"


class InjectedFault(BaseModel):
    """Applies to a `share` of the requests, `times` at most (-1: always).

    status: answers `status` (with `retry_after` if given) and accepts nothing. slow: waits `seconds`, then accepts.
    hang: accepts nothing and never answers. close: drops the connection. lost: accepts, then drops the connection, so
    that the sender cannot know. garbage: answers bytes that are not HTTP. endless: accepts, with an answer that never
    ends. redirect: answers 307 to `location`. poison: answers `status` to a request with an event that has
    `"poison": true`.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    status: int = Field(503, ge=100, le=599)
    share: float = Field(1.0, ge=0, le=1)
    times: int = Field(-1, ge=-1)
    seconds: float = Field(5.0, ge=0)
    retry_after: str = ""
    location: str = ""

    def applies(self, body: bytes) -> bool:
        """Whether it decides over this request. Counts it, where `times` is limited."""
        poisoned = self.kind != "poison" or b'"poison":true' in body
        if self.times == 0 or not poisoned or random.random() >= self.share:  # noqa: S311  no secret hangs on it
            return False
        self.times -= self.times > 0
        return True


Faults = dict[str, list[InjectedFault]]


def faults_of(data: Mapping[str, Any]) -> Faults:
    """Faults by path, from JSON of the same shape. Raises ValidationError."""
    return {path: [InjectedFault.model_validate(one) for one in several] for path, several in data.items()}


def parse_faults(texts: Iterable[str]) -> Faults:
    """Faults by path from texts such as `500`, `hang`, `/crm=429,retry_after=2,share=0.1`. Raises UsageError."""
    found: Faults = {}
    for text in texts:
        path, equals, rest = text.partition("=") if text.startswith("/") else (EVERY_PATH, "=", text)
        kind, *options = (rest if equals else "").split(",")
        given: dict[str, str] = {"kind": "status", "status": kind} if kind.isdigit() else {"kind": _kind(kind, text)}
        for option in options:
            name, _, value = option.partition("=")
            given[name] = value
        found.setdefault(path, []).append(_fault(given, text))
    return found


def _kind(word: str, text: str) -> str:
    if word not in KINDS:
        hint = nearest(word, KINDS)
        known = f"did you mean {hint}?" if hint else f"one of {', '.join(KINDS)}"
        raise UsageError(f"--fail {text}: expected a status such as 500, or a kind of fault, got {word!r} ({known})")
    return word


def _fault(given: dict[str, str], text: str) -> InjectedFault:
    try:
        return InjectedFault.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = first["loc"][-1]
        if first["type"] == "extra_forbidden":
            known = ", ".join(key for key in InjectedFault.model_fields if key != "kind")
            raise UsageError(f"--fail {text}: expected one of {known}, got {name}") from error
        raise UsageError(f"--fail {text}: {name}: {first['msg'].lower()}, got {first['input']}") from error
