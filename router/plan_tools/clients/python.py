"""A typed client in Python 3.11: a TypedDict for each object, a method for each event.

What it writes passes `mypy --strict` and sends through anything with the methods of Segment's Python library.
"""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator

from router.plan_tools.clients.model import Call, Record, Type, TypedClient

_SCALARS = {"string": "str", "number": "float", "integer": "int", "boolean": "bool", "null": "None", "any": "Any"}
_HEAD = '''"""Typed events of the tracking plan {plan}{revision}.

Made by `router plan types`; what is changed here is lost the next time. Pass Segment's library or one of its clients:

    import segment.analytics
    tracker = Tracker(segment.analytics)
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NotRequired, Protocol, Required, TypedDict, Unpack  # noqa: F401


class Sender(Protocol):
    """What sends: `segment.analytics`, a `Client` of it, or anything with these methods."""

    @property
    def track(self) -> Callable[..., Any]: ...
    @property
    def identify(self) -> Callable[..., Any]: ...
    @property
    def group(self) -> Callable[..., Any]: ...
    @property
    def page(self) -> Callable[..., Any]: ...
    @property
    def screen(self) -> Callable[..., Any]: ...
    @property
    def alias(self) -> Callable[..., Any]: ...


class Options(TypedDict, total=False):
    """Who it was and what goes along; one of `user_id` and `anonymous_id` is needed."""

    user_id: str
    anonymous_id: str
    context: dict[str, Any]
    timestamp: datetime
    integrations: dict[str, Any]
    message_id: str


def _versioned(options: Options, version: int) -> dict[str, Any]:
    """The options with the version that the event claims."""
    given: dict[str, Any] = {{**options}}
    if version:
        context = dict(given.get("context") or {{}})
        context["protocols"] = {{**(context.get("protocols") or {{}}), "event_version": version}}
        given["context"] = context
    return given
'''
_TRACKER = '''
class Tracker:
    """One method for each rule of the plan."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
'''


def python(client: TypedClient) -> str:
    """The module's text."""
    revision = f", revision {client.revision}" if client.revision else ""
    head = _HEAD.format(plan=_prose(client.plan), revision=revision)
    parts = [head, *map(_record, client.records), _TRACKER]
    methods = ["\n".join(_method(call)) for call in client.calls]
    return "\n\n\n".join(part.strip("\n") for part in parts) + "".join(f"\n\n{method}" for method in methods) + "\n"


def annotation(found: Type) -> str:
    """A type in Python's words."""
    if found.parts:
        return " | ".join(map(annotation, found.parts))
    if found.item is not None:
        return f"list[{annotation(found.item)}]"
    if found.options:
        return f"Literal[{', '.join(map(_literal, found.options))}]"
    if found.record:
        return found.record
    return "dict[str, Any]" if found.scalar == "object" else _SCALARS[found.scalar]


def _literal(value: object) -> str:
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A text in double quotes."""
    return json.dumps(value, ensure_ascii=True)


def _prose(text: str) -> str:
    """Words inside a docstring."""
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', "'")


def _record(record: Record) -> str:
    names = [field.name for field in record.fields]
    name = f"_{record.name}" if record.is_open else record.name
    usable = all(each.isidentifier() and not keyword.iskeyword(each) and not each.startswith("__") for each in names)
    text = "\n".join(_class(record, name) if usable else _function(record, name))
    return f"{text}\n\n\n{record.name} = {name} | dict[str, Any]" if record.is_open else text


def _class(record: Record, name: str) -> Iterator[str]:
    yield f"class {name}(TypedDict, total=False):"
    yield f'    """{_prose(record.description) or "Properties that the plan knows."}"""\n'
    for field in record.fields:
        kind = annotation(field.type)
        yield f"    {field.name}: {f'Required[{kind}]' if field.required else kind}"
        if field.description:
            yield f'    """{_prose(field.description)}"""'


def _function(record: Record, name: str) -> Iterator[str]:
    """Names that are no identifiers need the other way to make a TypedDict."""
    yield f"{name} = TypedDict(\n    {_text(name)},\n    {{"
    for field in record.fields:
        kind = annotation(field.type)
        wrapped = f"Required[{kind}]" if field.required else kind
        yield f"        {_text(field.name)}: {_text(wrapped) if not field.type.options else wrapped},"
    yield "    },\n    total=False,\n)"


def _method(call: Call) -> Iterator[str]:
    name = f"{call.method}_" if keyword.iskeyword(call.method) or call.method.startswith("_") else call.method
    name = f"event_{name}" if name[0].isdigit() else name
    section = "traits" if call.type in ("identify", "group") else "properties"
    kind = annotation(call.takes)
    takes = f"{section}: {kind}" if call.required else f"{section}: {kind} | None = None"
    if call.type == "alias":
        takes = "previous_id: str"
    elif call.type == "group":
        takes = f"group_id: str, {takes}"
    elif call.type in ("page", "screen") and call.name is None:
        takes = f"{takes}, name: str | None = None"
    yield f"    def {name}(self, {takes}, **options: Unpack[Options]) -> None:"
    yield f'        """{_prose(call.description) or _prose(call.name or call.type)}"""'
    yield f"        given = _versioned(options, {call.version})"
    yield f"        self._sender.{call.type}({', '.join(_sent(call, section))}, **given)"


def _sent(call: Call, section: str) -> Iterator[str]:
    if call.type == "alias":
        yield "previous_id=previous_id"
        return
    if call.type == "track":
        yield f"event={_text(call.name or '')}"
    elif call.type == "group":
        yield "group_id=group_id"
    elif call.type in ("page", "screen"):
        yield f"name={_text(call.name) if call.name else 'name'}"
    yield f"{section}=dict({section})" if call.required else f"{section}=dict({section} or {{}})"
