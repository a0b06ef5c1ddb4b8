"""A YAML or JSON file as plain data that remembers where each value stands.

YAML is read by its 1.2 core schema: only `true` and `false` are booleans, dates stay strings, there are no tags that
build objects. Duplicate keys, aliases that expand without bound and keys that are no strings are refused.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from router.errors import FileError, Problem

Pointer = tuple[str | int, ...]
MAX_NODES = 200_000
MAX_LEVELS = 100
MAX_BYTES = 4 * 1024 * 1024

_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCT_HEX = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


_FIRST = frozenset(("", *"~tTfFnN.+-0123456789"))


@dataclass
class Document:
    """`data` is plain Python, read from `text`; `show` writes a pointer in problems.

    Places are looked up in the text when a problem needs one: most files have none, and nodes take much memory.
    """

    file: str
    data: Any
    text: str = field(default="", repr=False)
    show: Callable[[Pointer], str] = field(default_factory=lambda: dotted)

    @cached_property
    def _root(self) -> yaml.Node | None:
        return yaml.compose(self.text, Loader=_Loader)

    def problem(self, pointer: Iterable[str | int], message: str, hint: str = "", *, at_key: bool = False) -> Problem:
        """A problem at the pointer, or at its nearest parent that stands in the file."""
        path = tuple(pointer)
        line, column = self.locate(path, at_key=at_key)
        return Problem(self.file, line, column, self.show(path), message, hint)

    def locate(self, path: Pointer, *, at_key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the value at a pointer (of its key, if asked and it has one)."""
        place, last = (1, 1), len(path) - 1
        node = self._root
        if node is not None:
            place = _place(node)
        for number, part in enumerate(path):
            key, node = _step(node, part)
            if node is None:
                break
            place = _place(key) if key is not None and at_key and number == last else _place(node)
        return place


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _step(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    """The nodes of the key (in a mapping) and of the value one step below a node; None where there is no such."""
    if isinstance(node, yaml.MappingNode):
        return next((pair for pair in node.value if pair[0].value == part), (None, None))
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None, None


def dotted(path: Iterable[str | int]) -> str:
    """`sources.web.write_keys[0]` from its parts."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def json_pointer(path: Iterable[str | int]) -> str:
    """`/sources/web/write_keys/0` from its parts (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that a typo most likely meant, or an empty string."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), "")


def read(path: Path | str, *, name: str | None = None) -> Document:
    """Read a file. Raises FileError when it is missing, too large, not UTF-8, or not YAML."""
    shown = name or str(path)
    return parse(read_bytes(path, name=shown), shown)


def read_bytes(path: Path | str, *, name: str) -> bytes:
    """A file's bytes, one more than allowed at most. Raises FileError when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError([Problem(name, 0, 0, "", f"expected a readable file, got {error.strerror}")]) from error


def parse(raw: bytes, name: str, *, show: Callable[[Pointer], str] | None = None) -> Document:
    """Read YAML (or JSON, which is YAML) from bytes; `name` stands in errors, `show` writes the paths in them."""
    if len(raw) > MAX_BYTES:
        raise FileError([Problem(name, 0, 0, "", f"expected at most {MAX_BYTES} bytes, got more")])
    try:
        text = raw.decode("utf-8-sig")
        node = yaml.compose(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        raise FileError(
            [Problem(name, 0, 0, "", f"expected UTF-8 text, got byte {error.start} that is not")]
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise FileError([Problem(name, line, column, "", f"expected YAML, got an error: {error.problem}")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise FileError([Problem(name, 0, 0, "", f"expected YAML, got {type(error).__name__}: {error}")]) from error
    builder = _Builder(Document(name, None, text, show or dotted))
    builder.document.data = builder.build(node, ()) if node is not None else None
    if builder.problems:
        raise FileError(builder.problems)
    return builder.document


_TAGS = {
    yaml.ScalarNode: "tag:yaml.org,2002:str",
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
    yaml.MappingNode: "tag:yaml.org,2002:map",
}
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's composer is eight times faster


class _Loader(_Base):  # type: ignore[misc]  # chosen at run time
    """SafeLoader without implicit types: scalars are typed by `_scalar`, after composing.

    Levels are counted here, before libyaml's recursion could exhaust the stack.
    """

    levels = 0

    def descend_resolver(self, parent: yaml.Node | None, index: Any) -> None:
        self.levels += 1
        if parent is not None and self.levels > MAX_LEVELS + 1:
            problem = f"more than {MAX_LEVELS} levels"
            raise yaml.composer.ComposerError(None, None, problem, parent.start_mark)

    def ascend_resolver(self) -> None:
        self.levels -= 1

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        return _TAGS[kind]


class _Builder:
    """Turns composed nodes into data, noting problems; counts nodes so that alias bombs end early."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.nodes = 0

    def build(self, node: yaml.Node, path: Pointer) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > MAX_LEVELS:
            if not self.problems or "expected at most" not in self.problems[-1].message:
                limit = f"{MAX_NODES} values, aliases expanded" if self.nodes > MAX_NODES else f"{MAX_LEVELS} levels"
                self._report(node, path, f"expected at most {limit}, got more")
            return None
        if node.tag != _TAGS[type(node)]:
            shown = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._report(node, path, f"expected a value without a tag, got {shown}")
            return None
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.style else typed(node.value)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Pointer) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if type(key) is not str:
                self._report(key_node, path, "expected a text as key, got a list or mapping")
            elif key in result:
                self._report(key_node, (*path, key), "expected each key once, got it twice")
            else:
                result[key] = self.build(value_node, (*path, key))
        return result

    def _report(self, node: yaml.Node, path: Pointer, message: str) -> None:
        document = self.document
        self.problems.append(Problem(document.file, *_place(node), document.show(path), message))


def typed(text: str) -> Any:
    """A plain scalar's value by the YAML 1.2 core schema."""
    if text[:1] not in _FIRST:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.match(text):
        return int(text) if len(text) < 300 else text
    if _OCT_HEX.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    return text
