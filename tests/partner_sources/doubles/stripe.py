"""Stripe: one event a post, HMAC-SHA256 over time and body; several signatures while keys roll."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from tests.partner_sources.doubles.double import KEY, PartnerDouble


def event(kind: str, number: int = 0, **about: Any) -> dict[str, Any]:
    return {
        "id": f"evt_1NG8Du2eZvKYlo2CUI79vX{number:02}",
        "object": "event",
        "api_version": "2024-06-20",
        "created": 1714000000,
        "type": kind,
        "livemode": True,
        "request": {"id": None, "idempotency_key": None},
        "data": {
            "object": {"id": "in_1", "customer": "cus_9", "metadata": {"user_id": "u42"}, "currency": "usd", **about}
        },
    }


SETTINGS = {"signing_secret": KEY}


class StripeDouble(PartnerDouble):
    type = "stripe"
    settings = SETTINGS
    items = (
        event("checkout.session.completed", 1, amount_total=1999, customer_details={"email": "ada@example.com"}),
        event("invoice.paid", 2, amount_paid=500, currency="jpy", customer_email="ada@example.com"),
        event("charge.refunded", 3, amount=1999, amount_refunded=1000, payment_intent="pi_1"),
        event("customer.subscription.created", 4, plan={"id": "plus", "nickname": "Plus"}, status="trialing"),
        event("customer.updated", 5, object="customer", id="cus_9", email="ada@example.com", name="Ada Lovelace"),
    )
    unknown = event("hologram.projected", 9)
    batches = False

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        time = str(int(now))
        signature = hmac.digest(key.encode(), f"{time}.".encode() + body, "sha256").hex()
        return {"Stripe-Signature": f"t={time},v1={'0' * 64},v1={signature},v0={'1' * 64}"}
