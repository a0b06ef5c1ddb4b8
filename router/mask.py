"""Secrets and configured fields, hidden the same way everywhere: logs, health pages, samples, errors.

A masked field keeps its name and loses its value, at any depth. A value that was masked in an event is masked again
where it comes back in text, such as a partner's answer that quotes it. `SECRETS` is the one redactor of the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import Any

import orjson

MASK = "***"
SHORTEST = 4  # a shorter text would mask ordinary words
_DEEPEST = 64
# A setting of the Kafka client whose name holds one of these is a secret.
_SECRET_SETTINGS = ("password", "passphrase", "secret", "private.key", "key.pem", "oauthbearer.config", "jaas.config")
_ALWAYS = frozenset(
    {"password", "passwd", "secret", "token", "apikey", "accesstoken", "refreshtoken", "authorization", "cookie"}
    | {"setcookie", "creditcard", "cardnumber", "cvc", "cvv", "ssn", "writekey", "privatekey", "clientsecret"}
)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def secret_settings(settings: Mapping[str, str]) -> list[str]:
    """The values of Kafka client settings that must never be shown."""
    return [value for name, value in settings.items() if any(part in name for part in _SECRET_SETTINGS)]


class Redactor:
    """Replaces known secrets in text, longest first. A secret once added stays: partners may still quote it.

    Texts under four characters are left alone. Safe to use from any thread.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = Lock()
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        with self._lock:
            self._known |= {secret for secret in secrets if len(secret) >= SHORTEST}
            self._pattern = _any_of(self._known)

    def __call__(self, text: str, echoes: Iterable[str] = ()) -> str:
        """The text without secrets and without `echoes`."""
        more = frozenset(echoes) - self._known
        pattern = _any_of(self._known | more) if more else self._pattern
        return pattern.sub(MASK, text) if pattern else text


def _any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    ordered = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


SECRETS = Redactor()


class Mask:
    """`fields` are names of fields, compared without case and punctuation; `secrets` are texts to hide anywhere."""

    def __init__(self, fields: Iterable[str] = (), secrets: Iterable[str] = ()) -> None:
        self._fields = _ALWAYS | {_plain(name) for name in fields}
        self._redact = Redactor(secrets)

    def renew(self, fields: Iterable[str], secrets: Iterable[str]) -> None:
        """From now on these fields; secrets that were hidden stay so, since partners may still quote them."""
        self._fields = _ALWAYS | {_plain(name) for name in fields}
        self._redact.add(secrets)

    def hides(self, name: str) -> bool:
        return _plain(name) in self._fields

    def value(self, value: Any) -> Any:
        """A copy of JSON data without the values of masked fields and without secrets; cut off below 64 levels."""
        return self._value(value, 0)

    def _value(self, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            return MASK
        if isinstance(value, dict):
            return {name: MASK if self.hides(name) else self._value(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, depth + 1) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def hidden(self, value: Any) -> frozenset[str]:
        """The texts that `value` would hide, to be masked where they come back."""
        return frozenset(text for text in self._hidden(value, False, 0) if len(text) >= SHORTEST)

    def _hidden(self, value: Any, inside: bool, depth: int) -> Iterator[str]:
        if depth > _DEEPEST:
            return
        if isinstance(value, dict):
            for name, item in value.items():
                yield from self._hidden(item, inside or self.hides(name), depth + 1)
        elif isinstance(value, list):
            for item in value:
                yield from self._hidden(item, inside, depth + 1)
        elif inside and isinstance(value, str | int | float) and not isinstance(value, bool):
            yield str(value)

    def text(self, text: str, echoes: Iterable[str] = ()) -> str:
        """Text without secrets and without `echoes`."""
        return self._redact(text, echoes)

    def json_text(self, text: str, echoes: Iterable[str] = ()) -> str:
        """As `text`; where the text is JSON, masked fields lose their values too."""
        try:
            data = orjson.loads(text)
        except orjson.JSONDecodeError:
            return self.text(text, echoes)
        return self.text(orjson.dumps(self.value(data)).decode(), echoes)
