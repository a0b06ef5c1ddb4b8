"""CORS: which pages of other origins may send. Without configured origins a browser gets no permission."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding, X-Retry-Count",
    "Access-Control-Max-Age": "7200",
}
_EXPOSED = {"Access-Control-Expose-Headers": "Retry-After, X-RateLimit-Reset"}


class CorsPolicy:
    """The configured origins, such as `https://shop.example`; `*` stands for all. Credentials are never allowed.

    Those of all sources are among them: a browser asks for permission before it names its write key.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        names = {origin.rstrip("/") for origin in allowed}
        self._any = "*" in names
        self._headers = {name: {"Access-Control-Allow-Origin": name, "Vary": "Origin"} for name in names}

    def headers(self, origin: str | None) -> Mapping[str, str]:
        """The headers of a response to a page of this origin; none for an origin that is not allowed."""
        if origin is None:
            return {}
        if self._any:
            return {"Access-Control-Allow-Origin": "*", **_EXPOSED}
        found = self._headers.get(origin)
        return found | _EXPOSED if found else {"Vary": "Origin"} if self._headers else {}

    def preflight(self, origin: str | None) -> Mapping[str, str]:
        """The headers of the response to OPTIONS."""
        headers = self.headers(origin)
        return {**headers, **_PREFLIGHT} if "Access-Control-Allow-Origin" in headers else headers
