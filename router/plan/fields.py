"""Reads the keys of one mapping by type and collects what is wrong, with the place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from router.document import Document, Pointer, nearest
from router.errors import Problem

_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}


def kind(value: Any) -> str:
    """The JSON type of a value in words."""
    return "nothing" if value is None else _KINDS.get(type(value), "a value")


class Fields:
    """The keys of a mapping. Each reader notes the key as known; `finish` reports those nobody asked for."""

    def __init__(self, document: Document, problems: list[Problem], path: Pointer = (), data: Any = None) -> None:
        self.document = document
        self.problems = problems
        self.path = path
        value = document.data if data is None else data
        if not isinstance(value, dict):
            self.report((), f"expected a mapping, got {kind(value)}")
            value = {}
        self.data: dict[str, Any] = value
        self.known: set[str] = set()

    def report(self, path: Iterable[str | int], message: str, hint: str = "", *, at_key: bool = False) -> None:
        self.problems.append(self.document.problem((*self.path, *path), message, hint, at_key=at_key))

    def raw(self, key: str) -> Any:
        self.known.add(key)
        return self.data.get(key)

    def text(self, key: str, *, required: bool = False) -> str:
        value = self.raw(key)
        if isinstance(value, str) and (value.strip() or not required):
            return value
        if value is None and not required:
            return ""
        if key not in self.data:
            self.report((), f"expected `{key}`, got a mapping without it")
        else:
            advice = "; put it in quotes" if isinstance(value, int | float) else ""
            self.report((key,), f"expected text, got {kind(value) if value != '' else 'an empty text'}{advice}")
        return ""

    def count(self, key: str, default: int) -> int:
        """A whole number from 1."""
        value = self.raw(key)
        if value is None:
            return default
        if type(value) is not int or value < 1:
            self.report(
                (key,), f"expected a whole number from 1, got {value if kind(value) == 'a number' else kind(value)}"
            )
            return default
        return value

    def choice(self, key: str, options: Iterable[str], default: str) -> str:
        value = self.raw(key)
        if value is None:
            return default
        return value if self.one_of((key,), value, tuple(options)) else default

    def one_of(self, path: Pointer, value: Any, options: tuple[str, ...]) -> bool:
        if isinstance(value, str) and value in options:
            return True
        got = value if isinstance(value, str) else kind(value)
        self.report(path, f"expected one of {', '.join(options)}, got {got}", nearest(str(value), options))
        return False

    def texts(self, key: str) -> tuple[str, ...]:
        """One text or a list of them."""
        value = self.raw(key)
        items = [] if value is None else value if isinstance(value, list) else [value]
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self.report((key, index) if isinstance(value, list) else (key,), f"expected text, got {kind(item)}")
        return tuple(item for item in items if isinstance(item, str))

    def labels(self, key: str) -> dict[str, str]:
        """A mapping of text to scalars, or a list of texts (labels without a value)."""
        value = self.raw(key)
        if value is None:
            return {}
        if isinstance(value, list):
            return dict.fromkeys(self.texts(key), "")
        labels: dict[str, str] = {}
        for name, item in self.mapping(key).items():
            if isinstance(item, str | int | float):
                labels[name] = str(item).lower() if isinstance(item, bool) else str(item)
            else:
                self.report((key, name), f"expected text, got {kind(item)}")
        return labels

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.raw(key)
        if value is None or isinstance(value, dict):
            return value or {}
        self.report((key,), f"expected a mapping, got {kind(value)}")
        return {}

    def items(self, key: str) -> list[Any]:
        value = self.raw(key)
        if value is None or isinstance(value, list):
            return value or []
        self.report((key,), f"expected a list, got {kind(value)}")
        return []

    def finish(self) -> None:
        for key in self.data:
            if key not in self.known and not key.startswith("x-"):
                expected = f"expected one of {', '.join(sorted(self.known))}, got {key}"
                self.report((key,), expected, nearest(key, self.known), at_key=True)
