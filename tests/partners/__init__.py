"""A partner for each destination type; a new connector adds its line and gets the contract suite."""

from __future__ import annotations

from tests.partners.adroll import AdrollPartner
from tests.partners.amplitude import AmplitudePartner
from tests.partners.archive import ArchivePartner
from tests.partners.braze import BrazePartner
from tests.partners.customerio import CustomerioPartner
from tests.partners.facebook_audiences import FacebookAudiencesPartner
from tests.partners.facebook_conversions import FacebookConversionsPartner
from tests.partners.file import FilePartner
from tests.partners.ga4 import Ga4Partner
from tests.partners.google_ads import GoogleAdsPartner
from tests.partners.http import AnyPartner
from tests.partners.hubspot import HubspotPartner
from tests.partners.intercom import IntercomPartner
from tests.partners.iterable import IterablePartner
from tests.partners.kafka import KafkaPartner
from tests.partners.klaviyo import KlaviyoPartner
from tests.partners.mailchimp import MailchimpPartner
from tests.partners.mixpanel import MixpanelPartner
from tests.partners.partner import Partner
from tests.partners.posthog import PosthogPartner
from tests.partners.segment import SegmentPartner
from tests.partners.sendgrid import SendgridPartner
from tests.partners.slack import SlackPartner
from tests.partners.warehouse import WarehousePartner
from tests.partners.webhook import WebhookPartner

PARTNERS: dict[str, type[Partner]] = {
    partner.type: partner
    for partner in (
        AdrollPartner,
        AmplitudePartner,
        AnyPartner,
        ArchivePartner,
        BrazePartner,
        CustomerioPartner,
        FacebookAudiencesPartner,
        FacebookConversionsPartner,
        FilePartner,
        Ga4Partner,
        GoogleAdsPartner,
        HubspotPartner,
        IntercomPartner,
        IterablePartner,
        KafkaPartner,
        KlaviyoPartner,
        MailchimpPartner,
        MixpanelPartner,
        PosthogPartner,
        SegmentPartner,
        SendgridPartner,
        SlackPartner,
        WarehousePartner,
        WebhookPartner,
    )
}
