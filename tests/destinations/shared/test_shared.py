"""What connectors share, as tables: event in, value out."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.base import Delivery
from router.destinations.shared import commerce, context, dates, keys, person, shape
from tests.deliveries import delivery

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def event(kind: str = "identify", **fields: Any) -> Delivery:
    one = delivery(1)
    one.body = {**one.body, "type": kind, "userId": "u1", **fields}
    one.type = kind
    return one


def test_traits_come_from_the_call_or_its_context() -> None:
    """Those of an identify call win; those of a group are the group's."""
    context = {"traits": {"email": "old@shop.test", "plan": "free"}}

    assert person.traits(event(traits={"email": "new@shop.test"}, context=context)) == {
        "email": "new@shop.test",
        "plan": "free",
    }
    assert person.traits(event("track", context=context)) == context["traits"]
    assert person.traits(event("group", traits={"name": "Shop"}, context=context)) == context["traits"]
    assert person.group_traits(event("group", traits={"name": "Shop"})) == {"name": "Shop"}


@pytest.mark.parametrize(
    ("fields", "email"),
    [
        ({"traits": {"email": " ada@shop.test "}}, "ada@shop.test"), ({"userId": "ada@shop.test"}, "ada@shop.test"),
        ({"traits": {"email": "none"}, "properties": {"email": "a@b.cd"}}, "a@b.cd"), ({"traits": {"email": 7}}, ""),
        ({"traits": None, "context": None, "properties": None, "userId": None}, ""),
    ],
)  # fmt: skip
def test_an_email_is_found_where_it_is(fields: dict[str, Any], email: str) -> None:
    assert person.email(event(**fields)) == email


def test_advertisers_get_an_email_that_is_hashed_already() -> None:
    assert person.email_or_hash(event(traits={"email": "c0ffee"})) == "c0ffee"
    assert person.email_or_hash(event(traits={"email": "c0ffee"}, properties={"email": "a@b.cd"})) == "a@b.cd"
    assert person.email_or_hash(event(traits={})) == ""


@pytest.mark.parametrize(
    ("traits", "names"),
    [
        ({"firstName": "Ada", "lastName": "Lovelace"}, ("Ada", "Lovelace", "Ada Lovelace")),
        ({"first_name": "Ada"}, ("Ada", "", "Ada")), ({"name": "Ada King"}, ("Ada", "King", "Ada King")),
        ({"name": "山田"}, ("山田", "", "山田")), ({}, ("", "", "")),
    ],
)  # fmt: skip
def test_names_are_put_together_and_apart(traits: dict[str, Any], names: tuple[str, str, str]) -> None:
    one = event(traits=traits)

    assert (person.first_name(one), person.last_name(one), person.full_name(one)) == names


def test_an_address_is_an_object_or_single_traits() -> None:
    nested = event(traits={"address": {"street": "1 Main St", "city": "Austin", "state": "TX", "zip": 78701}})
    single = event(traits={"city": "Köln", "country": "DE", "postal_code": "50667", "address": "Domplatz 1"})

    assert person.address(nested) == ("1 Main St", "Austin", "TX", "78701", "")
    assert person.address(single) == ("", "Köln", "", "50667", "DE")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (12, 12.0), ("12.50", 12.5), ("$1,299.00", 1299.0), ("12,50 €", 12.5), ("1.299,00", 1299.0), ("1,299", 1299.0),
        ("EUR 7", 7.0), ("", None), ("free", None), (True, None), (None, None), (float("nan"), None), ("1e400", None),
        ("-3.5", -3.5),
    ],
)  # fmt: skip
def test_amounts_are_read_as_shops_write_them(value: object, number: float | None) -> None:
    assert commerce.amount(value) == number


def test_products_are_listed_or_single() -> None:
    order = event("track", properties={
        "products": [{"product_id": 1, "price": "9.50", "quantity": "2", "size": "M"}, "odd", {"sku": "s", "price": 1}],
        "currency": "eur", "order_id": 77,
    })  # fmt: skip
    viewed = event("track", properties={"product_id": "p", "name": "Mug", "price": 4})

    first, second = commerce.products(order)
    assert (first.id, first.price, first.quantity, dict(first.more)) == ("1", 9.5, 2, {"size": "M"})
    assert (second.sku, second.quantity) == ("s", 1)
    assert [one.name for one in commerce.products(viewed)] == ["Mug"]
    assert commerce.products(event("track", properties={"plan": "x"})) == []
    assert (commerce.revenue(order), commerce.currency(order), commerce.order_id(order)) == (20.0, "EUR", "77")
    assert commerce.revenue(event("track", properties={"total": "5", "revenue": 4})) == 4.0
    assert commerce.currency(event("track", properties={"currency": "euro"}), "USD") == "USD"
    assert (commerce.cents(19.99), commerce.cents(0.005)) == (1999, 1)
    assert commerce.cents(1e300) == 10**302


def test_dates_in_the_units_of_partners() -> None:
    at = datetime(2026, 1, 31, 12, 0, 0, 500_000, UTC)

    assert dates.iso(at) == "2026-01-31T12:00:00.500Z"
    assert (dates.unix_seconds(at), dates.unix_ms(at)) == (1769860800, 1769860800500)
    assert (dates.unix_us(at), dates.midnight_ms(at)) == (1769860800500000, 1769817600000)


def test_the_time_of_an_event_never_changes_between_attempts() -> None:
    """Its own where it can be read, else when it was received."""
    assert dates.event_time(event(timestamp="2026-01-31T13:00:00+01:00")) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert dates.event_time(event(timestamp="yesterday")) == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("1990-07-04", "19900704"), ("19900704", "19900704"), ("07/04/1990", "19900704"), ("4.7.1990", "19900704"),
        ("1990-07-04T00:00:00Z", "19900704"), ("soon", ""), (None, ""), ("1799-01-01", ""),
    ],
)  # fmt: skip
def test_birthdays_are_read(value: object, day: str) -> None:
    assert dates.yyyymmdd(value) == day


def test_dates_in_attributes_are_converted_and_numbers_are_not() -> None:
    given = {"since": "2026-01-31", "zip": "20260131", "deep": [{"at": "2026-01-31T00:00:00Z"}], "n": 5}

    assert dates.with_dates(given, dates.unix_seconds) == {
        "since": 1769817600,
        "zip": "20260131",
        "deep": [{"at": 1769817600}],
        "n": 5,
    }


def test_keys_are_stable_and_well_formed() -> None:
    """A UUID stays itself; another messageId gets one of its key."""
    own = "0d0dcb4f-3f1a-4d0a-8a53-2f5fd0a0a3a2"

    assert keys.as_uuid(event(messageId=own)) == own
    made = uuid.UUID(keys.as_uuid(event(messageId="m1")))
    assert (made.version, made.variant, str(made)) == (8, uuid.RFC_4122, keys.as_uuid(event(messageId="m1")))
    assert keys.as_ulid(delivery(1)) == "0" * 25 + "1"
    assert keys.as_hex(delivery(1)) == f"{1:032x}"


def test_shapes() -> None:
    assert shape.present({"a": None, "b": "", "c": {"d": None}, "e": 0, "f": False}) == {"e": 0, "f": False}
    assert shape.flat({"a": {"b": {"c": 1}}, "d": [1]}) == {"a_b_c": 1, "d": [1]}
    assert (shape.scalar({"a": 1}), shape.scalar(5), shape.scalar(None)) == ('{"a":1}', 5, None)
    assert shape.cut("Zoë☃", 4) == "Zoë"


@pytest.mark.parametrize("name", ["Order Completed", "orderCompleted", "order-completed", "ORDER_COMPLETED"])
def test_snake_case(name: str) -> None:
    assert shape.snake(name) == "order_completed"


@given(st.dictionaries(st.sampled_from(["traits", "properties", "context", "timestamp", "userId", "type"]), JSON))
def test_nothing_that_people_send_raises(fields: dict[str, Any]) -> None:
    """Untrusted events: every function is total."""
    one = event(**fields)

    for read in (
        person.traits, person.email, person.phone, person.full_name, person.address, person.user_id, person.group_id,
        commerce.products, commerce.revenue, commerce.currency, commerce.order_id, dates.event_time, keys.as_uuid,
    ):  # fmt: skip
        assert read(one) is not None or read is commerce.revenue


def test_placeholders_are_no_ids() -> None:
    assert [person.real(one) for one in ("u1", "undefined", "(null)", "00000000-0000-0000-0000-000000000000", "")] == [
        "u1", "", "", "", "",
    ]  # fmt: skip


def test_amounts_as_text_become_numbers() -> None:
    """Other texts stay, also where an amount was meant."""
    given = {"total": "12,50 €", "price": 3, "value": "a lot", "coupon": "10"}

    assert commerce.with_amounts(given) == {"total": 12.5, "price": 3, "value": "a lot", "coupon": "10"}


def test_fields_of_the_context_by_their_paths() -> None:
    """What is not there, or is no text or number, is left out."""
    one = event(context={"os": {"name": "iOS"}, "screen": {"width": 390}, "app": "shop", "campaign": {"name": "May"}})

    assert context.fields(one, {"os": "os.name", "width": "screen.width", "app": "app.version", "all": "os"}) == {
        "os": "iOS",
        "width": 390,
    }
    assert context.campaign(one) == {"utm_campaign": "May"}
    assert context.fields(event(context=None), {"os": "os.name"}) == {}


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1 (KHTML, like Gecko) Version/17.4 Safari/605.1", "Safari"),
        ("Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36", "Chrome"),
        ("Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", "Microsoft Edge"),
        ("Mozilla/5.0 (X11; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox"),
        ("okhttp/4.9 Safari/1", ""),
        (None, ""),
    ],
)
def test_browsers_by_their_user_agent(agent: str | None, expected: str) -> None:
    assert context.browser(event(context={"userAgent": agent})) == expected


@pytest.mark.parametrize(
    ("kind", "names", "expected"),
    [
        ("page", ("Docs", "Setup"), "Viewed Docs Setup Page"),
        ("page", ("", "Setup"), "Viewed Setup Page"),
        ("screen", ("", "Home"), "Viewed Home Screen"),
        ("screen", ("",), "Loaded a Screen"),
    ],
)
def test_names_of_pages_as_events(kind: str, names: tuple[str, ...], expected: str) -> None:
    assert context.page_event(event(kind), *names) == expected
