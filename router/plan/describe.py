"""What a validation error says in words, and at which values, without the values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import orjson
from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kind

from router.document import Pointer, json_pointer
from router.plan.ecma import as_written

_WORDS = {
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}
_FORMATS = {
    "date-time": "a date and time with its zone, such as 2026-01-31T12:00:00Z",
    "date": "a date such as 2026-01-31",
    "time": "a time with its zone, such as 12:00:00Z",
    "email": "an email address",
    "uri": "an absolute URI such as https://example.com/a",
    "uuid": "a UUID",
}
_NAMES = {
    "AnyOf": "Any Of",
    "OneOfNotValid": "One Of",
    "OneOfMultipleValid": "One Of",
    "Constant": "Const",
    "FalseSchema": "Forbidden",
}
_SHOWN = 10


class SchemaFault(NamedTuple):
    """One thing that is wrong: `type` such as Required or Min Length, where, and in words what was expected."""

    type: str
    path: Pointer
    message: str


def faults(errors: Iterable[ValidationError], value: Any, prefix: Pointer = ()) -> Iterator[SchemaFault]:
    """Each error in `value` as faults at the values (or property names) that are wrong; `prefix` leads to the value."""
    for error in errors:
        path = (*prefix, *error.instance_path)
        name = type(error.kind).__name__
        places = _places(error, value)
        if places and name == "FalseSchema":
            name = "AdditionalProperties"
        kind_type = _NAMES.get(name) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
        message = _message(error) if not places else _AT_PLACES.get(name) or _message(error)
        yield from (SchemaFault(kind_type, (*path, *inner), message) for inner in places or [()])


_AT_PLACES = {
    "Required": "expected this property, which is required, got none",
    "AdditionalProperties": "expected only the properties that the schema names, got another",
    "UnevaluatedProperties": "expected only the properties that the schema names, got another",
    "AdditionalItems": "expected only the items that the schema describes, got another",
    "UnevaluatedItems": "expected only the items that the schema describes, got another",
}


def _places(error: ValidationError, value: Any) -> list[Pointer]:
    """Where, inside the value that the error names, the fault is; empty where it is that value itself."""
    match error.kind:
        case Kind.Required(property=name):
            return [(name,)]
        case Kind.AdditionalProperties(unexpected=names) | Kind.UnevaluatedProperties(unexpected=names):
            return [(name,) for name in names]
        case Kind.AdditionalItems(limit=limit) if isinstance(error.instance, list):
            return [(index,) for index in range(limit, len(error.instance))]
        case Kind.UnevaluatedItems(unexpected=items):
            return _items(error.instance, Counter(str(item) for item in items))
        case Kind.PropertyNames(error=inner):
            return [(str(inner.instance),)]
        case Kind.FalseSchema():
            return _refused_names(error, value)
    return []


def _items(array: Any, unexpected: Counter[str]) -> list[Pointer]:
    """The items by their texts. Equal items before these were evaluated, so the last ones are meant."""
    places: list[Pointer] = []
    for index in reversed(range(len(array))):
        text = orjson.dumps(array[index]).decode()
        if unexpected[text] > 0:
            unexpected[text] -= 1
            places.append((index,))
    return [] if any(unexpected.values()) else places[::-1]


def _refused_names(error: ValidationError, value: Any) -> list[Pointer]:
    """The names that a lone `additionalProperties: false` or `propertyNames: false` refuses: all of the object's."""
    keyword = error.schema_path[-1:]
    named = error.schema_path[-2:-1] == ["properties"] and error.instance_path[-1:] == keyword
    if keyword not in (["additionalProperties"], ["propertyNames"]) or named:
        return []
    for part in error.instance_path:
        value = value[part]
    return [(name,) for name in value] if isinstance(value, dict) else []


def _message(error: ValidationError) -> str:
    kind = error.kind
    if isinstance(kind, Kind.PropertyNames):
        return f"expected another name for this property: {_message(kind.error)}"
    for cls, write in _MESSAGES:
        if isinstance(kind, cls):
            return write(kind, error)
    return f"expected a value that conforms to `{kind.name}`, got one that does not"


def _type(kind: Kind.Type, error: ValidationError) -> str:
    types = sorted(kind.types, key=lambda name: name == "null")
    return f"expected {_or(_WORDS.get(name, name) for name in types)}, got {type_in_words(error.instance)}"


def _alternatives(kind: Any, error: ValidationError) -> str:
    """What each alternative asks for, so far as it says so about the value itself."""
    wanted = []
    for branch in kind.context:
        for inner in branch[:1]:
            text = _message(inner).removeprefix("expected ").split(", got ")[0]
            below = inner.instance_path[len(error.instance_path) :]
            wanted.append(f"{text} at {json_pointer(below)}" if below else text)
    return f"expected {_or(dict.fromkeys(wanted))}, got neither" if wanted else "expected one of the forms allowed"


def _or(words: Iterable[str]) -> str:
    listed = list(words)
    rest = f", or {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return " or ".join(listed[:_SHOWN]) + rest


def type_in_words(value: Any) -> str:
    """The JSON type of a value, with its article."""
    for known, word in ((bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"), (dict, "object")):
        if isinstance(value, known):
            return _WORDS[word] if word != "integer" else "a number"
    return "null" if value is None else "an array"


def _options(kind: Kind.Enum, _: ValidationError) -> str:
    return f"expected {_or(str(option) for option in kind.options)}, got another value"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {'properties' if noun == 'property' else noun + 's'}"


def _least(noun: str) -> Callable[[Any, ValidationError], str]:
    return lambda kind, _: f"expected at least {_plural(kind.limit, noun)}, got fewer"


def _most(noun: str) -> Callable[[Any, ValidationError], str]:
    return lambda kind, _: f"expected at most {_plural(kind.limit, noun)}, got more"


def _fixed(text: str) -> Callable[[Any, ValidationError], str]:
    return lambda kind, error: text


_MESSAGES: tuple[tuple[Any, Callable[[Any, ValidationError], str]], ...] = (
    (Kind.Type, _type),
    (Kind.Required, lambda kind, _: f"expected the property {kind.property}, got none"),
    (Kind.Enum, _options),
    (Kind.Constant, lambda kind, _: f"expected {kind.expected_value}, got another value"),
    (Kind.Pattern, lambda kind, _: f"expected text that matches {as_written(kind.pattern)}, got text that does not"),
    (
        Kind.Format,
        lambda kind, _: f"expected {_FORMATS.get(kind.format, 'the format ' + kind.format)}, got another text",
    ),
    (Kind.Minimum, lambda kind, _: f"expected at least {kind.limit}, got less"),
    (Kind.Maximum, lambda kind, _: f"expected at most {kind.limit}, got more"),
    (Kind.ExclusiveMinimum, lambda kind, _: f"expected more than {kind.limit}, got less or the same"),
    (Kind.ExclusiveMaximum, lambda kind, _: f"expected less than {kind.limit}, got more or the same"),
    (Kind.MultipleOf, lambda kind, _: f"expected a multiple of {kind.multiple_of}, got another number"),
    (Kind.MinLength, _least("character")),
    (Kind.MaxLength, _most("character")),
    (Kind.MinItems, _least("item")),
    (Kind.MaxItems, _most("item")),
    (Kind.MinProperties, _least("property")),
    (Kind.MaxProperties, _most("property")),
    (Kind.UniqueItems, _fixed("expected different items, got the same one twice")),
    (Kind.Contains, _fixed("expected an item of the kind that the schema asks for, got none or too many")),
    (Kind.FalseSchema, _fixed("expected no value here, got one")),
    (Kind.Not, _fixed("expected a value other than what the schema excludes, got such a value")),
    (Kind.OneOfMultipleValid, _fixed("expected exactly one of the alternatives to fit, got several that do")),
    (Kind.AnyOf, _alternatives),
    (Kind.OneOfNotValid, _alternatives),
    (Kind.ContentEncoding, lambda kind, _: f"expected text in {kind.content_encoding}, got another text"),
    (Kind.ContentMediaType, lambda kind, _: f"expected text of the type {kind.content_media_type}, got another text"),
)
