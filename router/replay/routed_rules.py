"""Today's rules about events that were routed before: those of the clean stream, and those of an archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router.config.loader import Loaded
from router.replay.current_rules import CurrentRules
from router.replay.replay import Replayed
from router.replay.replay_source import Candidate


class RoutedRules:
    """`hashed`: a privacy rule has been at the events before, as in an archive."""

    def __init__(self, loaded: Loaded, destinations: Sequence[str], *, hashed: bool = False) -> None:
        self._rules = {name: CurrentRules(loaded, name, sampled=False, hashed=hashed) for name in destinations}

    def rule(self, one: Candidate) -> Iterator[Replayed]:
        for name, rules in self._rules.items():
            value, refusal = rules.judge(one.value, one.source)
            yield Replayed(name, refusal, value, one.key, one.headers)
