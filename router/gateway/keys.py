"""Write keys: who may send, and as which source.

Only keyed hashes of the configured keys are held. The hash key is random for each process, so neither the look-up nor
its duration tells anything about a key; equality is decided in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from router.config.models import SourceConfig

_DIGEST_BYTES = 32
_LONGEST_KEY = 512  # characters; what is longer is not hashed


@dataclass(frozen=True, slots=True)
class Grant:
    """What a write key allows: to write as one source. `header` goes into the messages, `digest` tells keys apart."""

    source: str
    enabled: bool
    header: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: bytes
    source: str
    enabled: bool


class WriteKeys:
    """The keys of all sources; each source may have several at once, so that a key can be replaced without a gap."""

    def __init__(self, sources: Mapping[str, SourceConfig], salt: bytes = b"") -> None:
        self._salt = salt or secrets.token_bytes(_DIGEST_BYTES)
        self._entries: dict[bytes, _Entry] = {}
        for name, source in sources.items():
            for key in source.write_keys:
                digest = self._digest(key.get_secret_value())
                self._entries[digest] = _Entry(digest, name, source.enabled)

    def renewed(self, sources: Mapping[str, SourceConfig]) -> WriteKeys:
        """The keys of other sources; one that was there before has the same digest."""
        return WriteKeys(sources, self._salt)

    def find(self, key: str) -> Grant | None:
        """The grant of a presented key, or None when no source has it."""
        if not key or len(key) > _LONGEST_KEY:
            return None
        digest = self._digest(key)
        entry = self._entries.get(digest)
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            return None
        return Grant(entry.source, entry.enabled, key.encode("utf-8", "surrogatepass"), digest)

    def _digest(self, key: str) -> bytes:
        return blake2b(key.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=_DIGEST_BYTES).digest()


def basic_user(header: str) -> str | None:
    """The user name of a Basic `Authorization` header, which is the write key; None when it is no such header."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(":")[0]
