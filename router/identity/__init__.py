"""Identity rules, pure: which identifiers an event carries, what a fact joins, what a profile is."""

from __future__ import annotations

from router.identity.applier import Applier, Merge, Profile, Profiles, profile_id
from router.identity.facts import Fact, Facts, alias, link, pack_facts, unpack_facts
from router.identity.identifiers import Identifier, Identifiers, digest, identifiers, is_nobody, pair

__all__ = [
    "Applier",
    "Fact",
    "Facts",
    "Identifier",
    "Identifiers",
    "Merge",
    "Profile",
    "Profiles",
    "alias",
    "digest",
    "identifiers",
    "is_nobody",
    "link",
    "pack_facts",
    "pair",
    "profile_id",
    "unpack_facts",
]
