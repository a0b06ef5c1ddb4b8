"""Identity rules, pure: which identifiers an event carries, what a fact joins, what a profile is."""

from __future__ import annotations

from router.identity.applier import Applier, Merge, Profile, Profiles, profile_id
from router.identity.facts import Fact, FactError, alias, link, pack_facts, unpack_facts
from router.identity.identifiers import Identifier, Identifiers, identifiers

__all__ = [
    "Applier",
    "Fact",
    "FactError",
    "Identifier",
    "Identifiers",
    "Merge",
    "Profile",
    "Profiles",
    "alias",
    "identifiers",
    "link",
    "pack_facts",
    "profile_id",
    "unpack_facts",
]
