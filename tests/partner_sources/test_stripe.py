"""Stripe: what it posts, and the calls made of it."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict

from router.partner_sources.base import Post
from router.partner_sources.stripe import decimal
from tests.partner_sources.doubles.double import NOW
from tests.partner_sources.doubles.stripe import StripeDouble, event

DOUBLE = StripeDouble()


def made(item: dict[str, Any], **settings: Any) -> Any:
    (post,) = DOUBLE.posts([item])
    (found,) = DOUBLE.source(**settings).read(post)
    return found.event


def test_a_completed_checkout() -> None:
    item = event(
        "checkout.session.completed",
        id="cs_1",
        payment_intent="pi_1",
        amount_total=1999,
        customer_details={"email": "ada@example.com"},
        status="complete",
    )
    assert made(item) == {
        "type": "track",
        "event": "Order Completed",
        "messageId": "stripe:evt_1NG8Du2eZvKYlo2CUI79vX00",
        "userId": "u42",
        "anonymousId": "cus_9",
        "timestamp": "2024-04-24T23:06:40.000Z",
        "properties": {
            "order_id": "pi_1",
            "revenue": 19.99,
            "total": 19.99,
            "currency": "USD",
            "stripe_event": "evt_1NG8Du2eZvKYlo2CUI79vX00",
            "stripe_object": "cs_1",
            "status": "complete",
            "livemode": True,
        },
        "context": {"traits": {"email": "ada@example.com"}, "integration": {"name": "Stripe"}},
        "channel": "server",
        "integrations": {"Stripe": False},
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("payment_intent.succeeded", "Payment Succeeded"),
        ("invoice.paid", "Invoice Paid"),
        ("charge.refunded", "Order Refunded"),
        ("customer.subscription.created", "Subscription Started"),
        ("customer.subscription.deleted", "Subscription Canceled"),
        ("customer.subscription.trial_will_end", "Trial Ending"),
    ],
)
def test_names_and_one_sale_is_one_revenue(kind: str, name: str) -> None:
    found = made(event(kind, amount=1999))
    assert found["event"] == name
    assert "revenue" not in found["properties"]


def test_a_customer_is_a_person() -> None:
    found = made(
        event(
            "customer.updated", object="customer", id="cus_9", name="Ada", email="a@b.c", address={"postal_code": "12"}
        )
    )
    assert found["traits"] == {"email": "a@b.c", "name": "Ada", "address": {"postalCode": "12"}}
    assert (found["type"], found["userId"], found["anonymousId"]) == ("identify", "u42", "cus_9")


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [(1999, "usd", 19.99), (1999, "EUR", 19.99), (500, "jpy", 500.0), (1234, "kwd", 1.234), (-5, "usd", -0.05)],
)
def test_amounts_are_in_the_currencys_smallest_unit(amount: int, currency: str, expected: float) -> None:
    assert decimal(amount, currency) == expected


@pytest.mark.parametrize(
    ("about", "ids"),
    [
        ({"metadata": {}, "client_reference_id": "u7"}, {"userId": "u7", "anonymousId": "cus_9"}),
        ({"metadata": None, "customer": None, "receipt_email": "a@b.c"}, {"anonymousId": "a@b.c"}),
        ({"metadata": {}, "customer": {"id": "cus_1"}}, {"anonymousId": "cus_1"}),
        ({"metadata": {}, "customer": None}, {}),
    ],
)
def test_who(about: dict[str, Any], ids: dict[str, str]) -> None:
    found = made(event("charge.succeeded", **about))
    assert {name: found[name] for name in ("userId", "anonymousId") if name in found} == ids


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "no_signature"),
        ("t=1", "no_signature"),
        ("v1=abc", "no_signature"),
        ("t=soon,v1=abc", "bad_signature"),
        (f"t={int(NOW)},v0={'0' * 64}", "no_signature"),
        (f"t={int(NOW)}, v1={'0' * 64}", "bad_signature"),
    ],
)
def test_odd_signatures(header: str, problem: str) -> None:
    post = Post("POST", "", "", CIMultiDict({"Stripe-Signature": header}), b"{}")
    assert DOUBLE.source().verify(post, NOW) == problem
