"""What an identity store keeps: profiles, the merges of each record of the log, and how far the log was applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

from router.identity.rules import Identifier, Identifiers


class Profile(NamedTuple):
    """`since` orders profiles by their first link; `ids` are in the order they joined."""

    since: int
    merges: int
    ids: Identifiers


class Merge(NamedTuple):
    """Events that carried the profile id `old` belong to `new` from now on."""

    old: str
    new: str
    reason: str  # link | alias
    time_ms: int

    def as_dict(self) -> dict[str, Any]:
        return {"from": self.old, "to": self.new, "reason": self.reason, "time_ms": self.time_ms}


class IdentityStore(Protocol):
    """Changes by `replace` are kept together with the position they belong to, by `commit`, or not at all.

    One thread only. Raises StateError where the store cannot be used.
    """

    def session(self) -> AbstractContextManager[None]:
        """Around reads and changes that belong together; changes not committed when it raises are dropped."""

    def profile_of(self, identifier: Identifier) -> str:
        """The id of the profile that holds an identifier; its own while it stands alone."""

    def profiles_of(self, identifiers: Iterable[Identifier]) -> Mapping[Identifier, str]:
        """Many at once. The answer holds them all, and maybe others."""

    def are_alone(self, identifiers: Iterable[Identifier]) -> bool:
        """Whether none of these was ever linked, so that no profile is kept for any."""

    def profile(self, id_: str) -> Profile:
        """The profile of an id that `profile_of` gave for an identifier that is not alone."""

    def replace(self, id_: str, profile: Profile, joined: Iterable[Identifier], removed: Iterable[str]) -> None:
        """Keep `profile` under `id_`; `joined` now point to it; the profiles `removed` are no more."""

    def position(self) -> int:
        """The next offset of the log."""

    def commit(self, offset: int, merges: Sequence[Merge]) -> None:
        """The record at this offset was applied, and merged this."""

    def merges_from(self, offset: int, limit: int) -> list[tuple[int, Merge]]:
        """Merges of the log from this offset on: at least `limit` where there are that many, no record cut in two."""

    def prune_merges(self, before: int) -> None:
        """Forget the merges of offsets before this one."""

    def reset(self, position: int = 0) -> None:
        """Forget everything and stand at this offset; the log from there on gives it back."""

    def close(self) -> None:
        """Twice is once."""


def digest(identifier: Identifier) -> bytes:
    """16 bytes that stand for an identifier; no two identifiers are spelled alike."""
    kind, value = identifier
    return blake2b(f"{len(kind)}:{kind}{value}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def profile_id(identifier: Identifier) -> str:
    """The profile id of an identifier that stands alone."""
    return "p_" + digest(identifier).hex()
