"""OAuth: the access token of one destination, fetched when it is needed, kept until it ends or the partner refuses it.

It lives in memory only: after kill -9 a new one is fetched. Of requests that need one at the same time the first
fetches it and the others wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from router.destinations.response import HttpResponse

MARGIN = 60.0  # seconds before its end that a token is renewed
LIFETIME = 3_600.0  # seconds, where the answer does not say
_NAMES = frozenset(("invalid_grant", "invalid_client", "invalid_request", "unauthorized_client", "invalid_scope"))
_WORDS = {"invalid_grant": "the refresh token was withdrawn or has expired: sign in again"}

Fetch = Callable[[], Awaitable[HttpResponse]]


class AccessToken:
    """`clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    async def get(self, fetch: Fetch, refused: str = "") -> str | HttpResponse:
        """The token in force, another one than `refused`; where there is none to be had, an answer that says why."""
        async with self._lock:
            if self._token in ("", refused) or self._clock() >= self._until:
                response = await fetch()
                token, lifetime = _granted(response)
                if not token:
                    self._token = ""
                    return _denied(response)
                self._token, self._until = token, self._clock() + lifetime - min(MARGIN, lifetime / 2)
            return self._token


def _granted(response: HttpResponse) -> tuple[str, float]:
    answer = response.json
    if not 200 <= response.status < 300 or not isinstance(answer, dict):
        return "", 0.0
    token, lifetime = answer.get("access_token"), answer.get("expires_in")
    lifetime = lifetime if isinstance(lifetime, int | float) and lifetime > 0 else LIFETIME
    return (token if isinstance(token, str) else ""), float(lifetime)


def _denied(response: HttpResponse) -> HttpResponse:
    """As an answer to the request that waited for the token: what rejects us there refuses our credentials."""
    if 200 <= response.status < 300:
        return HttpResponse(0, "NO_TOKEN", detail="the answer holds no access token", at=response.at)
    if response.status not in range(400, 500) or response.status in (408, 429):
        return response
    answer = response.json
    error = answer.get("error") if isinstance(answer, dict) else None
    name = error if isinstance(error, str) and error in _NAMES else "no access token"
    return HttpResponse(401, "401", detail=_WORDS.get(name, name), at=response.at)
