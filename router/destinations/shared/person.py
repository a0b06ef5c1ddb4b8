"""Whom an event is about: ids and traits, wherever the call type keeps them. Values of the wrong kind are not there."""

from __future__ import annotations

from typing import Any, NamedTuple

from router.destinations.base import Delivery
from router.events.placeholders import Placeholders
from router.mapping.hashing import is_email as is_email

_PLACEHOLDERS = Placeholders()


class Address(NamedTuple):
    """Empty where the event does not say."""

    street: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


def traits(event: Delivery) -> dict[str, Any]:
    """The person's traits: `context.traits`, overlaid in an identify call by `traits`. Those of a group are not its."""
    own = event.body.get("traits") if event.type == "identify" else None
    return {**_object(_object(event.body.get("context")).get("traits")), **_object(own)}


def group_traits(event: Delivery) -> dict[str, Any]:
    return _object(event.body.get("traits")) if event.type == "group" else {}


def properties(event: Delivery) -> dict[str, Any]:
    return _object(event.body.get("properties"))


def context(event: Delivery) -> dict[str, Any]:
    return _object(event.body.get("context"))


def user_id(event: Delivery) -> str:
    return text(event.body.get("userId"))


def anonymous_id(event: Delivery) -> str:
    return text(event.body.get("anonymousId"))


def group_id(event: Delivery) -> str:
    return text(event.body.get("groupId")) or text(context(event).get("groupId"))


def message_id(event: Delivery) -> str:
    return text(event.body.get("messageId"))


def email(event: Delivery) -> str:
    """From the traits, else the properties, else a user id that is one. Not lower-cased."""
    found = traits(event).get("email"), properties(event).get("email"), event.body.get("userId")
    return next((one.strip() for one in found if isinstance(one, str) and is_email(one.strip())), "")


def email_or_hash(event: Delivery) -> str:
    """For advertisers, who take the hash of an address as well: `email`, else any text in its place in the traits."""
    return email(event) or text(traits(event).get("email"))


def phone(event: Delivery) -> str:
    """As it was given: see `router.destinations.shared.hashing` for what advertisers want."""
    return text(traits(event).get("phone")) or text(properties(event).get("phone"))


def first_name(event: Delivery) -> str:
    known = traits(event)
    return _first(known, "firstName", "first_name", "firstname") or text(known.get("name")).partition(" ")[0]


def last_name(event: Delivery) -> str:
    known = traits(event)
    return _first(known, "lastName", "last_name", "lastname") or text(known.get("name")).partition(" ")[2].strip()


def full_name(event: Delivery) -> str:
    return text(traits(event).get("name")) or f"{first_name(event)} {last_name(event)}".strip()


def address(event: Delivery) -> Address:
    """`traits.address`, an object, with single traits of the same names where it lacks one."""
    known = traits(event)
    given = _object(known.get("address"))

    def of(*names: str) -> str:
        return _first(given, *names) or _first(known, *names)

    return Address(
        of("street"), of("city"), of("state", "region"), of("postalCode", "postal_code", "zip"), of("country")
    )


def text(value: object) -> str:
    """Text and whole numbers as text without blanks around it; everything else is empty."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def real(given: str) -> str:
    """An id; empty where it is a placeholder such as `undefined`, which partners do not take for one."""
    return "" if _PLACEHOLDERS.matches(given) else given


def _first(source: dict[str, Any], *names: str) -> str:
    return next((found for name in names if (found := text(source.get(name)))), "")


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
