"""Cutting a spoiled batch: every item that is whole is found, whatever stands beside it."""

from __future__ import annotations

import json
import string
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events.damaged_batch import Brackets, Cut, cut

TEXT = st.text(alphabet=string.printable + '"\\[]{}:,batch', max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
INDENTS = st.sampled_from([None, 2])


@given(st.lists(JSON, max_size=6), st.dictionaries(TEXT.filter(lambda key: key != "batch"), JSON, max_size=3), INDENTS)
def test_a_batch_that_is_fine_is_cut_into_its_items(
    items: list[Any], others: dict[str, Any], indent: int | None
) -> None:
    """Envelope and items together are the body, on either side of the list."""
    before, after = dict(list(others.items())[:1]), dict(list(others.items())[1:])
    found = cut(json.dumps({**before, "batch": items, **after}, indent=indent).encode())
    assert found is not None
    assert [orjson.loads(item) for item in found.items] == items
    assert orjson.loads(found.envelope) == {**before, "batch": [], **after}


SPOILERS = [
    b'{"a": NaN}',
    b'{"a": "\xff"}',
    b'{"a": "\x01"}',
    b'{"a": "\\x"}',
    b'{"a": 01}',
    b"{'a': 1}",
    b'{"a": }',
    b'{"a": 1,}',
    b"undefined",
    b"[" * 2000 + b"]" * 2000,
]


@given(st.lists(st.sampled_from([b'{"ok": ["]}", {"\\"": 1}]}', *SPOILERS]), min_size=1, max_size=8))
def test_a_spoiled_item_takes_no_neighbour_with_it(items: list[bytes]) -> None:
    """Each item is cut out as it was sent."""
    found = cut(b'{"writeKey": "k", "batch": [' + b", ".join(items) + b'], "sentAt": "now"}')
    assert found is not None
    assert found.items == items
    assert orjson.loads(found.envelope) == {"writeKey": "k", "batch": [], "sentAt": "now"}


@pytest.mark.parametrize("rest", [b"", b', {"b": "', b', {"b": [1}', b", [[[", b', {"c": 3}}', b', "unclosed'])
def test_items_before_a_broken_end_are_found(rest: bytes) -> None:
    """What follows the break is one item, so nothing is dropped."""
    found = cut(b'{"writeKey": "k", "batch": [{"a": 1}' + rest)
    assert found is not None
    assert found.items[0].startswith(b'{"a": 1}')
    assert b", ".join(found.items) == b'{"a": 1}' + rest
    assert orjson.loads(found.envelope) == {"writeKey": "k", "batch": []}


def test_a_comma_after_the_last_item_is_no_item() -> None:
    found = cut(b'{"batch": [{"a": 1},]}')
    assert found is not None
    assert found.items == [b'{"a": 1}']


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b'{"batch": 1}',
        b'{"a": {"batch": [1]}}',
        b'{"a": "batch", "b": [1]}',
    ],
)
def test_what_has_no_batch_is_not_cut(body: bytes) -> None:
    assert cut(body) is None


@given(st.binary(max_size=400) | st.text(alphabet='{}[]":,\\batch ', max_size=60).map(str.encode))
def test_cutting_is_total(body: bytes) -> None:
    """Any bytes give a cut or None."""
    found = cut(body)
    assert found is None or all(item in body for item in found.items)


HOSTILE = {
    "escapes": b'{"batch": ["' + b"\\" * 4_000_001,
    "quotes": b'{"batch": [' + b'"' * 4_000_001,
    "openings": b"[" * 4_000_000,
    "keys": b'{"a":1,' * 600_000,
    "items": b'{"batch": [' + b"[]," * 1_000_000,
    "levels": b'{"batch": [' + b"[" * 4_000_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bodies_are_given_up_in_linear_time(body: bytes) -> None:
    """4 MB of the worst; a pattern that backtracks would take hours."""
    found = cut(body)
    assert found is None or len(found.items) < 100_000


@given(st.lists(st.sampled_from([b'{"ok": ["]}", {"\\"": 1}]}', *SPOILERS]), min_size=1, max_size=8))
def test_a_list_is_cut_as_a_batch_is(items: list[bytes]) -> None:
    assert cut(b" [" + b", ".join(items) + b"]") == Cut(b" []", items)


@pytest.mark.parametrize(
    ("text", "closed"), [(b'[{"a": NaN}]', True), (b'[{"a": NaN}', False), (b'[{"a": [}]', False), (b"[[[", False)]
)
def test_a_cut_says_whether_the_list_was_closed(text: bytes, closed: bool) -> None:
    found = cut(text)

    assert found is not None
    assert found.closed is closed


@pytest.mark.parametrize(
    ("text", "closing"),
    [
        (b'{"a": "}"}{', 10),
        (b"[[1], {}] 5", 9),
        (b'{"a": "\n"}', None),
        (b'{"a": [}', None),
        (b"{", None),
        (b"{" * 200_000, None),
    ],
)
def test_an_object_ends_at_its_own_bracket(text: bytes, closing: int | None) -> None:
    """A text does not go over a newline."""
    assert Brackets(text).closing(0) == closing
