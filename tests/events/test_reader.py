"""Reading is total: limits hold, and a bad item never condemns its neighbours."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events.event import Invalid, Limits, normalise, shape_problem
from router.events.parser import Repairs
from router.events.reader import count_keys, depth, read, split

LIMITS = Limits()
EVENT = {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1"}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def reasons(value: bytes | None, limits: Limits = LIMITS) -> list[str]:
    return [item.reason if isinstance(item, Invalid) else "" for item in split(value, limits, Repairs())]


def test_one_event_is_one_item() -> None:
    """A JSON object is one event, pretty-printed or not."""
    assert split(orjson.dumps(EVENT), LIMITS, Repairs()) == [EVENT]
    assert split(orjson.dumps(EVENT, option=orjson.OPT_INDENT_2), LIMITS, Repairs()) == [EVENT]


def test_lines_are_items_and_a_bad_line_takes_no_neighbour() -> None:
    """Newline-separated events are split; a broken line is invalid alone and keeps its bytes."""
    good = orjson.dumps(EVENT)

    items = split(good + b"\r\n{broken\n\n" + good + b"\n[1]\n", LIMITS, Repairs())

    assert items == [EVENT, Invalid("not_json", b"{broken"), EVENT, Invalid("not_object", b"[1]")]


def test_a_spoiled_batch_keeps_its_good_items() -> None:
    """A NaN or a byte that is no UTF-8 in one item costs that item; batch-level fields still reach the others."""
    value = (
        b'{"sentAt": "2026-01-01T00:00:00Z", "batch": [{"type": "page", "a": NaN}, {"type": "page"}, {"b": "\xff"}]}'
    )

    items = split(value, LIMITS, Repairs())

    assert items == [
        Invalid("not_json", b'{"type": "page", "a": NaN}'),
        {"type": "page", "sentAt": "2026-01-01T00:00:00Z"},
        Invalid("not_utf8", b'{"b": "\xff"}'),
    ]


def test_items_of_a_batch_share_nothing() -> None:
    """What an agent changes in one item leaves its neighbours alone."""
    first, second = split(orjson.dumps({"batch": [{}, {}], "context": {"app": {"name": "x"}}}), LIMITS, Repairs())

    assert isinstance(first, dict)
    assert isinstance(second, dict)
    del first["context"]["app"]["name"]
    assert second["context"]["app"] == {"name": "x"}


def test_batch_fields_merge_into_items() -> None:
    """Batch-level sentAt, context and integrations reach the items; an item's own word wins, key by key."""
    batch = {
        "batch": [{"type": "page", "context": {"ip": "1.1.1.1"}}, 5, {"type": "page"}],
        "sentAt": "2026-01-01T00:00:00Z",
        "context": {"ip": "2.2.2.2", "locale": "de"},
        "integrations": {"All": False},
    }

    first, second, third = split(orjson.dumps(batch), LIMITS, Repairs())

    assert isinstance(first, dict)
    assert first["context"] == {"ip": "1.1.1.1", "locale": "de"}
    assert first["sentAt"] == "2026-01-01T00:00:00Z"
    assert second == Invalid("not_object", b"5")
    assert isinstance(third, dict)
    assert third["integrations"] == {"All": False}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"{", "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b"[]", "not_object"),
        (b"\x00\x00\x00\x00\x07\x02\x10abc", "binary_frame"),
        (b'{"schema": {}, "payload": {}}', "connect_envelope"),
        (b'{"batch": {}}', "batch_not_list"),
        (b'{"batch": []}', "empty"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "too_deep"),
        (b'{"a":' * 1100 + b"1" + b"}" * 1100, "too_deep"),
        (b'{"a": 1e400}', "number_out_of_range"),
        (b'{"a": ' + b"1" * 5000 + b"}", "number_out_of_range"),
        (b'{"a": 1,}', "not_json"),
        (b'{"type": "page", "a": "cut off', "not_json"),
        (b'{\n  "type": "page",\n  "a": {"b": 1},\n  "c"', "not_json"),
        (orjson.dumps({str(n): n for n in range(2001)}), "too_many_keys"),
        (orjson.dumps({"a": "x" * 40_000}), "too_large"),
        (orjson.dumps({"batch": [{"a": "x" * 600_000}]}), "batch_too_large"),
    ],
)
def test_what_is_no_event_has_a_reason(value: bytes | None, reason: str) -> None:
    """Each kind of garbage gets its own reason."""
    assert reasons(value) == [reason]


def test_an_oversize_item_of_a_batch_is_invalid_alone() -> None:
    """The limit for one event holds inside a batch as well."""
    batch = {"batch": [EVENT, {"a": "x" * 40_000}, EVENT]}

    assert reasons(orjson.dumps(batch)) == ["", "too_large", ""]


def test_a_schema_registry_frame_before_json_is_stripped() -> None:
    """Byte 0 and a four-byte id before JSON are no part of the event."""
    assert split(b"\x00\x00\x00\x00\x01" + orjson.dumps(EVENT), LIMITS, Repairs()) == [EVENT]


@given(JSON)
def test_any_json_is_event_or_invalid(value: Any) -> None:
    """Whatever the JSON is, nothing raises, and a dict that passes has an event's shape."""
    for item in split(orjson.dumps(value), LIMITS, Repairs()):
        if isinstance(item, dict) and not shape_problem(item, LIMITS, Repairs()):
            normalise(item, 1_767_225_600_000, "spare", Repairs())
            assert item["messageId"]


@given(st.binary())
def test_any_bytes_are_items(value: bytes) -> None:
    """Whatever the bytes are, there is at least one item and nothing raises."""
    assert split(value, LIMITS, Repairs())


@given(JSON)
def test_the_cheap_bounds_never_refuse_what_the_count_allows(value: Any) -> None:
    """Depth and keys are counted without recursion and agree with a recursive count."""

    def deep(item: Any) -> int:
        if isinstance(item, dict | list):
            return 1 + max(map(deep, item.values() if isinstance(item, dict) else item), default=0)
        return 0

    assert depth(value) == deep(value)
    assert count_keys(value) <= orjson.dumps(value).count(b":")


PAGE = {"type": "page", "userId": "u1", "properties": {"text": 'a "quoted" } { ] [ , text\\', "n": [1, {"b": {}}]}}
GOOD = json.dumps(PAGE)
LINES = {
    "the first line is cut": ('ck","event":"E","userId":"u0"\n' + f"{GOOD}\n{GOOD}\n", [Invalid, PAGE, PAGE]),
    "the second line is cut": (f'{GOOD}\nck","event":"E"\n{GOOD}', [PAGE, Invalid, PAGE]),
    "the first line ends too early": ('{"type":"page","a":{"b":"c\n' + f"{GOOD}\n{GOOD}\n", [Invalid, PAGE, PAGE]),
    "a line lacks a bracket": ('{"a":{"b":1}\n' + f"{GOOD}\n{GOOD}\n", [Invalid, PAGE, PAGE]),
    "a batch is cut before lines": ('{"batch":[{"a":1\n' + f"{GOOD}\n", [Invalid, PAGE]),
    "two lines are cut": (f"a\nb\n{GOOD}\n", [Invalid, Invalid, PAGE]),
    "line ends of Windows": (f"{GOOD}\r\n\r\n{GOOD}\r\n", [PAGE, PAGE]),
    "a byte order mark": (f"\ufeff{GOOD}", [PAGE]),
    "a byte order mark before lines": (f"\ufeff{GOOD}\n{GOOD}", [PAGE, PAGE]),
    "a list": (f"[{GOOD},{GOOD}]", [PAGE, PAGE]),
    "a list over several lines": (json.dumps([PAGE, PAGE], indent=1), [PAGE, PAGE]),
    "a list with a NaN": (f'[{GOOD},{{"a":NaN}},{GOOD}]', [PAGE, Invalid, PAGE]),
    "a list with a scalar": (f"[{GOOD},5,{GOOD}]", [PAGE, 5, PAGE]),
    "lists on lines": (f"[{GOOD}]\n[{GOOD},{GOOD}]", [PAGE, PAGE, PAGE]),
    "a list of batches": (f'[{{"batch":[{GOOD}]}},{GOOD}]', [PAGE, PAGE]),
    "joined": (GOOD + GOOD + " " + GOOD, [PAGE, PAGE, PAGE]),
    "joined, one of them bad": (GOOD + '{"a":NaN}' + GOOD, [PAGE, Invalid, PAGE]),
    "joined, the first cut": ('ck","event":"E"}' + GOOD + GOOD, [Invalid, PAGE, PAGE]),
    "joined, indented": (json.dumps(PAGE, indent=2) + json.dumps(PAGE, indent=2), [PAGE, PAGE]),
    "indented, one after the other": ("\n".join([json.dumps(PAGE, indent=2)] * 3), [PAGE, PAGE, PAGE]),
    "indented, among lines": (f"{GOOD}\n{json.dumps(PAGE, indent=2)}\nbad\n{GOOD}", [PAGE, PAGE, Invalid, PAGE]),
    "indented, one of them bad": (
        "\n".join([json.dumps(PAGE, indent=2), '{\n  "a": NaN\n}', json.dumps(PAGE, indent=2)]),
        [PAGE, Invalid, PAGE],
    ),
    "batches on lines": (f'{{"batch":[{GOOD}]}}\n{{"batch":[{GOOD},{{"a":NaN}}]}}', [PAGE, PAGE, Invalid]),
    "a batch that is cut": (f'{{"batch":[{GOOD},{GOOD},{{"type":"pa', [PAGE, PAGE, Invalid]),
    "a list that is cut": (f'[{GOOD},{GOOD},{{"type":"pa', [PAGE, PAGE, Invalid]),
    "two bad lines": ('{"a":NaN}\n{"b":NaN}', [Invalid, Invalid]),
    "half a surrogate pair among lines": (f'{GOOD}\n{{"type":"\\ud83d"}}\n{GOOD}', [PAGE, {"type": "�"}, PAGE]),
}


@pytest.mark.parametrize(("text", "items"), LINES.values(), ids=LINES)
def test_every_form_is_read_and_bad_items_stand_alone(text: str, items: list[Any]) -> None:
    found = [item.value for item in read(text.encode(), Repairs())]

    assert [Invalid if isinstance(item, Invalid) else item for item in found] == items


SMALL: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | st.text(alphabet='{}[]":,\\\n', max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@pytest.mark.parametrize("form", ["lines", "joined", "list", "batch", "indented"])
@given(st.lists(st.fixed_dictionaries({"type": st.just("page"), "a": SMALL}), min_size=1, max_size=4))
def test_every_form_gives_what_was_written(form: str, bodies: list[dict[str, Any]]) -> None:
    texts = [json.dumps(body, indent=1 if form == "indented" else None) for body in bodies]
    joined = {"lines": "\n", "joined": "", "list": ",", "batch": ",", "indented": "\n"}[form].join(texts)
    text = {"list": f"[{joined}]", "batch": f'{{"batch":[{joined}]}}'}.get(form, joined)

    assert [item.value for item in read(text.encode(), Repairs())] == bodies


BAD = st.sampled_from(
    [
        *(b"{", b"}", b"[", b'"', b'ck","event":"E"', b'{"type":"page","a":{"b":"c', b'{"a":{"b":1}', b"\xff\xfe"),
        *(b'{"a":NaN}', b"{'a':1}", b'{"a":1,}', b"<html>", b'{"a":"\x01"}', b"null}", b'{"batch":[{"a":1', b'{"a":"x'),
    ]
)


@given(st.lists(BAD, max_size=4), st.lists(BAD, max_size=4), st.integers(1, 3))
def test_no_bad_line_condemns_a_good_one(before: list[bytes], after: list[bytes], number: int) -> None:
    good = [{"type": "page", "n": index} for index in range(number)]
    text = b"\n".join([*before, *map(orjson.dumps, good), *after])

    values = [item.value for item in read(text, Repairs())]
    assert [value for value in values if type(value) is dict and "n" in value] == good


@given(st.binary(max_size=300) | st.text(alphabet='{}[]":,\\0a \n', max_size=200).map(str.encode))
def test_any_bytes_are_read(data: bytes) -> None:
    """What is not an item is an `Invalid` with its bytes."""
    for item in read(data, Repairs()):
        assert not isinstance(item.value, Invalid) or item.value.raw in data


HOSTILE = (b"{\n" * 100_000, b'{"a":[\n' * 50_000, b"}{" * 100_000, b'"\n' * 100_000, b"[{" * 100_000, b"{}x" * 60_000)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_read_in_linear_time(text: bytes) -> None:
    """It takes well below a second; a quadratic reader would need minutes. Of CPU: others may use the machine."""
    started = time.thread_time()

    assert split(text, LIMITS, Repairs())

    assert time.thread_time() - started < 30


def test_an_item_knows_its_line_and_path() -> None:
    text = f'{GOOD}\n\n[{GOOD},{GOOD}]\nbad\n{{"batch":[{GOOD}]}}'

    found = [(item.line, item.path) for item in read(text.encode(), Repairs())]

    assert found == [(1, ()), (3, (0,)), (3, (1,)), (4, ()), (5, ("batch", 0))]


def test_repairs_are_counted() -> None:
    repairs = Repairs()

    read(f"\ufeff{GOOD}{GOOD}\n[{GOOD}]".encode(), repairs)

    assert repairs == {"byte_order_mark": 1, "joined": 1, "list_of_events": 1}


def test_an_empty_list_of_an_item_takes_the_context_of_its_batch() -> None:
    text = b'{"batch":[{"type":"page","context":[]}],"context":{"locale":"de"},"integrations":[]}'

    assert split(text, LIMITS, Repairs()) == [{"type": "page", "context": {"locale": "de"}}]
