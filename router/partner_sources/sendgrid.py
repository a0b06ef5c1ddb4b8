"""SendGrid: the Event Webhook, a list of events a post.

SendGrid waits for 2xx and repeats a post for 24 hours. Custom arguments of a mail stand flat in each event: `user_id`
names the one with the person's id; the others become properties.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from router.config.types import Duration, Secret
from router.events.event import Body
from router.partner_sources.base import Post
from router.partner_sources.reading import text
from router.partner_sources.signatures import BAD_SIGNATURE, NO_SIGNATURE, decoded, stale
from router.partner_sources.table import Person, TableSettings, TableSource

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

_NAMES = {
    "processed": "Email Sent",
    "delivered": "Email Delivered",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "bounce": "Email Bounced",
    "blocked": "Email Bounced",
    "deferred": "Email Deferred",
    "dropped": "Email Dropped",
    "spamreport": "Email Marked as Spam",
    "unsubscribe": "Unsubscribed",
    "group_unsubscribe": "Unsubscribed",
    "group_resubscribe": "Subscribed",
}
_HEADER = "X-Twilio-Email-Event-Webhook-"
_MAPPED = frozenset(
    {"email", "timestamp", "event", "ip", "useragent", "url", "sg_event_id", "subject"}
    | {"marketing_campaign_id", "marketing_campaign_name"}
)


def public_key(text: str) -> EllipticCurvePublicKey:
    """The key as SendGrid shows it. Raises ValueError."""
    # Here, since every process reads topologies and few have this source.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(decoded(text.strip()))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ValueError("expected the verification key that SendGrid shows (base64, without PEM lines)")
    return key


class SendgridSourceSettings(TableSettings):
    verification_key: Secret = Field(description="The public key of the signed Event Webhook, as SendGrid shows it")
    tolerance: Duration = Field(
        "12h", validate_default=True, description="The largest age of a signature; SendGrid repeats posts for a day"
    )
    user_id: str = Field("user_id", min_length=1, description="The custom argument that holds the person's userId")

    @field_validator("verification_key")
    @classmethod
    def _check_key(cls, value: Secret) -> Secret:
        public_key(value.get_secret_value())
        return value


class SendgridSource(TableSource):
    type = "sendgrid"
    partner = "SendGrid"
    summary = "SendGrid: what became of each mail"
    enter = "Settings, Mail Settings, Event Webhooks: the URL; Signature Verification, whose key is `verification_key`"
    signature = "ECDSA (P-256, SHA-256) over time and body, in `X-Twilio-Email-Event-Webhook-Signature`"
    names = _NAMES
    Settings = SendgridSourceSettings

    @cached_property
    def _key(self) -> EllipticCurvePublicKey:
        return public_key(self.settings.verification_key.get_secret_value())

    def verify(self, post: Post, now: float) -> str:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        given, timestamp = post.headers.get(_HEADER + "Signature", ""), post.headers.get(_HEADER + "Timestamp", "")
        if not given or not timestamp:
            return NO_SIGNATURE
        try:
            self._key.verify(decoded(given), timestamp.encode(errors="replace") + post.body, ECDSA(SHA256()))
        except InvalidSignature:
            return BAD_SIGNATURE
        return stale(timestamp, now, self.settings.tolerance)

    def kind(self, item: Body) -> str:
        return text(item.get("event"))

    def event_id(self, item: Body) -> str:
        return text(item.get("sg_event_id"))

    def time(self, item: Body) -> Any:
        return item.get("timestamp")

    def person(self, item: Body) -> Person:
        return Person(text(item.get(self.settings.user_id)), text(item.get("email")))

    def properties(self, item: Body) -> dict[str, Any]:
        spec = {
            "email_id": text(item.get("sg_message_id")).partition(".")[0],
            "email_subject": item.get("subject"),
            "campaign_id": item.get("marketing_campaign_id"),
            "campaign_name": item.get("marketing_campaign_name") or item.get("campaign_name"),
            "link_url": item.get("url"),
            "sg_event_id": item.get("sg_event_id"),
        }
        left = {name: value for name, value in item.items() if name not in _MAPPED and name != self.settings.user_id}
        return {**left, **{name: value for name, value in spec.items() if value}}

    def context(self, item: Body) -> dict[str, Any]:
        return {"ip": text(item.get("ip")), "userAgent": text(item.get("useragent"))}
