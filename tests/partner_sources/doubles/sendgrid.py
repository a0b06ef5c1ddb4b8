"""SendGrid: a list of events, ECDSA over time and body; the body ends in a line break."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from router.partner_sources.base import Post
from tests.partner_sources.doubles.double import KEY, PartnerDouble


@cache
def private_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(sha256(name.encode()).digest()), ec.SECP256R1())


def verification_key(name: str) -> str:
    key = private_key(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(key).decode()


def event(kind: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "email": "ada@example.com",
        "timestamp": 1513299569,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": kind,
        "category": ["cat facts"],
        "sg_event_id": f"sg_event_id_{number:02}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "user_id": "u42",
        **fields,
    }


USER_AGENT = "Mozilla/4.0 (compatible; MSIE 6.1; Windows XP; .NET CLR 1.1.4322)"


SETTINGS = {"verification_key": verification_key(KEY)}


class SendgridDouble(PartnerDouble):
    type = "sendgrid"
    settings = SETTINGS
    items = (
        event("processed"),
        event("delivered", 1, response="250 OK"),
        event("open", 2, useragent=USER_AGENT, ip="255.255.255.255"),
        event("click", 3, useragent=USER_AGENT, ip="255.255.255.255", url="https://shop.example/cart"),
        event("bounce", 4, reason="500 unknown recipient", status="5.0.0", type="bounce"),
        event("dropped", 5, reason="Bounced Address", status="5.0.0"),
        event("spamreport", 6, category="cat facts"),
        event("group_unsubscribe", 7, asm_group_id=10),
    )
    unknown = event("telepathy", 9)

    def body(self, items: Sequence[Any]) -> bytes:
        return super().body(items) + b"\r\n"

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        time = str(int(now))
        signature = private_key(key).sign(time.encode() + body, ec.ECDSA(SHA256()))
        prefix = "X-Twilio-Email-Event-Webhook-"
        return {f"{prefix}Timestamp": time, f"{prefix}Signature": base64.b64encode(signature).decode()}

    def pings(self) -> list[Post]:
        """Test Your Integration: made-up events, signed."""
        return [self.post(self.body([event("processed", 20, email="example@test.com"), event("open", 21)]))]
