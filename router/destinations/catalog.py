"""The destination modules that ship, in alphabetical order. Importing one registers its type; none does I/O."""

from router.destinations import (
    adroll,
    amplitude,
    braze,
    customerio,
    facebook_audiences,
    facebook_conversions,
    file,
    ga4,
    http_request,
    hubspot,
    intercom,
    iterable,
    klaviyo,
    mixpanel,
    slack,
    webhook,
)

__all__ = [
    "adroll",
    "amplitude",
    "braze",
    "customerio",
    "facebook_audiences",
    "facebook_conversions",
    "file",
    "ga4",
    "http_request",
    "hubspot",
    "intercom",
    "iterable",
    "klaviyo",
    "mixpanel",
    "slack",
    "webhook",
]
