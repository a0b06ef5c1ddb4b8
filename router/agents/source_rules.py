"""source_rules: what is said of a source's events whether they have a plan or not: allow, block, rename, omit, privacy.

Before the plan is asked. What is blocked goes the way of what a plan blocks, to `events.blocked`, with the class
`source_rule`. Classes of personal data that a source drops, masks, hashes or encrypts are gone before the chain writes
anything; of events that come by HTTP the gateway has done it before, so a digest is not hashed again.
Without state: kill -9 loses nothing here.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping
from itertools import chain
from typing import Any, Self

from router.agents.agent import RENAMED, Agent, Prepare, RouteKey, Setup
from router.agents.dedupe import key_of_blocked
from router.agents.verdict import Verdict
from router.config.shape import EventRules
from router.config.types import glob_matches, glob_pattern
from router.events.event import Body, Event
from router.events.records import Violation
from router.privacy.classes import Action, DataClasses

_KEYS = {"track": "event", "page": "name", "screen": "name"}  # where a call has its name
REMEMBERED = 10_000
_WITH_TRAITS = frozenset(("identify", "group"))


class SourceRules(Agent):
    """`rules` and `privacy` (actions by class) by source."""

    name = "source_rules"

    def __init__(
        self,
        rules: Mapping[str, EventRules],
        classes: DataClasses,
        privacy: Mapping[str, Mapping[str, Action]],
    ) -> None:
        self._rules = {source: _Compiled(each) for source, each in rules.items() if each != EventRules()}
        self._classes = classes.repeatable()
        self._privacy = dict(privacy)

    @classmethod
    def build(cls, setup: Setup) -> Self:
        topology = setup.loaded.topology
        rules = {name: source.rules for name, source in topology.sources.items()}
        return cls(rules, topology.privacy.compiled(), topology.privacy.source)

    def compile(self, key: RouteKey) -> Prepare | None:
        source, call_type, name = key
        rules, actions = self._rules.get(source), self._privacy.get(source)
        if rules is not None and rules.leaves(call_type, name):
            rules = None
        if rules is None and actions is None:
            return None

        def prepare(event: Event) -> object:
            if rules is not None and rules.rename(event, call_type):
                return RENAMED
            if actions is not None:
                event.body = self._classes.treat(event.body, actions).body
            return rules is not None and rules.apply(event, call_type)

        return prepare


class _Compiled:
    """The rules of one source."""

    def __init__(self, rules: EventRules) -> None:
        self._allow, self._block = _globs(rules.allow), _globs(rules.block)
        self._rename, self._omit = rules.rename, rules.omit
        self._edits: dict[str, _Edit] = {}  # by the name of the event
        self._of_traits = _Edit(rules.rename.traits, rules.omit.traits)

    def leaves(self, call_type: str, name: str) -> bool:
        """Whether they say nothing of any such event; a page or screen has its name in its body."""
        if call_type == "track":
            return name not in self._rename.events and not self._refusal(name) and self._edit_of(name).is_empty
        if call_type in _KEYS:
            rename, omit = self._rename, self._omit
            return not (self._allow or self._block or rename.events or rename.properties or omit.properties)
        return call_type not in _WITH_TRAITS or self._of_traits.is_empty

    def rename(self, event: Event, call_type: str) -> bool:
        """Give the event its new name; True when it is to be looked at anew by that name."""
        body, key = event.body, _KEYS.get(call_type, "")
        name = body.get(key)
        new = self._rename.events.get(name) if isinstance(name, str) else None
        if new is None:
            return False
        body[key] = new
        if call_type == "track":
            event.name = new
        return call_type == "track"

    def apply(self, event: Event, call_type: str) -> bool:
        """Change the event as the rules say; True when it is blocked."""
        body, key = event.body, _KEYS.get(call_type)
        if key is not None:
            given = body.get(key)
            name = given if isinstance(given, str) else ""
            if refusal := self._refusal(name):
                _block(event, name, refusal)
                return True
            (self._edits.get(name) or self._edit_of(name)).apply(body, "properties")
        elif call_type in _WITH_TRAITS:
            self._of_traits.apply(body, "traits")
        return False

    def _edit_of(self, name: str) -> _Edit:
        if len(self._edits) >= REMEMBERED:
            self._edits.clear()
        renames = [keys for glob, keys in self._rename.properties.items() if glob_matches(glob, name)]
        omits = [keys for glob, keys in self._omit.properties.items() if glob_matches(glob, name)]
        return self._edits.setdefault(name, _Edit(dict(ChainMap(*renames)), tuple(chain.from_iterable(omits))))

    def _refusal(self, name: str) -> str:
        if self._block is not None and self._block.match(name):
            return "expected an event that the source does not block"
        if self._allow is not None and not self._allow.match(name):
            return "expected an event that the source allows"
        return ""


class _Edit:
    """New names of keys, and globs of those to leave out, in one section of an event."""

    def __init__(self, rename: Mapping[str, str], omit: tuple[str, ...]) -> None:
        self._rename = rename
        self._omit = _globs(omit)
        self.is_empty = not rename and not omit

    def apply(self, body: Body, section: str) -> None:
        fields: Any = body.get(section)
        if not isinstance(fields, dict):
            return
        for old, new in self._rename.items():
            if old in fields:
                fields[new] = fields.pop(old)
        if self._omit is not None:
            for name in [*filter(self._omit.match, fields)]:
                del fields[name]


def _globs(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(glob_pattern, globs))) if globs else None


def _block(event: Event, name: str, refusal: str) -> None:
    violation = Violation("source_rule", "Blocked Event", f"/{_KEYS[event.type]}", refusal, "", name, 0)
    event.judged(Verdict(True, (violation,)), keep=True)
    event.digest = key_of_blocked(event.digest)
