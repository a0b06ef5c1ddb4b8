"""Encryption of single values that whoever has the key can undo: `enc:v1:<key id>:<base64url>`.

AES-SIV (RFC 5297) is deterministic: under one key, equal values become equal texts. Partners can join and count by
what they cannot read; that two values are equal, and about how long they are, they can see. A text that was cut or
changed does not decrypt, nor does one that was moved to another key id.

Keys are lines of a file, `<key id>:<base64url of 64 bytes>`: the first one encrypts, all of them decrypt. A new key
goes on top; an old one stays for as long as there are texts of it.
"""

from __future__ import annotations

import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # else imported by who has a key
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

PREFIX = "enc:v1:"
KEY_BYTES = 64  # AES-256 twice: one half authenticates, the other one encrypts
TOKEN = re.compile(PREFIX + r"[A-Za-z0-9_-]*:?[A-Za-z0-9_-]*")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_TAG_BYTES = 16
_CUT = "expected a whole encrypted text, got one that was cut"
_TEXT, _JSON = b"t", b"j"  # what the value was: a text, or any other JSON value


class DecryptionError(ValueError):
    """Why a text does not decrypt: what was expected, what it is. It repeats no value."""


class Cipher:
    """The keys of a key file. Pure; the same value always becomes the same text."""

    def __init__(self, text: str) -> None:
        """Raises ValueError, which says the line and never repeats a key."""
        self._keys: dict[str, AESSIV] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                name, key = _key(line.strip(), number)
                if name in self._keys:
                    raise ValueError(f"expected each key id once, got {name} again in line {number}")
                self._keys[name] = key
        if not self._keys:
            raise ValueError("expected a key such as `router privacy key 2026-01` makes, got none")
        self.id = next(iter(self._keys))

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def encrypt(self, value: Any) -> str:
        """The text in place of a JSON value; one that is a text of these keys already stays as it is."""
        if isinstance(value, str):
            if value.startswith(PREFIX) and self.made(value):
                return value
            plain = _TEXT + value.encode("utf-8", "surrogatepass")
        else:
            plain = _JSON + json.dumps(value).encode()
        sealed = self._keys[self.id].encrypt(plain, [_associated(self.id)])
        return f"{PREFIX}{self.id}:{urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

    def decrypt(self, text: str) -> Any:
        """The JSON value that was encrypted. Raises DecryptionError."""
        if not text.startswith(PREFIX):
            raise DecryptionError(f"expected a text that begins with {PREFIX}")
        name, _, encoded = text.removeprefix(PREFIX).partition(":")
        key = self._keys.get(name)
        if key is None:
            got = name if _ID.fullmatch(name) else "another text"
            raise DecryptionError(f"expected a key id that the key file has ({', '.join(self._keys)}), got {got}")
        from cryptography.exceptions import InvalidTag

        sealed = _decoded(encoded)
        if len(sealed) <= _TAG_BYTES:
            raise DecryptionError(_CUT)
        try:
            plain = key.decrypt(sealed, [_associated(name)])
        except InvalidTag:
            raise DecryptionError(
                f"expected a text of the key {name} as the key file has it, got one that was cut or changed, "
                "or one of another key with this id"
            ) from None
        return plain[1:].decode("utf-8", "surrogatepass") if plain[:1] == _TEXT else json.loads(plain[1:])

    def made(self, text: str) -> bool:
        """Whether these keys made this text; one that only looks like it does not decrypt."""
        try:
            self.decrypt(text)
        except DecryptionError:
            return False
        return True


def new_key(name: str) -> str:
    """A line of a key file with a new key. Raises ValueError for what is no key id."""
    if not _ID.fullmatch(name):
        raise ValueError(f"expected a key id of at most 32 lower-case letters, digits and hyphens, got {name}")
    return f"{name}:{urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).rstrip(b'=').decode()}"


def _key(line: str, number: int) -> tuple[str, AESSIV]:
    name, _, encoded = line.partition(":")
    try:
        key = _decoded(encoded.strip())
    except DecryptionError:
        key = b""
    if not _ID.fullmatch(name) or len(key) != KEY_BYTES:
        raise ValueError(
            f"expected <key id>:<base64url of {KEY_BYTES} bytes> in line {number}, as `router privacy key` makes it"
        )
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return name, AESSIV(key)


def _decoded(text: str) -> bytes:
    """Exactly one text stands for these bytes: what has other bits at its end was cut."""
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    try:
        made = urlsafe_b64decode(padded)
    except ValueError:
        made = b""
    if not made or urlsafe_b64encode(made).decode() != padded:
        raise DecryptionError(_CUT)
    return made


def _associated(name: str) -> bytes:
    return f"{PREFIX}{name}".encode()
