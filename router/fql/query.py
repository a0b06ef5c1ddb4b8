"""A compiled query: what callers see of the language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from router.fql.errors import FqlError, Mismatch, MismatchSignal

MAX_BYTES = 5 * 1024


@dataclass(frozen=True, slots=True)
class Query:
    """One condition. `paths`: the top-level fields of an event that it reads, `source` not among them.

    `events`: the event names that it compares `event` with, for a check against the plan.
    """

    text: str
    paths: frozenset[str]
    events: frozenset[str]
    condition: Callable[[Mapping[str, Any], str], bool]

    def evaluate(self, event: Mapping[str, Any], source: str = "") -> bool | Mismatch:
        """Whether it holds for an event (JSON as Python values) of a source; or the Mismatch that it met."""
        try:
            return self.condition(event, source)
        except MismatchSignal as signal:
            return signal.mismatch

    def matches(self, event: Mapping[str, Any], source: str = "") -> bool:
        """As `evaluate`, with false for a Mismatch."""
        try:
            return self.condition(event, source)
        except MismatchSignal:
            return False


@lru_cache(maxsize=4096)
def compile_query(text: str) -> Query:
    """Raises FqlError with the column of what is wrong and what was expected there. Remembers what it compiled."""
    # The parser's library takes as long to import as half the router: not for topologies without a filter.
    from router.fql.conditions import compile_condition
    from router.fql.syntax import parse

    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise FqlError(1, 1, f"a query of at most {MAX_BYTES} bytes", f"{size} bytes")
    if not text.strip():
        raise FqlError(1, 1, "a condition", "nothing")
    condition, paths, events = compile_condition(parse(text))
    return Query(text, paths, events, condition)
