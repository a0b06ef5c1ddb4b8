"""The destination types that ship, each with its module, imported when the type is asked for. None does I/O."""

from __future__ import annotations

MODULES: dict[str, str] = {
    "adroll": "adroll",
    "amplitude": "amplitude",
    "archive": "archive",
    "braze": "braze",
    "customerio": "customerio",
    "facebook-audiences": "facebook_audiences",
    "facebook-conversions": "facebook_conversions",
    "file": "file",
    "ga4": "ga4",
    "google-ads": "google_ads",
    "http": "http_request",
    "hubspot": "hubspot",
    "intercom": "intercom",
    "iterable": "iterable",
    "kafka": "kafka",
    "klaviyo": "klaviyo",
    "mailchimp": "mailchimp",
    "mixpanel": "mixpanel",
    "posthog": "posthog",
    "segment": "segment",
    "sendgrid": "sendgrid",
    "slack": "slack",
    "warehouse": "warehouse",
    "webhook": "webhook",
}
