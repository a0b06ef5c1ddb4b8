"""Classes of personal data, and what a destination gets of them.

A field belongs to a class by its name (a glob over the key, whatever its case, at any depth: all below it belongs too)
or by its value. Looked at are the ids, `traits`, `properties` and `context`, inside lists as well; the rest of an event
says what happened, not who somebody is. Where several classes hold a field, the strictest action counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from router.privacy.encryption import PREFIX, Cipher
from router.privacy.matchers import MATCHERS, Matcher, suspect

Action = Literal["keep", "encrypt", "hash", "mask", "drop"]
STRICTNESS: tuple[Action, ...] = ("keep", "encrypt", "hash", "mask", "drop")
IDS = ("userId", "anonymousId", "previousId", "groupId")
SECTIONS = (*IDS, "traits", "properties", "context")
MASKED = "***"
REMEMBERED_NAMES = 10_000
_DROPPED: Any = object()
_DIGEST = re.compile("[0-9a-f]{64}")
_BUILT_IN = frozenset(MATCHERS.values())


@dataclass(frozen=True, slots=True)
class DataClass:
    """`names` are globs over keys, `values` matchers; either makes a field one of this class."""

    name: str
    color: Literal["red", "yellow"]
    names: tuple[str, ...] = ()
    values: tuple[Matcher, ...] = ()


class Found(NamedTuple):
    """A field of personal data. List items share one path: `properties.items[].email`.

    In the path, `*` stands for a key that is personal data itself, by its text.
    """

    path: str
    name: str


class Treated(NamedTuple):
    """`body` is the very object that was given when nothing was changed; `changed` counts fields by class."""

    body: dict[str, Any]
    changed: Counter[str]


class DataClasses:
    """All classes of a topology, compiled. Calls are pure and never change what they are given.

    `cipher` is needed for the action `encrypt`. What it has encrypted is no personal data by its value any more, and is
    not encrypted twice.
    """

    def __init__(self, classes: Sequence[DataClass], cipher: Cipher | None = None) -> None:
        self._classes = tuple(classes)
        self._cipher = cipher
        self._by_name: dict[str, tuple[str, ...]] = {}
        self._globs = [
            (one.name, re.compile("|".join(translate(glob.lower()) for glob in one.names)))
            for one in classes
            if one.names
        ]
        self._matchers = [(one.name, matches) for one in classes for matches in one.values]
        self._own_matchers = [(name, matches) for name, matches in self._matchers if matches not in _BUILT_IN]
        self._actions = _ACTIONS if cipher is None else _ACTIONS | {"encrypt": cipher.encrypt}

    def repeatable(self) -> DataClasses:
        """The same for events that were treated before: a value that is a digest already is not hashed again."""
        made = DataClasses(self._classes, self._cipher)
        made._actions = made._actions | {"hash": lambda value: value if _DIGEST.fullmatch(str(value)) else _hash(value)}
        return made

    def scan(self, body: Mapping[str, Any]) -> Iterator[Found]:
        """Every field of personal data, by class."""
        for section in SECTIONS:
            if section in body:
                yield from self._scan(body[section], section, self._named(section))

    def treat(self, body: dict[str, Any], actions: Mapping[str, Action]) -> Treated:
        """The event after the action of each class; a class without one is kept."""
        ranks = {name: STRICTNESS.index(action) for name, action in actions.items() if action != "keep"}
        changed: Counter[str] = Counter()
        if not ranks:
            return Treated(body, changed)
        made = body
        for section in SECTIONS:
            if section in body:
                value = self._treat(body[section], self._named(section), ranks, changed)
                if value is not body[section]:
                    made = dict(made) if made is body else made
                    _set(made, section, value)
        return Treated(made, changed)

    def _scan(self, value: Any, path: str, above: tuple[str, ...]) -> Iterator[Found]:
        if isinstance(value, dict):
            for key, inner in value.items():
                valued = self._valued(key)
                below = f"{path}.*" if valued else f"{path}.{key}"
                yield from (Found(below, name) for name in valued)
                yield from self._scan(inner, below, (*above, *self._named(key)))
        elif isinstance(value, list):
            for inner in value:
                yield from self._scan(inner, f"{path}[]", above)
        else:
            for name in dict.fromkeys((*above, *self._valued(value))):
                yield Found(path, name)

    def _treat(self, value: Any, above: tuple[str, ...], ranks: Mapping[str, int], changed: Counter[str]) -> Any:
        """The value as it may go out, `_DROPPED` when it may not; the same object when nothing is to be done."""
        if isinstance(value, dict):
            return self._rebuilt(value, above, ranks, changed)
        if isinstance(value, list):
            items, same = [], True
            for item in value:
                new = self._treat(item, above, ranks, changed)
                same = same and new is item
                items.append(new)
            return value if same else [item for item in items if item is not _DROPPED]
        if value is None:
            return value
        rank, name = 0, ""
        for one in (*above, *self._valued(value)):
            if ranks.get(one, 0) > rank:
                rank, name = ranks[one], one
        if rank == 0:
            return value
        changed[name] += 1
        return self._actions[STRICTNESS[rank]](value)

    def _rebuilt(
        self, value: dict[str, Any], above: tuple[str, ...], ranks: Mapping[str, int], changed: Counter[str]
    ) -> dict[str, Any]:
        made = value
        for key, inner in value.items():
            named = self._named(key)
            new = self._treat(inner, (*above, *named) if named else above, ranks, changed)
            if new is not inner:
                made = dict(made) if made is value else made
                _set(made, key, new)
        return made

    def _named(self, key: str) -> tuple[str, ...]:
        """The classes that a key's name puts a field in. Names repeat: they are remembered, up to a bound."""
        known = self._by_name.get(key)
        if known is None:
            if len(self._by_name) >= REMEMBERED_NAMES:
                self._by_name.clear()
            lower = key.lower()
            known = self._by_name[key] = tuple(name for name, glob in self._globs if glob.match(lower))
        return known

    def _valued(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            text = value
        elif isinstance(value, int) and not isinstance(value, bool):
            text = str(value)
        else:
            return ()
        matchers = self._matchers if suspect(text) else self._own_matchers
        found: tuple[str, ...] = ()
        for name, matches in matchers:
            if matches(text):
                found += (name,)
        if found and text.startswith(PREFIX) and self._cipher is not None and self._cipher.made(text):
            return ()
        return found


def _set(body: dict[str, Any], key: str, value: Any) -> None:
    if value is _DROPPED:
        del body[key]
    else:
        body[key] = value


def _hash(value: Any) -> str:
    return sha256(str(value).strip().lower().encode("utf-8", "surrogatepass")).hexdigest()


_ACTIONS: dict[Action, Callable[[Any], Any]] = {
    "hash": _hash,
    "mask": lambda value: MASKED,
    "drop": lambda value: _DROPPED,
}
