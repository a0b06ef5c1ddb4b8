"""What a narrowing means, in words: for producers (it is new) and, read the other way round, for consumers."""

from __future__ import annotations

from router.plan_tools.diff.change import Class
from router.plan_tools.diff.narrowing import Narrowing

_BREAKING = {
    "required": "is required from now on; events without it fail",
    "unplanned": "is no longer planned; events that carry it have an unplanned property",
    "closed": "takes no other properties than those named from now on; others are unplanned",
    "never": "may no longer occur",
    "type": "may no longer be {old}; it must be {new}",
    "enum": "may no longer be {old}; allowed: {new}",
    "minimum": "must be {new} (before: {old})",
    "maximum": "must be {new} (before: {old})",
    "multipleOf": "must be a multiple of {new} (before: {old})",
    "minLength": "must have at least {new} characters (before: {old})",
    "maxLength": "must have at most {new} characters (before: {old})",
    "minItems": "must have at least {new} items (before: {old})",
    "maxItems": "must have at most {new} items (before: {old})",
    "minProperties": "must have at least {new} properties (before: {old})",
    "maxProperties": "must have at most {new} properties (before: {old})",
    "pattern": "must match {new} (before: {old})",
    "format": "must have the format {new} (before: {old})",
    "contentEncoding": "must be encoded as {new} (before: {old})",
    "contentMediaType": "must be of the media type {new} (before: {old})",
    "uniqueItems": "must not hold an item twice from now on",
    "anyOf": "has other alternatives; values that fitted before may fit none now",
    "if": "has other conditions; values that passed before may fail now",
    "dependencies": "needs more beside {new} from now on",
    "unknown": "changed in {new}; whether less is allowed now cannot be told, so it counts as breaking",
}
_WIDER: dict[str, tuple[Class, str]] = {
    "required": ("risky", "is no longer required; consumers may miss it"),
    "unplanned": ("safe", "is a new property"),
    "closed": ("risky", "may hold other properties from now on"),
    "never": ("risky", "may occur from now on"),
    "type": ("risky", "may also be {old} from now on (before: {new})"),
    "enum": ("risky", "may also be {old} from now on (before: {new})"),
    "minimum": ("risky", "may be less from now on: {old} (before: {new})"),
    "maximum": ("risky", "may be more from now on: {old} (before: {new})"),
    "minLength": ("risky", "may be shorter from now on: {old} characters (before: {new})"),
    "maxLength": ("risky", "may be longer from now on: {old} characters (before: {new})"),
    "minItems": ("risky", "may have fewer items from now on: {old} (before: {new})"),
    "maxItems": ("risky", "may have more items from now on: {old} (before: {new})"),
    "pattern": ("risky", "need not match {new} any more"),
    "format": ("risky", "need not have the format {new} any more"),
    "uniqueItems": ("risky", "may hold an item twice from now on"),
    "dependencies": ("risky", "needs less beside {new} from now on"),
}
_OTHERWISE: tuple[Class, str] = ("risky", "allows more from now on ({kind})")


def breaking(narrowing: Narrowing) -> str:
    """What producers must change."""
    return _BREAKING[narrowing.kind].format(old=narrowing.old or "none", new=narrowing.new or "none")


def wider(narrowing: Narrowing) -> tuple[Class, str]:
    """What consumers may meet, where the new schemas allow more; the narrowing is of the new side by the old one."""
    klass, text = _WIDER.get(narrowing.kind, _OTHERWISE)
    return klass, text.format(old=narrowing.old or "any", new=narrowing.new or "none", kind=narrowing.kind)
