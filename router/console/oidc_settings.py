"""How the console signs people in by an OpenID provider, as the environment says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from router.console.hosts import is_loopback
from router.errors import UsageError
from router.mask import SECRETS

PREFIX = "ROUTER_CONSOLE_OIDC_"
CALLBACK = "/login/callback"
SCOPE = "openid profile email"
LOGIN_SECONDS = 600.0  # for somebody to come back from the provider
_SETTINGS = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "URL", "CLAIM", "OPERATORS", "VIEWERS", "SCOPE")
_NEEDED = ("ISSUER", "CLIENT_ID", "URL")


class LoginRefused(Exception):
    """A login that did not come off; the text may be shown to whoever tried."""


@dataclass(frozen=True)
class OidcSettings:
    """`roles` is the path of the claim that holds a person's roles or groups; `operators`, `viewers` are values of it.

    `url` is where browsers reach the console.
    """

    issuer: str
    client_id: str
    url: str
    client_secret: str = field(default="", repr=False)
    roles: str = "roles"
    operators: frozenset[str] = frozenset()
    viewers: frozenset[str] = frozenset()
    scope: str = SCOPE

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> OidcSettings | None:
        """None where nothing of it is set. Raises UsageError."""
        given = {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}
        given = {name: value.strip() for name, value in given.items() if value.strip()}
        if not given:
            return None
        if unknown := sorted(given.keys() - set(_SETTINGS)):
            known = ", ".join(PREFIX + name for name in _SETTINGS)
            raise UsageError(f"{PREFIX}{unknown[0]}: expected one of {known}")
        if missing := [PREFIX + name for name in _NEEDED if name not in given]:
            raise UsageError(f"expected {' and '.join(missing)} to be set as well: the console is to sign in by OIDC")
        for name in ("ISSUER", "URL"):
            _check_url(PREFIX + name, given[name])
        if "OPERATORS" not in given and "VIEWERS" not in given:
            raise UsageError(f"expected {PREFIX}OPERATORS or {PREFIX}VIEWERS: values of the claim that may sign in")
        SECRETS.add([given["CLIENT_SECRET"]] if "CLIENT_SECRET" in given else [])
        return cls(
            given["ISSUER"], given["CLIENT_ID"], given["URL"].rstrip("/"), given.get("CLIENT_SECRET", ""),
            given.get("CLAIM", "roles"), frozenset(given.get("OPERATORS", "").split()),
            frozenset(given.get("VIEWERS", "").split()), given.get("SCOPE", SCOPE),
        )  # fmt: skip

    def role(self, claims: Mapping[str, Any]) -> Literal["viewer", "operator"] | None:
        """The better of the roles that the claim gives; `*` stands for everybody who can sign in."""
        found: Any = claims
        for step in self.roles.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        given = found if isinstance(found, list) else [found]
        values = {"*", *(one for one in given if isinstance(one, str))}
        if values & self.operators:
            return "operator"
        return "viewer" if values & self.viewers else None


def _check_url(name: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return
    raise UsageError(f"{name}: expected an address with https (http on this machine alone), got {url!r}")
