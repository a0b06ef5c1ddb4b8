"""Signatures of webhook requests: HMAC-SHA256 over `timestamp.body`, and how a receiver checks one.

Headers: `X-Timestamp`, seconds since 1970 of this attempt; `X-Signature`, `v1=` and 64 hex digits. A receiver
computes the HMAC over the raw bytes as received, compares in constant time, and refuses a timestamp more than five
minutes (`REPLAY_WINDOW`) away from its own clock; inside the window it remembers `Idempotency-Key`, which is the same
on every attempt.
"""

from __future__ import annotations

import hashlib
import hmac

TIMESTAMP_HEADER = "X-Timestamp"
SIGNATURE_HEADER = "X-Signature"
REPLAY_WINDOW = 300
_VERSION = "v1="


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """The value of X-Signature."""
    return _VERSION + hmac.digest(secret, str(timestamp).encode() + b"." + body, hashlib.sha256).hex()


def verify(secret: bytes, timestamp: str, signature: str, body: bytes, now: float) -> bool:
    """Whether a request was made by a holder of the secret within the replay window."""
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now - int(timestamp)) > REPLAY_WINDOW:
        return False
    return hmac.compare_digest(sign(secret, int(timestamp), body).encode(), signature.encode())
