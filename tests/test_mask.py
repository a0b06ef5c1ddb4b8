"""Masking hides configured fields and secrets everywhere, and nothing else."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from router.mask import Mask

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


def test_configured_and_well_known_fields_lose_their_values() -> None:
    """At any depth, whatever their spelling; names stay."""
    mask = Mask(["e-mail"])
    event = {"traits": {"eMail": "ada@example.com", "Password": {"old": "x"}, "plan": "pro"}, "list": [{"api_key": 1}]}

    assert mask.value(event) == {
        "traits": {"eMail": "***", "Password": "***", "plan": "pro"},
        "list": [{"api_key": "***"}],
    }


def test_secrets_are_hidden_inside_texts() -> None:
    """Wherever they stand; short words are left alone."""
    assert Mask(secrets=["hush", "no"]).text("say hush, no?") == "say ***, no?"


def test_a_masked_value_is_hidden_where_it_comes_back() -> None:
    """A partner's answer that quotes it."""
    mask = Mask(["email"])
    echoes = mask.hidden({"traits": {"email": "ada@example.com", "age": 36}})

    assert mask.text("unknown address ada@example.com", echoes) == "unknown address ***"
    assert (
        mask.json_text('{"email": "x@y", "why": "ada@example.com is 36"}', echoes)
        == '{"email":"***","why":"*** is 36"}'
    )


@given(JSON, st.text(min_size=1, max_size=6))
def test_masking_leaves_no_value_of_a_masked_field(data: Any, field: str) -> None:
    """For any data and any field name."""
    mask = Mask([field])
    masked = mask.value(data)

    assert all(value == "***" for name, value in pairs(masked) if mask.hides(name))


@given(JSON)
def test_masking_changes_only_what_it_hides(data: Any) -> None:
    """Without a masked field or secret the copy equals the original, as JSON too."""
    mask = Mask()
    if not any(mask.hides(name) for name, _ in pairs(data)):
        assert mask.value(data) == data
        assert orjson.dumps(mask.value(data)) == orjson.dumps(data)


def test_masking_ends_at_any_depth() -> None:
    """Nested deeper than anybody reads."""
    data: Any = "ada"
    for _ in range(3000):
        data = [data]

    assert "ada" not in str(Mask().value(data))
    assert Mask().hidden(data) == frozenset()


def pairs(data: Any) -> list[tuple[str, Any]]:
    if isinstance(data, dict):
        return [pair for name, value in data.items() for pair in [(name, value), *pairs(value)]]
    return [pair for item in data for pair in pairs(item)] if isinstance(data, list) else []
