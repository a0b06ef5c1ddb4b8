"""Secrets and configured fields, hidden the same way everywhere: logs, samples, errors.

A masked field keeps its name and loses its value, at any depth. A value that was masked in an event is masked again
where it comes back in text, such as a partner's answer that quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

MASK = "***"
SHORTEST = 4  # a shorter text would mask ordinary words
_DEEPEST = 64
_ALWAYS = frozenset(
    {"password", "passwd", "secret", "token", "apikey", "accesstoken", "refreshtoken", "authorization", "cookie"}
    | {"setcookie", "creditcard", "cardnumber", "cvc", "cvv", "ssn", "writekey", "privatekey", "clientsecret"}
)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


class Mask:
    """`fields` are names of fields, compared without case and punctuation; `secrets` are texts to hide anywhere."""

    def __init__(self, fields: Iterable[str] = (), secrets: Iterable[str] = ()) -> None:
        self._fields = _ALWAYS | {_plain(name) for name in fields}
        self._secrets = frozenset(secret for secret in secrets if len(secret) >= SHORTEST)

    def renew(self, fields: Iterable[str], secrets: Iterable[str]) -> None:
        """From now on these fields; secrets that were hidden stay so, since partners may still quote them."""
        self._fields = _ALWAYS | {_plain(name) for name in fields}
        self._secrets |= {secret for secret in secrets if len(secret) >= SHORTEST}

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
        for secret in sorted({*self._secrets, *echoes}, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def json_text(self, text: str, echoes: Iterable[str] = ()) -> str:
        """As `text`; where the text is JSON, masked fields lose their values too."""
        try:
            data = orjson.loads(text)
        except orjson.JSONDecodeError:
            return self.text(text, echoes)
        return self.text(orjson.dumps(self.value(data)).decode(), echoes)
