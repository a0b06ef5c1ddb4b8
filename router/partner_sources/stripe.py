"""Stripe: one event a post.

Stripe repeats a post for three days and keeps no order. `livemode` is a property, so that filters can tell test events
apart; `revenue` stands in `Order Completed` alone, since a payment, its invoice and its order are one sale.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from router.config.types import Duration, Secret
from router.events.event import Body
from router.partner_sources.base import TOLERANCE, Post
from router.partner_sources.reading import dig, filled, first, text
from router.partner_sources.signatures import NO_SIGNATURE, check, hmac_of, stale
from router.partner_sources.table import Person, TableSettings, TableSource

_NAMES = {
    "checkout.session.completed": "Order Completed",
    "checkout.session.expired": "Checkout Expired",
    "payment_intent.succeeded": "Payment Succeeded",
    "payment_intent.payment_failed": "Payment Failed",
    "charge.succeeded": "Charge Succeeded",
    "charge.failed": "Charge Failed",
    "charge.refunded": "Order Refunded",
    "charge.dispute.created": "Payment Disputed",
    "invoice.paid": "Invoice Paid",
    "invoice.payment_succeeded": "Invoice Payment Succeeded",
    "invoice.payment_failed": "Invoice Payment Failed",
    "customer.deleted": "Customer Deleted",
    "customer.subscription.created": "Subscription Started",
    "customer.subscription.updated": "Subscription Updated",
    "customer.subscription.deleted": "Subscription Canceled",
    "customer.subscription.paused": "Subscription Paused",
    "customer.subscription.resumed": "Subscription Resumed",
    "customer.subscription.trial_will_end": "Trial Ending",
}
_IDENTIFY = ("customer.created", "customer.updated")
_WHOLE = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"}
)
_THOUSANDTHS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
_AMOUNTS = ("amount_total", "amount_refunded", "amount_paid", "amount_received", "amount_due", "amount")
_ADDRESS = {"city": "city", "country": "country", "postal_code": "postalCode", "state": "state", "line1": "street"}


class StripeSourceSettings(TableSettings):
    signing_secret: Secret = Field(description="The signing secret of the webhook endpoint, whsec_…")
    user_id: str = Field("user_id", min_length=1, description="The key in `metadata` that holds the person's userId")
    tolerance: Duration = Field(
        TOLERANCE, validate_default=True, description="The largest age of a signature; older posts are refused"
    )


class StripeSource(TableSource):
    type = "stripe"
    partner = "Stripe"
    summary = "Stripe: payments, invoices, subscriptions, customers"
    enter = "Developers, Webhooks, Add endpoint: the URL and the events you want; its secret is `signing_secret`"
    signature = "HMAC-SHA256 over time, `.`, body, in `Stripe-Signature`; one of several `v1` is enough"
    names = _NAMES
    Settings = StripeSourceSettings

    def verify(self, post: Post, now: float) -> str:
        pairs = [part.strip().partition("=") for part in post.headers.get("Stripe-Signature", "").split(",")]
        times = [value for name, _, value in pairs if name == "t"]
        given = [value for name, _, value in pairs if name == "v1"]
        if not times or not given:
            return NO_SIGNATURE
        expected = hmac_of(self.settings.signing_secret, "sha256", times[0].encode(errors="replace") + b"." + post.body)
        return check(expected, given) or stale(times[0], now, self.settings.tolerance)

    def kind(self, item: Body) -> str:
        return text(item.get("type"))

    def event_id(self, item: Body) -> str:
        return text(item.get("id"))

    def time(self, item: Body) -> Any:
        return item.get("created")

    def person(self, item: Body) -> Person:
        about = dig(item, "data", "object", kind=dict)
        is_customer = about.get("object") == "customer"
        customer = first(about.get("customer"), dig(about, "customer", "id"), about.get("id") if is_customer else None)
        email = first(
            dig(about, "customer_details", "email"),
            *(about.get(name) for name in ("customer_email", "receipt_email", "email")),
            dig(about, "billing_details", "email"),
        )
        user = first(dig(about, "metadata", self.settings.user_id), about.get("client_reference_id"))
        return Person(user, email, customer)

    def properties(self, item: Body) -> dict[str, Any]:
        about, kind = dig(item, "data", "object", kind=dict), self.kind(item)
        currency = text(about.get("currency"))
        total = next((decimal(about[name], currency) for name in _AMOUNTS if type(about.get(name)) is int), None)
        order = kind in ("checkout.session.completed", "charge.refunded")
        return {
            "order_id": first(about.get("payment_intent"), about.get("id")) if order else None,
            "revenue": total if kind == "checkout.session.completed" else None,
            "total": total,
            "currency": currency.upper(),
            "stripe_event": item.get("id"),
            "stripe_object": about.get("id"),
            "status": about.get("status"),
            "plan_id": dig(about, "plan", "id"),
            "plan_name": dig(about, "plan", "nickname"),
            "subscription": about.get("subscription") if type(about.get("subscription")) is str else None,
            "invoice": about.get("invoice") if type(about.get("invoice")) is str else None,
            "livemode": item.get("livemode"),
            "account": item.get("account"),
        }

    def events(self, kind: str, item: Body) -> Iterator[Body]:
        if kind in _IDENTIFY and kind not in self.settings.events:
            about = dig(item, "data", "object", kind=dict)
            address = {ours: text(dig(about, "address", theirs)) for theirs, ours in _ADDRESS.items()}
            traits = {name: text(about.get(name)) for name in ("email", "name", "phone")} | {"address": filled(address)}
            yield {"type": "identify", "traits": filled(traits)}
        else:
            yield from super().events(kind, item)


def decimal(amount: int, currency: str) -> float:
    """An amount in the currency's smallest unit as people write it: 1999 US cents are 19.99, 500 yen are 500."""
    currency = currency.lower()
    places = 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2
    return amount / 10**places if abs(amount) < 2**53 else float(amount // 10**places)
