"""Write keys: who may send, and as which source.

Only hashes of the configured keys are held, made with a random key of this process: a look-up takes the same steps
whatever is presented, and its duration says nothing about a configured key.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from router.config.models import SourceConfig

NO_SOURCE = "none"
_DIGEST_BYTES = 32
_LONGEST_KEY = 512  # characters; longer ones are not hashed


@dataclass(frozen=True, slots=True)
class Credential:
    """What a presented write key is worth: the source it writes as, or the code of what is wrong with it.

    `header` goes with each message; `digest` identifies the key. A source that is disabled or of another environment
    has a name and a problem. `origins` are those of the pages that may use the key.
    """

    source: str
    problem: str = ""
    header: bytes = b""
    digest: bytes = b""
    origins: frozenset[str] = frozenset()

    def on(self, origin: str) -> Credential:
        """The credential on a page of this origin; an empty one is no page, and a key without origins takes all."""
        if not origin or not self.origins or self.origins & {origin, "*"}:
            return self
        return Credential(self.source, "origin_not_allowed")


NO_KEY = Credential(NO_SOURCE, "no_write_key")
UNKNOWN_KEY = Credential(NO_SOURCE, "unknown_write_key")


class WriteKeys:
    """The keys of all sources; each source may have several at once, so that a key can be replaced without a gap.

    `environment` is the topology's.
    """

    def __init__(
        self, sources: Mapping[str, SourceConfig], environment: str | None = None, *, salt: bytes = b""
    ) -> None:
        self._salt = salt or secrets.token_bytes(_DIGEST_BYTES)
        self._sources = {
            self._digest(key.get_secret_value()): (name, source.refusal(environment), frozenset(source.origins))
            for name, source in sources.items()
            for key in source.write_keys
        }
        self.origins = frozenset().union(*(source.origins for source in sources.values()))

    def renewed(self, sources: Mapping[str, SourceConfig], environment: str | None = None) -> WriteKeys:
        """The keys of other sources; a key that was there before keeps its digest."""
        return WriteKeys(sources, environment, salt=self._salt)

    def find(self, key: Any) -> Credential:
        """The credential of whatever was presented as a key, in a header or in a body."""
        if type(key) is not str or not key:
            return NO_KEY
        if len(key) > _LONGEST_KEY:
            return UNKNOWN_KEY
        digest = self._digest(key)
        found = self._sources.get(digest)
        if found is None:
            return UNKNOWN_KEY
        name, problem, origins = found
        return Credential(name, problem, key.encode("utf-8", "surrogatepass"), digest, origins)

    def _digest(self, key: str) -> bytes:
        return blake2b(key.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=_DIGEST_BYTES).digest()


def basic_user(header: str) -> str | None:
    """The user name of a Basic `Authorization` header, which is the write key; None for any other header."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(":")[0]
