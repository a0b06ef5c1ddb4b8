"""Who may see and who may act: tokens, sessions, and which requests come from our own pages. No I/O.

On loopback without tokens everybody on this machine is an operator, and only names of this machine are accepted as
`Host`, so that no web site reaches the console by a name that points here. With tokens there is a login. Only hashes of
tokens and session ids are held; kill -9 ends all sessions.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from router.config.options import Address
from router.console.hosts import is_loopback, names_this_machine
from router.console.oidc_settings import PREFIX, OidcSettings
from router.errors import UsageError
from router.mask import SECRETS

Role = Literal["viewer", "operator"]
TOKENS = "ROUTER_CONSOLE_TOKENS"
SHORTEST = 16
SESSION_SECONDS = 12 * 3600.0
MOST_SESSIONS = 1_000
FAILURES, FAILURE_SECONDS = 5, 60.0
_FORM = f"expected {TOKENS} to hold NAME:ROLE:TOKEN, several with blanks between, ROLE being viewer or operator"
_NAME = re.compile(r"[\w.@-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class ConsoleUser:
    """Who is asking. `token` is that of the session: pages send it with every action."""

    name: str
    role: Role
    token: str = field(default="", repr=False)

    @property
    def may_act(self) -> bool:
        return self.role == "operator"


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    role: Role
    digest: bytes


@dataclass(frozen=True)
class Access:
    """How a console is guarded. Without `people` and `oidc` there is no login, which only loopback may have."""

    local: bool
    people: tuple[_Known, ...] = ()
    oidc: OidcSettings | None = None

    @classmethod
    def of(cls, address: Address, environment: Mapping[str, str]) -> Access:
        """Raises UsageError: settings of another form, or none where other machines reach the address."""
        people = tuple(map(_known, environment.get(TOKENS, "").split()))
        oidc = OidcSettings.of(environment)
        local = is_loopback(address[0])
        if not local and not people and oidc is None:
            raise UsageError(
                f"the console at {address[0]}:{address[1]} can be reached by other machines and wants a login: "
                f"{_FORM}, or {PREFIX}ISSUER and others to name an OpenID provider"
            )
        return cls(local, people, oidc)

    @property
    def needs_login(self) -> bool:
        return bool(self.people) or self.oidc is not None

    def known(self, token: str) -> tuple[str, Role] | None:
        """Name and role of a token. Takes the same steps whatever is presented."""
        digest, found = _digest(token), None
        for one in self.people:
            if hmac.compare_digest(one.digest, digest):
                found = one.name, one.role
        return found

    def host_is_ours(self, host: str) -> bool:
        """Whether a request with this `Host` may be answered."""
        if self.needs_login:
            return bool(host)
        return names_this_machine(host)


def _known(text: str) -> _Known:
    name, _, rest = text.partition(":")
    role, _, token = rest.partition(":")
    if not _NAME.match(name) or role not in ("viewer", "operator"):
        raise UsageError(f"{_FORM}; got one of another form")
    if len(token) < SHORTEST:
        raise UsageError(f"expected tokens of {SHORTEST} characters or more in {TOKENS}, got {len(token)} for {name}")
    SECRETS.add([token])
    return _Known(name, "operator" if role == "operator" else "viewer", _digest(token))


def _digest(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=32).digest()


class Sessions:
    """Who has logged in. `clock` gives monotonic seconds."""

    def __init__(self, access: Access, clock: Callable[[], float] = time.monotonic) -> None:
        self._access = access
        self._clock = clock
        self._open: dict[bytes, tuple[ConsoleUser, float]] = {}
        self._failures: dict[str, deque[float]] = {}
        self._everybody = ConsoleUser("local", "operator", secrets.token_urlsafe(32))

    def person(self, session: str) -> ConsoleUser | None:
        """Who this session is of; None where a login is needed."""
        if not self._access.needs_login:
            return self._everybody
        found = self._open.get(_digest(session)) if session else None
        return found[0] if found is not None and found[1] > self._clock() else None

    def too_many(self, address: str) -> bool:
        """Whether an address has failed so often of late that it has to wait."""
        failed = self._failures.get(address, deque())
        while failed and failed[0] <= self._clock() - FAILURE_SECONDS:
            failed.popleft()
        return len(failed) >= FAILURES

    def log_in(self, token: str, address: str) -> str | None:
        """A session id for a token that is known; None for another, which is counted."""
        found = self._access.known(token)
        if found is None:
            self._fail(address)
            return None
        return self.begin(*found)

    def begin(self, name: str, role: Role) -> str:
        """The id of a new session of somebody who has proved who they are."""
        now = self._clock()
        self._open = {digest: one for digest, one in self._open.items() if one[1] > now}
        while len(self._open) >= MOST_SESSIONS:
            del self._open[next(iter(self._open))]
        session = secrets.token_urlsafe(32)
        self._open[_digest(session)] = ConsoleUser(name, role, secrets.token_urlsafe(32)), now + SESSION_SECONDS
        return session

    def log_out(self, session: str) -> None:
        """End a session; harmless when there is none."""
        self._open.pop(_digest(session), None)

    def _fail(self, address: str) -> None:
        old = self._clock() - FAILURE_SECONDS
        self._failures = {one: times for one, times in self._failures.items() if times and times[-1] > old}
        self._failures.setdefault(address, deque(maxlen=FAILURES)).append(self._clock())
