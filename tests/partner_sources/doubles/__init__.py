"""Doubles of partners that post: bodies as their documentation shows them, signed as they sign."""

from __future__ import annotations

from tests.partner_sources.doubles.appsflyer import AppsflyerDouble
from tests.partner_sources.doubles.braze import BrazeDouble
from tests.partner_sources.doubles.customerio import CustomerioDouble
from tests.partner_sources.doubles.double import PartnerDouble
from tests.partner_sources.doubles.hook import HookDouble
from tests.partner_sources.doubles.hubspot import HubspotDouble
from tests.partner_sources.doubles.iterable import IterableDouble
from tests.partner_sources.doubles.klaviyo import KlaviyoDouble
from tests.partner_sources.doubles.mailchimp import MailchimpDouble
from tests.partner_sources.doubles.mandrill import MandrillDouble
from tests.partner_sources.doubles.segment import SegmentDouble
from tests.partner_sources.doubles.sendgrid import SendgridDouble
from tests.partner_sources.doubles.stripe import StripeDouble

DOUBLES: tuple[PartnerDouble, ...] = (
    AppsflyerDouble(),
    BrazeDouble(),
    CustomerioDouble(),
    HookDouble(),
    HubspotDouble(),
    IterableDouble(),
    KlaviyoDouble(),
    MailchimpDouble(),
    MandrillDouble(),
    SegmentDouble(),
    SendgridDouble(),
    StripeDouble(),
)
