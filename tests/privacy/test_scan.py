"""What a scan counts, and that it holds no value."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.privacy.classes import DataClass, DataClasses
from router.privacy.matchers import card, email
from router.privacy.scan import MOST_FIELDS, FieldCount, PrivacyScan

CLASSES = DataClasses(
    [DataClass("email", "yellow", ("*mail*",), (email,)), DataClass("card", "red", (), (card,))],
)
EMAIL, CARD = "ada@example.com", "4111 1111 1111 1111"


def scanned(*bodies: dict[str, Any]) -> PrivacyScan:
    scan = PrivacyScan(CLASSES)
    for number, body in enumerate(bodies):
        scan.add(body, f"f:{number}")
    return scan


def test_values_and_events_are_counted_by_class_and_path() -> None:
    scan = scanned(
        {"properties": {"items": [{"to": EMAIL}, {"to": EMAIL}]}},
        {"userId": "u1"},
        {"properties": {"items": [{"to": EMAIL}]}, "traits": {"note": f"{CARD} of {EMAIL}"}},
    )

    assert scan.fields == {
        ("email", "properties.items[].to"): FieldCount(3, 2, "f:0"),
        ("email", "traits.note"): FieldCount(1, 1, "f:2"),
        ("card", "traits.note"): FieldCount(1, 1, "f:2"),
    }
    assert (scan.events, scan.personal, scan.beyond) == (3, 2, 0)


def test_a_key_that_is_personal_data_is_found_and_not_shown() -> None:
    scan = scanned({"properties": {EMAIL: {"seen": True, "to": EMAIL}}})

    assert set(scan.fields) == {("email", "properties.*"), ("email", "properties.*.to")}


def test_memory_is_bounded_and_what_is_beyond_is_counted() -> None:
    scan = scanned(*[{"traits": {f"mail{number}": "x"}} for number in range(MOST_FIELDS + 7)])

    assert len(scan.fields) == MOST_FIELDS
    assert scan.beyond == 7
    assert scan.personal == MOST_FIELDS + 7


JSON = st.recursive(
    st.sampled_from([EMAIL, CARD, f"from {EMAIL}", 4111111111111111, "plain", None, True, 1.5]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([EMAIL, CARD, "mail", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["traits", "properties", "context", "userId", "other"]), JSON))
def test_no_value_of_a_class_is_ever_kept(body: dict[str, Any]) -> None:
    kept = str(scanned(body).fields)

    assert EMAIL not in kept
    assert CARD not in kept
    assert "4111" not in kept
