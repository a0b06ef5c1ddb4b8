"""Signing in by an OpenID provider: authorization code with PKCE; the ID token says who it is and in which role.

What is remembered of a login under way (state, nonce, verifier) stays in this process for ten minutes and is bound to
the browser by a cookie; the provider's tokens are not kept. kill -9 ends logins under way: one signs in again.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import orjson
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, import_key
from pydantic import BaseModel, ValidationError

from router.console.access import Role
from router.console.oidc_settings import CALLBACK, LOGIN_SECONDS, LoginRefused, OidcSettings
from router.errors import Unavailable

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
MOST_LOGINS = 500  # under way
LEEWAY_SECONDS = 60
ANSWER_SECONDS, LARGEST_ANSWER = 10.0, 512 * 1024
KEYS_SECONDS = 60.0  # between two looks at the provider's keys, for a key that is not known
_KEY_TYPES = ("RSA", "EC", "OKP")  # never a shared secret


class _Provider(BaseModel):
    """What is needed of the provider's own description."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


@dataclass(frozen=True, slots=True)
class _Login:
    """One login under way."""

    verifier: str
    nonce: str
    until: float


class OidcLogin:
    """For one event loop. `clock` gives monotonic seconds."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._under_way: dict[str, _Login] = {}
        self._provider: _Provider | None = None
        self._keys: KeySet | None = None
        self._keys_at = 0.0
        self._lock = asyncio.Lock()

    async def begin(self) -> tuple[str, str]:
        """Where the browser is sent, and the state that it has to bring back with its cookie. Raises Unavailable."""
        provider = await self._described()
        now = self._clock()
        self._under_way = {state: one for state, one in self._under_way.items() if one.until > now}
        while len(self._under_way) >= MOST_LOGINS:
            del self._under_way[next(iter(self._under_way))]
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        self._under_way[state] = _Login(verifier, nonce, now + LOGIN_SECONDS)
        asked = {
            "response_type": "code", "client_id": self._settings.client_id, "redirect_uri": self._callback,
            "scope": self._settings.scope, "state": state, "nonce": nonce, "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }  # fmt: skip
        joined = "&" if urlsplit(provider.authorization_endpoint).query else "?"
        return f"{provider.authorization_endpoint}{joined}{urlencode(asked)}", state

    async def end(self, query: Mapping[str, str], cookie: str) -> tuple[str, Role]:
        """Name and role of who comes back from the provider. Raises LoginRefused, Unavailable.

        `cookie` is the state of the login that this very browser began: another's code is not taken.
        """
        state = query.get("state", "")
        login = self._under_way.pop(state, None) if state and secrets.compare_digest(state, cookie) else None
        if login is None or login.until <= self._clock():
            raise LoginRefused("This login was not begun here, or it took too long.")
        if "code" not in query:
            raise LoginRefused(f"The provider refused: {query.get('error', 'it sent no code')[:60]}.")
        claims = await self._claims(await self._token(query["code"], login.verifier), login.nonce)
        role = self._settings.role(claims)
        if role is None:
            raise LoginRefused("You are known to the provider, and have no role here.")
        names = (claims.get(name) for name in ("preferred_username", "email", "sub"))
        return next(name for name in names if isinstance(name, str) and name)[:64], role

    @property
    def _callback(self) -> str:
        return self._settings.url + CALLBACK

    async def _token(self, code: str, verifier: str) -> str:
        provider, settings = await self._described(), self._settings
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._callback,
            "client_id": settings.client_id, "code_verifier": verifier,
        }  # fmt: skip
        login = aiohttp.BasicAuth(settings.client_id, settings.client_secret) if settings.client_secret else None
        status, body = await _ask("POST", provider.token_endpoint, data=form, auth=login)
        token = body.get("id_token") if status == 200 else None
        if not isinstance(token, str):
            raise LoginRefused(f"The provider gave no ID token for this login (status {status}).")
        return token

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        for again in (False, True):  # once more with the keys of now, where the token's is not among those known
            try:
                claims = jwt.decode(token, await self._key_set(again=again), algorithms=ALGORITHMS).claims
                registry.validate(claims)
            except InvalidKeyIdError as error:
                if again:
                    raise LoginRefused("The ID token is signed with a key that is not the provider's.") from error
            except (JoseError, ValueError) as error:
                raise LoginRefused(f"The provider's ID token does not hold: {type(error).__name__}.") from error
            else:
                return dict(claims)
        raise AssertionError("not reached")

    async def _described(self) -> _Provider:
        async with self._lock:
            if self._provider is None:
                issuer = self._settings.issuer
                _, body = await _ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                try:
                    found = _Provider.model_validate(body)
                except ValidationError as error:
                    raise Unavailable(f"{issuer}: expected an OpenID provider's configuration there") from error
                if found.issuer != issuer:
                    raise Unavailable(f"expected {issuer} to call itself so, got {found.issuer!r}")
                self._provider = found
            return self._provider

    async def _key_set(self, *, again: bool) -> KeySet:
        """The provider's keys; `again`: newer ones, if those at hand are not from just now."""
        provider = await self._described()
        async with self._lock:
            if self._keys is None or (again and self._clock() - self._keys_at >= KEYS_SECONDS):
                _, body = await _ask("GET", provider.jwks_uri)
                try:
                    self._keys = KeySet([import_key(one) for one in body["keys"] if one.get("kty") in _KEY_TYPES])
                except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
                    raise Unavailable("expected the keys of the OpenID provider, got something else") from error
                self._keys_at = self._clock()
            return self._keys


def challenge(verifier: str) -> str:
    """What the provider is shown of a verifier (RFC 7636, S256)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def _ask(method: str, url: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of an answer; no redirects. Raises Unavailable."""
    host = urlsplit(url).hostname
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS), trust_env=True) as session,
            session.request(method, url, allow_redirects=False, **more) as answer,
        ):
            text = await _bounded(answer.content)
            found = orjson.loads(text) if text else {}
            return answer.status, found if isinstance(found, dict) else {}
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise Unavailable(f"the provider at {host} does not answer as it should: {type(error).__name__}") from error


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    text = b""
    while chunk := await content.read(LARGEST_ANSWER + 1 - len(text)):
        text += chunk
        if len(text) > LARGEST_ANSWER:
            raise ValueError("the answer is too large")
    return text
