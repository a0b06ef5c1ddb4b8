"""What the scanner's tables take is valid by the schema; and what they do not know they refuse."""

from __future__ import annotations

import random
import re
from typing import Any

import jsonschema_rs
import pytest

from router.native.automaton import CHARACTERS, Uncertain, automaton
from router.native.library import native
from router.native.scanner import ASK, ASKS_FORMAT, NOT_TAKEN, KindOf
from router.native.tables import ANYTHING, FORMATS, Nodes
from tests.native.scanning import opened, scanned

built = pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")

PATTERNS = (
    "^[A-Z]{3}$",
    "ab|c",
    "^(?:a|bc)+x?$",
    "[0-9]{2,4}",
    r"^\d+-[a-f]*$",
    "",
    "^$",
    r"^a\.b$",
    "^([a-c]{0,2})*z",
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_an_automaton_finds_what_the_pattern_finds(pattern: str) -> None:
    chance, found = random.Random(pattern), automaton(pattern)
    for _ in range(2000):
        text = "".join(chance.choices("abcxzABZ09-1.", k=chance.randrange(7)))
        state = 1
        for byte in text.encode():
            state = found.states[state * CHARACTERS + byte]
        assert bool(found.accepting[state]) == bool(re.search(pattern, text)), text


@pytest.mark.parametrize(
    "pattern",
    [
        "a.c",
        r"\w",
        r"\bx",
        "(?i)a",
        "(a)\\1",
        "[^a]",
        "^a|b$",
        "a{,3}",
        "a{65}",
        "é",
        "[a--b]",
        "a*?",
        "(?:[ab]{1,40}a){40}",
    ],
)
def test_a_pattern_that_may_mean_something_else_is_left_to_the_plan(pattern: str) -> None:
    with pytest.raises(Uncertain):
        automaton(pattern)


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"format": "hostname"},
        {"format": "email", "pattern": "a"},
        {"oneOf": [{}]},
        {"enum": [1]},
        {"const": None},
        {"$ref": "plan:other"},
        {"allOf": [{"pattern": "a"}, {"pattern": "b"}]},
        {"minimum": 1, "exclusiveMinimum": 1},
        {"minimum": 10**16},
        {"items": [{}]},
        {"properties": {"a": {"properties": {"b": {"uniqueItems": True}}}}},
        {"properties": {"a": False}},
        {"required": ["a"], "additionalProperties": False},
        {"allOf": [{"$ref": "#/definitions/a"}], "definitions": {"a": {"items": {"$ref": "#/definitions/a"}}}},
        {"properties": {"a": {"$id": "other", "allOf": [{"$ref": "#/definitions/a"}]}}, "definitions": {"a": {}}},
    ],
)
def test_what_is_not_understood_is_left_to_the_plan(schema: Any) -> None:
    nodes = Nodes()

    with pytest.raises(Uncertain):
        nodes.node([schema])

    assert nodes == Nodes()  # nothing of it stays


SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "object", "required": ["a", "b"]},
    {"properties": {"a": {"type": "integer"}, "b": {"type": ["string", "null"]}}, "additionalProperties": False},
    {"additionalProperties": {"type": "string", "minLength": 2, "maxLength": 3}},
    {"properties": {"a": {"minimum": 1, "exclusiveMaximum": 2.5}, "b": {"exclusiveMinimum": 0, "maximum": 1}}},
    {"properties": {"a": {"enum": ["x", "é", ""]}, "b": {"const": "xy"}}},
    {"properties": {"a": {"pattern": "^[a-z]+$"}, "b": {"items": {"type": "number", "minimum": 0}}}},
    {"allOf": [{"properties": {"a": {"type": "number"}}}, {"properties": {"a": {"minimum": 0}}, "required": ["b"]}]},
    {
        "allOf": [{"$ref": "#/definitions/top"}],
        "definitions": {
            "top": {"properties": {"a": {"$ref": "#/definitions/b"}}},
            "b": {"type": "object", "required": ["c"]},
        },
    },
    {"type": ["object", "array"], "properties": {"a": {"type": "boolean"}, "b": {"type": "array", "items": {}}}},
    {"properties": {"a": {"type": "string", "format": "date-time"}, "b": {"format": "email"}}},
]
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 1.0, 1.5, 2.5, 0.25, 10**14),
    *([1], ["x"], [0, -1], [], {"c": 1}, {"c": {}}, {"d": [2]}),
    *("2026-11-27T10:00:00.5+01:00", "2026-11-27", "ada@example.com"),
    *("", "x", "xy", "xyz", "wxyz", "é", "éé", "a\nb", "\\", "abc\n"),
)


@built
@pytest.mark.parametrize("schema", SCHEMAS, ids=repr)
def test_what_the_scanner_takes_is_valid_and_much_of_what_is_valid_is_taken(schema: dict[str, Any]) -> None:
    scanner = opened()
    scanner.add(KindOf(0, "page", "", b"", b"e\0web\0", scanner.nodes.node([schema])))
    validator = jsonschema_rs.validator_for({"$schema": "http://json-schema.org/draft-07/schema#", **schema})
    some = [
        {},
        *({"a": a} for a in VALUES),
        *({"b": b} for b in VALUES),
        *({"a": a, "b": b} for a in VALUES for b in VALUES),
    ]
    bodies = [{"type": "page", "messageId": "m", "userId": "u", "properties": value} for value in some]

    found = scanned(scanner, bodies)

    answers = zip(found.kinds.tolist(), found.rows["more"].tolist(), strict=True)
    taken = [kind != NOT_TAKEN and not more & (ASK | ASKS_FORMAT) for kind, more in answers]
    valid = [validator.is_valid(value) for value in some]
    assert [value for value, one, other in zip(some, taken, valid, strict=True) if one and not other] == []
    assert sum(taken) >= 0.5 * sum(valid) > 0


@pytest.mark.parametrize("name", FORMATS)
def test_whatever_an_automaton_takes_is_of_the_format(name: str) -> None:
    """And it takes most of what clients write."""
    taken, chance = automaton(FORMATS[name]), random.Random(name)
    validator = jsonschema_rs.validator_for(
        {"$schema": "http://json-schema.org/draft-07/schema#", "format": name}, validate_formats=True
    )
    for _ in range(2000):
        text, state = "", 1
        while not taken.accepting[state] or chance.random() < 0.9:
            row = taken.states[state * CHARACTERS : (state + 1) * CHARACTERS]
            ways = [character for character in range(CHARACTERS) if row[character]]
            if not ways:
                break
            character = chance.choice(ways)
            text, state = text + chr(character), row[character]
        if taken.accepting[state]:
            assert validator.is_valid(text), text
    for text in USUAL[name]:
        state = 1
        for byte in text.encode():
            state = taken.states[state * CHARACTERS + byte]
        assert taken.accepting[state], text


USUAL = {
    "date": ("2026-11-27",),
    "date-time": ("2026-11-27T10:00:00Z", "2026-11-27T10:00:00.123Z", "2026-11-27T10:00:00+01:00"),
    "email": ("ada@example.com", "ada.lovelace@mail.example.com", "Ada+news@my-shop.de"),
    "uri": ("https://shop.example.com/cart?a=1&b=2#top", "http://localhost:8080/", "https://example.com"),
}


def test_a_value_that_all_may_be_has_no_node() -> None:
    assert Nodes().node([True, {"title": "anything"}]) != ANYTHING
    assert Nodes().node([True]) == ANYTHING
