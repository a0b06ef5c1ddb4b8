"""The language by its parts: what each says of values that fit, of null, and of values that do not."""

from __future__ import annotations

from typing import Any

import pytest

from router.fql import Mismatch, compile_query

EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Button Clicked",
    "userId": "u-1",
    "context": {"library": {"name": "analytics.js"}, "traits": {"email": "ann@example.com", "vip": True}},
    "properties": {
        "features": ["discounts", "dark-mode"], "total": 9.5, "zero": 0, "one": 1, "text": "12", "empty": "",
        "nothing": None, "name": "Zoë", "product 1.price": 3, "$value": 7, "1st": "x", "in": 5, "object": {"a": [1]},
        "odd": "\ud83d",
    },
}  # fmt: skip


def ask(text: str) -> bool | str:
    got = compile_query(text).evaluate(EVENT, "web")
    return str(got) if isinstance(got, Mismatch) else got


@pytest.mark.parametrize(
    "text",
    [
        'event = "Button Clicked"',
        "event = 'Button Clicked'",
        'type = "track" and event != "Order Completed"',
        '"track" = type',
        'context.library.name = "analytics.js"',
        "context.traits.vip",
        "!context.traits.missing",
        "!properties.nothing",
        "missing = null",
        "properties.total.deeper = null",
        "properties.nothing = missing",
        "properties.one = 1.0",
        'properties.one != "1"',
        "properties.one != true",
        "context.traits.vip != 1",
        "properties.total > 9 and properties.total >= 9.5 and properties.total < 10 and properties.total <= 9.5",
        "10 > properties.total",
        "properties.zero = -0",
        "properties.total = 0.95e1",
        'type in ["track", "page"]',
        '"dark-mode" in properties.features',
        "properties.one in [0, 1]",
        "null in [null]",
        "!(missing in [1, 'x'])",
        '!("x" in missing)',
        'properties.features = ["discounts", "dark-mode"]',
        "properties.object = properties.object",
        "properties.features != properties.object",
        'contains(event, "Click")',
        'contains(event, "")',
        '!contains(event, "click")',
        "!contains(missing, 'x')",
        'match(event, "Button *")',
        'match(event, "*[A-C]l?cked")',
        '!match(event, "Button")',
        '!match(event, "button *")',
        "!match(missing, '*')",
        "length(properties.features) = 2",
        "length(properties.name) = 4",
        "length(missing) = 0",
        "length(properties.odd) = 3",
        "!match(properties.odd, 'a')",
        'lowercase(event) = "button clicked"',
        'uppercase(event) = "BUTTON CLICKED"',
        'snakecase(event) = "button_clicked"',
        'kebabcase("HTMLPage viewed 2Times") = "html-page-viewed-2-times"',
        'titlecase("some_thing-here") = "Some Thing Here"',
        "snakecase(missing) = null",
        'typeof(event) = "string" and typeof(properties.one) = "number" and typeof(properties.features) = "list"',
        'typeof(context.traits.vip) = "bool" and typeof(missing) = "null" and typeof(properties.object) = "object"',
        "number(properties.text) = 12",
        'string(properties.total) = "9.5" and string(properties.one) = "1" and string(1.0) = "1"',
        'string(true) = "true" and string(event) = event',
        "bool('true') and bool(properties.total) and !bool(properties.zero) and !bool(missing) and !bool('false')",
        "number(missing) = null and string(missing) = null",
        "number('-1.5e2') = -150 and number(true) = 1",
        "properties.product\\ 1\\.price = 3",
        "properties.\\$value = 7",
        "properties.1st = 'x'",
        "properties.in = 5",
        'source = "web"',
        'type = "track" or type = "page" and event = "x"',
        '!(type = "page") and !event = "x"',
        "event = 'Button Clicked'\n  and properties.one = 1",
        'properties.name = "Zo\u00eb" and "a\\tb" = "a\tb" and "\\d" = "\\\\d"',
    ],
)
def test_it_holds(text: str) -> None:
    assert ask(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "missing",
        "properties.nothing and event = 'Button Clicked'",
        "missing > 1",
        "missing <= 1",
        "properties.zero > missing",
        'event = "button clicked"',
        "missing != null",
        "source = 'ios'",
    ],
)
def test_it_does_not_hold(text: str) -> None:
    assert ask(text) is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("event", "column 1: expected a bool, got a string"),
        ("!properties.object", "column 2: expected a bool, got an object"),
        ("properties.features < 1", "column 21: expected a number, got a list"),
        ("properties.one < properties.text", "column 16: expected a number, got a string"),
        ("1 < context.traits.vip", "column 3: expected a number, got a bool"),
        ("1 in event", "column 3: expected a list, got a string"),
        ("contains(properties.features, 'x')", "column 1: expected a string, got a list"),
        ("contains(event, properties.one)", "column 1: expected a string, got a number"),
        ("match(properties.one, '*')", "column 1: expected a string, got a number"),
        ("length(properties.one) = 1", "column 1: expected a list or a string, got a number"),
        ("lowercase(properties.one) = 'x'", "column 1: expected a string, got a number"),
        ("number(event) = 1", "column 1: expected what number can convert, got another string"),
        ("bool(event)", "column 1: expected what bool can convert, got another string"),
        ("string(properties.object) = 'x'", "column 1: expected a bool or a number or a string, got an object"),
        ("missing or event", "column 12: expected a bool, got a string"),
    ],
)
def test_a_value_that_does_not_fit_is_an_answer_of_its_own_without_the_value(text: str, said: str) -> None:
    query = compile_query(text)

    got = query.evaluate(EVENT)

    assert isinstance(got, Mismatch)
    assert not got
    assert str(got) == said
    assert query.matches(EVENT) is False


def test_what_is_decided_is_not_asked_further() -> None:
    assert ask("missing and event") is False
    assert ask("type = 'track' or event") is True


def test_a_query_says_what_it_reads() -> None:
    query = compile_query(
        "source = 'web' and event in ['A', 'B'] and 'C' = event and length(properties.a) > context.b and event = userId"
    )

    assert query.paths == {"event", "properties", "context", "userId"}
    assert query.events == {"A", "B", "C"}
