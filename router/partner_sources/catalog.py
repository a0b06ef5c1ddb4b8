"""The partner sources: one file each, and one line each in this list."""

from __future__ import annotations

from router.partner_sources.appsflyer import AppsflyerSource
from router.partner_sources.base import PartnerSource
from router.partner_sources.braze import BrazeSource
from router.partner_sources.customerio import CustomerioSource
from router.partner_sources.hook import HookSource
from router.partner_sources.hubspot import HubspotSource
from router.partner_sources.iterable import IterableSource
from router.partner_sources.klaviyo import KlaviyoSource
from router.partner_sources.mailchimp import MailchimpSource
from router.partner_sources.mandrill import MandrillSource
from router.partner_sources.segment import SegmentSource
from router.partner_sources.sendgrid import SendgridSource
from router.partner_sources.stripe import StripeSource

SEGMENT = "segment"  # the type of a source that names none: an SDK sends its events, by a write key
_CLASSES: tuple[type[PartnerSource], ...] = (
    AppsflyerSource,
    BrazeSource,
    CustomerioSource,
    HookSource,
    HubspotSource,
    IterableSource,
    KlaviyoSource,
    MailchimpSource,
    MandrillSource,
    SegmentSource,
    SendgridSource,
    StripeSource,
)
PARTNER_SOURCES: dict[str, type[PartnerSource]] = {one.type: one for one in _CLASSES}
