"""How partners show that a post is theirs. Comparisons take the same time wherever texts differ."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import parse_qs

from pydantic import SecretStr

from router.events.times import milliseconds
from router.partner_sources.base import Post

NO_SIGNATURE, BAD_SIGNATURE, STALE = "no_signature", "bad_signature", "stale_signature"
Algorithm = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64"]


def hmac_of(key: SecretStr, algorithm: Algorithm, signed: bytes, encoding: Encoding = "hex") -> str:
    """The signature of these bytes as text."""
    code = hmac.digest(key.get_secret_value().encode(), signed, algorithm)
    return code.hex() if encoding == "hex" else base64.b64encode(code).decode()


def check(expected: str, given: Iterable[str]) -> str:
    """An empty text if one of the given signatures is the expected one."""
    matches = [same(expected, one) for one in given]
    return "" if any(matches) else BAD_SIGNATURE


def same(expected: str, given: str) -> bool:
    """Whether two texts are equal, without saying where they differ."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))


def stale(timestamp: Any, now: float, tolerance: float) -> str:
    """An empty text if a time is less than `tolerance` seconds from now; a time is what `router.events.times` reads."""
    moment = milliseconds(timestamp)
    return "" if moment is not None and abs(now - moment / 1000) <= tolerance else STALE


def bearer(post: Post, token: SecretStr, header: str = "Authorization") -> str:
    """Whether a header holds a token, bare or behind a scheme such as Bearer."""
    given = post.headers.get(header, "").strip()
    if not given:
        return NO_SIGNATURE
    scheme, _, credentials = given.partition(" ")
    expected = token.get_secret_value()
    return check(expected, (given, credentials.strip() if scheme.lower() in ("bearer", "basic", "token") else given))


def in_query(post: Post, token: SecretStr, parameter: str = "token") -> str:
    """Whether a parameter of the URL holds a token."""
    given = parse_qs(post.query).get(parameter)
    return check(token.get_secret_value(), given) if given else NO_SIGNATURE


def decoded(text: str) -> bytes:
    """The bytes of base64, none for what is not."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
