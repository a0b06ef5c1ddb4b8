"""What events of one source, call type and name have in common, compiled with the first of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from router.agents.fanout import Choice
from router.events.event import Body
from router.events.records import Headers

Kind = tuple[str, str, str]  # source, call type, event name (empty but for track)


class Way(NamedTuple):
    """`choice` is of events without an `integrations` object, `conforms` as `SourceRules.conforms` gives it, `prefix`
    the key space of dedupe, `stamp` the plan's name and revision.
    """

    headers: Headers
    choice: Choice
    conforms: Callable[[Body], bool]
    prefix: bytes
    stamp: str
