"""The partner sources: one file each, and one line each in this list. A file is imported when its type is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from router.partner_sources.base import PartnerSource

SEGMENT = "segment"  # the type of a source that names none: an SDK sends its events, by a write key
CLASSES: dict[str, str] = {
    "appsflyer": "AppsflyerSource",
    "braze": "BrazeSource",
    "customerio": "CustomerioSource",
    "hook": "HookSource",
    "hubspot": "HubspotSource",
    "iterable": "IterableSource",
    "klaviyo": "KlaviyoSource",
    "mailchimp": "MailchimpSource",
    "mandrill": "MandrillSource",
    "segment": "SegmentSource",
    "sendgrid": "SendgridSource",
    "stripe": "StripeSource",
}


class PartnerSources(Mapping[str, type[PartnerSource]]):
    """By type, which is the name of the file too."""

    def __getitem__(self, name: str) -> type[PartnerSource]:
        cls = CLASSES[name]
        found: type[PartnerSource] = getattr(import_module(f"router.partner_sources.{name}"), cls)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(CLASSES)

    def __len__(self) -> int:
        return len(CLASSES)


PARTNER_SOURCES = PartnerSources()
