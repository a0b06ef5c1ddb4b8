"""Where a value may come from: fields of an event, as they are or converted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from router.mapping.conversions import CONVERSIONS, ConversionError
from router.mapping.path import MappingError
from router.mapping.template import compile_template

_SHORTEST = 3  # characters of a text that is looked for inside another one
_SIMPLEST = tuple(CONVERSIONS)
Key = tuple[bool, Any]  # True is no 1


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar that says something, with its path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            name = str(key).replace("\\", "\\\\").replace(".", "\\.")
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{number}")
    elif value is not None and value != "":
        yield path, value


class Origins:
    """Of the same call with other values, several times over: what is an origin in all of them is one."""

    def __init__(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        self._bodies = bodies
        self._leaves = [{path: one for path, one in leaves(body) if path != "type"} for body in bodies]
        self._known = [_converted(each) for each in self._leaves]

    def of(self, values: Sequence[Any], target: str, gone: Sequence[str]) -> Any:
        """An expression that leads to these values, one of each call; None where there is none."""
        keys = [_key(value) for value in values]
        found = {one for one in self._known[0].get(keys[0], ()) if one[0] not in gone}
        for known, key in zip(self._known[1:], keys[1:], strict=True):
            found &= known.get(key, set())
        if found:
            path, conversion = min(found, key=lambda one: _distance(one, target))
            return {"path": path, "as": conversion} if conversion else path
        if all(key == keys[0] for key in keys):
            return {"value": values[0]}
        return self._template(values, gone)

    @staticmethod
    def paths(expression: Any) -> tuple[str, ...]:
        """The path that an expression reads; none of a constant or a template."""
        if isinstance(expression, str):
            return (expression,)
        return (expression["path"],) if "path" in expression else ()

    def _template(self, values: Sequence[Any], gone: Sequence[str]) -> Any:
        text = values[0]
        if not isinstance(text, str) or "{" in text or "}" in text:
            return None
        texts = {path: value for path, value in self._leaves[0].items() if isinstance(value, str) and path not in gone}
        for path, value in sorted(texts.items(), key=lambda pair: (-len(pair[1]), len(pair[0]))):
            if len(value) >= _SHORTEST and value in text:
                text = text.replace(value, f"{{{path}}}")
                break
        try:
            read = compile_template(text)
        except MappingError:
            return None
        same = text != values[0] and all(read(body) == value for body, value in zip(self._bodies, values, strict=True))
        return {"template": text} if same else None


def _converted(fields: Mapping[str, Any]) -> dict[Key, set[tuple[str, str]]]:
    """For each value, the fields and conversions that lead to it."""
    found: dict[Key, set[tuple[str, str]]] = defaultdict(set)
    for path, value in fields.items():
        found[_key(value)].add((path, ""))
        for name, key in _conversions(*_key(value)):
            found[key].add((path, name))
    return found


@lru_cache(maxsize=10_000)
def _conversions(_: bool, value: Any) -> tuple[tuple[str, Key], ...]:
    """What each conversion makes another value of."""
    made: list[tuple[str, Key]] = []
    for name, convert in CONVERSIONS.items():
        try:
            other = convert(value)
        except ConversionError:
            continue
        if not isinstance(other, list) and _key(other) != _key(value):
            made.append((name, _key(other)))
    return tuple(made)


def _key(value: Any) -> Key:
    return isinstance(value, bool), value


def _distance(origin: tuple[str, str], target: str) -> tuple[int, bool, int, str]:
    """Fields as they are first, then by the simplest conversion; those of the target's own name before others."""
    path, conversion = origin
    rank = _SIMPLEST.index(conversion) if conversion else -1
    return rank, path.rpartition(".")[2] != target.rpartition(".")[2], len(path), path
