"""Values that are told one by one: `enum`, `const`, and types that have few values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import jsonschema_rs

from router.plan.pattern import REGEX
from router.plan.resources import Place
from router.plan_tools.inline import Inliner
from router.plan_tools.value import Value, same

_SHOWN = 8


def finite(value: Value, types: frozenset[str] | None = None) -> list[Any] | None:
    """All values that schemas allow, where they are few; None where not."""
    possible = value.types & types if types else value.types
    if value.options is not None:
        return [option for option in value.options if allows(value, option)]
    if possible <= {"boolean", "null"}:
        few: list[Any] = [True, False] if "boolean" in possible else []
        few += [None] if "null" in possible else []
        return [option for option in few if allows(value, option)]
    return None


def lost(known: list[Any], new: Value) -> Iterator[tuple[str, str, str]]:
    """The values that the new schemas refuse."""
    gone = [option for option in known if not allows(new, option)]
    if gone:
        kept = [option for option in known if not any(same(option, other) for other in gone)]
        yield "enum", listed(gone), listed(kept)


def listed(options: Iterable[Any]) -> str:
    """Values in words."""
    texts = [option if isinstance(option, str) and option else repr_json(option) for option in options]
    return ", ".join(texts[:_SHOWN]) + (f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else "")


def repr_json(value: Any) -> str:
    import orjson

    return orjson.dumps(value).decode()


def allows(value: Value, option: Any) -> bool:
    """Whether every schema of a value allows this one."""
    return all(_validator(value, key).is_valid(option) for key in value.places) and not value.never


def _validator(value: Value, key: tuple[str, Any]) -> jsonschema_rs.Validator:
    return _compiled(Ours(value, value.places[key]))


class Ours:
    """A place as a key of the cache: the same resource object and path."""

    def __init__(self, value: Value, place: Place) -> None:
        self.value = value
        self.place = place

    def __hash__(self) -> int:
        return hash((id(self.place[0]), self.place[1]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ours) and self.place[0] is other.place[0] and self.place[1] == other.place[1]


@cache
def _compiled(ours: Ours) -> jsonschema_rs.Validator:
    inliner = Inliner(ours.value.resources)
    schema = inliner.place(ours.place)
    whole: Any = {"allOf": [schema], "definitions": inliner.definitions}
    validator = ours.place[0].draft.validator
    return validator(whole, pattern_options=REGEX, validate_formats=True, offline=True)
